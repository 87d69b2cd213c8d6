"""SFT: clone everything first, then only the segments that were preferred.

Paper:    the baseline "SFT" of Hejna et al. 2024; code read: jhejna/cpl at b333667.
Computes: -mean log pi(a|s), over all segments for `bc_steps` steps, then over each pair's
          preferred segment; a tie keeps both. One optimiser throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from d3rlpy.base import register_learnable
from d3rlpy.optimizers.optimizers import OptimizerWrapper

from vlfeedback.offline.policy_impl import PolicyImpl, adam
from vlfeedback.offline.preference_learner import (
    PairTensors,
    PreferenceLearner,
    PreferenceLearnerConfig,
    PreferenceModules,
    StepCount,
)

__all__ = ["SFT", "SFTConfig"]


@dataclass(kw_only=True)
class SFTConfig(PreferenceLearnerConfig):
    """Settings of SFT; the networks are VLP's, who does not run it.

    Attributes:
        bc_steps: of cloning all segments first; as CPL's, VLP table 9.
    """

    bc_steps: int = 10_000

    def create(self, device: Any = False, enable_ddp: bool = False) -> SFT:
        """Make the learner; it is not built until `fit` sees the data."""
        return SFT(self, device, enable_ddp)

    @staticmethod
    def get_type() -> str:
        """Name in d3rlpy's files."""
        return "vlfeedback_sft"


@dataclass(frozen=True)
class SFTModules(PreferenceModules):
    """Network and optimiser of SFT, which d3rlpy saves."""

    optimiser: OptimizerWrapper


class SFTImpl(PolicyImpl):
    """One step of SFT."""

    _modules: SFTModules

    def __init__(self, *args: Any, bc_steps: int) -> None:
        super().__init__(*args)
        self._bc_steps = bc_steps

    def inner_update(self, batch: PairTensors, grad_step: int) -> dict[str, float]:
        """Clone all segments, or the preferred ones."""
        observations, actions = batch.observations, batch.actions
        if self._modules.step_count.take() >= self._bc_steps:
            prefer = batch.prefer_second
            preferred = torch.stack([prefer <= 0.5, prefer >= 0.5], dim=1)
            observations, actions = (
                batch.by_segment(rows)[preferred].flatten(end_dim=1)
                for rows in (observations, actions)
            )
        loss = -self._modules.policy.log_prob(observations, actions).mean()
        self._modules.optimiser.zero_grad()
        loss.backward()
        self._modules.optimiser.step()
        return {"bc_loss": loss.item()}


class SFT(PreferenceLearner):
    """Supervised fine-tuning as a d3rlpy algorithm; see `SFTConfig`."""

    def inner_create_impl(self, observation_shape: Sequence[int], action_size: int) -> None:
        """Build the network; d3rlpy calls it."""
        generator = self._new_generator()
        policy = self._new_policy(observation_shape, action_size, generator)
        modules = SFTModules(
            policy=policy,
            step_count=StepCount(),
            optimiser=adam(policy.parameters(), self._config.learning_rate),
        )
        self._impl = SFTImpl(
            observation_shape,
            action_size,
            modules,
            self._device,
            generator,
            bc_steps=self._config.bc_steps,
        )


register_learnable(SFTConfig)
