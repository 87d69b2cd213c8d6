"""CPL: a policy straight from preferences, without reward or value.

Paper:    Hejna et al. 2024, Contrastive Preference Learning; code read: jhejna/cpl at b333667.
          PLARE (Luu et al. 2025) is this learner on a VLM's labels; code: tunglm2203/plare.
Computes: behaviour cloning on all segments first; then `losses.contrastive` of
          alpha * sum of log pi(a|s) over a segment, with a new optimiser and a linear warm-up.
          Without any cloning there is neither, as in CPL's code: its schedule begins at a switch.
Variants: CPL-KL subtracts the log-probability of the policy as it was at the switch; CPL-BC keeps
          cloning beside the contrast.
Left out: pictures as observations and their augmentation; ranking of scored segments, whose loss
          is `losses.contrastive_ranking`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from d3rlpy.base import register_learnable
from jaxtyping import Float
from torch import Tensor

from vlfeedback.errors import InvalidValueError
from vlfeedback.losses import contrastive
from vlfeedback.offline.flat_adam import FlatAdam, linear_warmup
from vlfeedback.offline.policy_impl import PolicyImpl
from vlfeedback.offline.policy_networks import PolicyNetwork
from vlfeedback.offline.preference_learner import (
    PairTensors,
    PreferenceLearner,
    PreferenceLearnerConfig,
    PreferenceModules,
    StepCount,
)

__all__ = ["CPL", "CPLConfig"]


@dataclass(kw_only=True)
class CPLConfig(PreferenceLearnerConfig):
    """Settings of CPL; the defaults are VLP's.

    CPL-KL is ``reference=True, alpha=0.2, bias=0.75, rate_after_bc=0.1``; CPL-BC is
    ``bias=1.0, bc_coeff=1.0`` (CPL's code, state observations).

    Attributes:
        alpha: temperature of the advantages; VLP table 9.
        bias: contrastive bias in (0, 1], see losses.contrastive; VLP table 9.
        bc_coeff: weight of cloning beside the contrast; VLP table 9.
        bc_steps: of cloning all segments, good and bad, first; VLP table 9.
        warmup_steps: of the learning rate after that, if that is; CPL's code.
        rate_after_bc: factor on the learning rate after that, likewise; CPL's code.
        reference: CPL-KL: measure against the policy frozen at the switch.
        ignore_ties: labels of 0.5 take part in cloning only; PLARE's code: True.
        mean_over_all: ignored ties still divide the loss, as in PLARE's code.
    """

    alpha: float = 0.1
    bias: float = 0.5
    bc_coeff: float = 0.0
    bc_steps: int = 10_000
    warmup_steps: int = 10_000
    rate_after_bc: float = 1.0
    reference: bool = False
    ignore_ties: bool = False
    mean_over_all: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.bias <= 1:
            raise InvalidValueError(f"bias={self.bias}; expected a number in (0, 1].")

    def create(self, device: Any = False, enable_ddp: bool = False) -> CPL:
        """Make the learner; it is not built until `fit` sees the data."""
        return CPL(self, device, enable_ddp)

    @staticmethod
    def get_type() -> str:
        """Name in d3rlpy's files."""
        return "vlfeedback_cpl"


@dataclass(frozen=True)
class CPLModules(PreferenceModules):
    """Networks and optimisers of CPL, which d3rlpy saves."""

    reference: PolicyNetwork
    bc_optimiser: FlatAdam
    optimiser: FlatAdam


class CPLImpl(PolicyImpl):
    """One step of CPL, of all runs."""

    _modules: CPLModules

    def next_phase(self) -> str:
        """Cloning for the first `bc_steps`, then contrast; at the switch the reference is taken."""
        modules, step = self._modules, self._modules.step_count.take()
        if step == self._config.bc_steps:
            modules.reference.load_state_dict(modules.policy.state_dict())
        return "cloning" if step < self._config.bc_steps else "contrast"

    def take(self, batch: PairTensors, phase: str, *, log: bool) -> dict[str, Tensor]:
        """Take one step, of cloning or of the contrastive loss."""
        modules = self._modules
        counts = 2 * batch.length * batch.n_pairs
        log_prob = modules.policy.log_prob(batch.observations, batch.actions, counts)
        shares = batch.shares(batch.length)
        losses = {"bc_loss": -(shares * log_prob).sum(dim=1)}
        if phase == "cloning":
            gradient, optimiser = -shares, modules.bc_optimiser
        else:
            losses["contrastive_loss"], gradient = self._contrast(batch, log_prob)
            gradient = gradient - self._config.bc_coeff * shares
            optimiser = modules.optimiser
        modules.policy.backward(gradient)
        optimiser.step()
        return losses if log else {}

    def _contrast(
        self, batch: PairTensors, log_prob: Float[Tensor, "R M"]
    ) -> tuple[Float[Tensor, " R"], Float[Tensor, "R M"]]:
        """The loss, and its derivative by each log-likelihood."""
        config = self._config
        if config.reference:
            reference = self._modules.reference.eval()
            log_prob = log_prob - reference.log_prob(batch.observations, batch.actions)
        advantages = config.alpha * batch.by_segment(log_prob * batch.acted).sum(dim=-1)
        weight = batch.counted()
        if config.mean_over_all:
            weight = weight * (weight.shape[1] / batch.n_pairs[:, None])
        if config.ignore_ties:
            weight = weight * (batch.prefer_second != 0.5)
        with torch.enable_grad():
            first, second = advantages.requires_grad_().unbind(dim=-1)
            losses = contrastive(
                first,
                second,
                batch.prefer_second,
                config.bias,
                weight=weight,
                mean_over_all=config.mean_over_all,
            )
        (gradient,) = torch.autograd.grad(losses, advantages, torch.ones_like(losses))
        by_row = (config.alpha * gradient)[..., None].expand(*gradient.shape, batch.length)
        return losses.detach(), by_row.flatten(start_dim=1) * batch.acted


class CPL(PreferenceLearner):
    """Contrastive Preference Learning as a d3rlpy algorithm; see `CPLConfig`."""

    def build(
        self, observation_shape: Sequence[int], action_size: int, seeds: Sequence[int]
    ) -> CPLImpl:
        """See `RunLearner.build`."""
        config, settings = self._config, self._network_settings(seeds)
        factor, warmup_steps = config.rate_after_bc, config.warmup_steps
        if config.bc_steps == 0:
            factor, warmup_steps = 1.0, 0
        policy, reference = (
            self._new_policy(observation_shape, action_size, settings) for _ in range(2)
        )
        modules = CPLModules(
            policy=policy,
            step_count=StepCount(),
            reference=reference.requires_grad_(False),
            bc_optimiser=FlatAdam(policy.mlp.flat, config.learning_rate),
            optimiser=FlatAdam(
                policy.mlp.flat, config.learning_rate * factor, linear_warmup(warmup_steps)
            ),
        )
        return CPLImpl(
            observation_shape,
            action_size,
            modules,
            self._device,
            config=config,
            generators=settings["generators"],
        )


register_learnable(CPLConfig)
