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
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vlfeedback.offline.flat_adam import FlatAdam
from vlfeedback.offline.policy_impl import PolicyImpl
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

    optimiser: FlatAdam


class SFTImpl(PolicyImpl):
    """One step of SFT, of all runs."""

    _modules: SFTModules
    recordable = False  # how many segments are cloned differs from batch to batch

    def next_phase(self) -> str:
        """See `PolicyImpl.next_phase`."""
        return "all" if self._modules.step_count.take() < self._config.bc_steps else "preferred"

    def take(self, batch: PairTensors, phase: str, *, log: bool) -> dict[str, Tensor]:
        """Clone all segments, or the preferred ones."""
        cloned = torch.ones(*batch.prefer_second.shape, 2, dtype=torch.bool)
        if phase == "preferred":
            prefer = batch.prefer_second
            cloned = torch.stack([prefer <= 0.5, prefer >= 0.5], dim=-1)
        segments = [
            torch.nonzero(of_run[:n].flatten()).flatten()
            for of_run, n in zip(cloned, batch.n_pairs.tolist(), strict=True)
        ]
        chosen = pad_sequence(segments, batch_first=True).to(batch.observations.device)
        runs = torch.arange(len(chosen), device=chosen.device)[:, None]
        observations, actions, acted = (
            batch.by_segment(rows).flatten(start_dim=1, end_dim=2)[runs, chosen].flatten(1, 2)
            for rows in (batch.observations, batch.actions, batch.acted)
        )
        counts = [len(of_run) * batch.length for of_run in segments]
        log_prob = self._modules.policy.log_prob(observations, actions, torch.tensor(counts))
        shares = torch.zeros_like(log_prob)
        for of_run, weights, count in zip(shares, acted, counts, strict=True):
            of_run[:count] = weights[:count] / weights[:count].sum().clamp(min=1)
        self._modules.policy.backward(-shares)
        self._modules.optimiser.step()
        return {"bc_loss": -(shares * log_prob).sum(dim=1)} if log else {}


class SFT(PreferenceLearner):
    """Supervised fine-tuning as a d3rlpy algorithm; see `SFTConfig`."""

    def build(
        self, observation_shape: Sequence[int], action_size: int, seeds: Sequence[int]
    ) -> SFTImpl:
        """See `RunLearner.build`."""
        settings = self._network_settings(seeds)
        policy = self._new_policy(observation_shape, action_size, settings)
        modules = SFTModules(
            policy=policy,
            step_count=StepCount(),
            optimiser=FlatAdam(policy.mlp.flat, self._config.learning_rate),
        )
        return SFTImpl(
            observation_shape,
            action_size,
            modules,
            self._device,
            config=self._config,
            generators=settings["generators"],
        )


register_learnable(SFTConfig)
