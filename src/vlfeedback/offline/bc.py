"""BC: a policy that imitates every action of the trajectories, good or bad.

Paper:    the baseline "BC" of Hejna et al. 2024 and of Offline RL-VLM-F; code read: jhejna/cpl.
Computes: -mean log pi(a|s): of the deterministic policy the squared error, summed over action
          entries; of the Gaussian one its negative log-likelihood.
Ours:     d3rlpy's own stochastic BC regresses a sampled action instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from d3rlpy.base import LearnableConfig, register_learnable
from d3rlpy.dataset import TransitionMiniBatch
from d3rlpy.torch_utility import Modules
from jaxtyping import Float
from torch import Tensor

from vlfeedback.errors import InvalidValueError
from vlfeedback.offline.flat_adam import FlatAdam
from vlfeedback.offline.policy_impl import PolicyImpl, RunLearner
from vlfeedback.offline.policy_networks import PolicyNetwork, vector_size

__all__ = ["BC", "BCConfig"]


@dataclass(kw_only=True)
class BCConfig(LearnableConfig):  # type: ignore[misc]
    """Settings; the papers print none for BC, so all are our choice, after their IQL.

    Attributes:
        batch_size: transitions.
        learning_rate: of Adam.
        hidden: widths.
        dropout: in the policy, in [0, 1), to the nearest 1/256.
        gaussian: policy: Gaussian, or deterministic.
        log_every: steps; the loss of the others is not read.
        seed: of weights, dropout and sampled actions.

    Raises:
        ValueError: a number is out of its range.
    """

    batch_size: int = 256
    learning_rate: float = 3e-4
    hidden: list[int] = field(default_factory=lambda: [256, 256])
    dropout: float = 0.0
    gaussian: bool = False
    log_every: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise InvalidValueError(f"dropout={self.dropout}; expected a share in [0, 1).")
        if min(self.batch_size, self.log_every) < 1:
            raise InvalidValueError(
                f"batch_size={self.batch_size}, log_every={self.log_every}; expected at least 1."
            )

    def create(self, device: Any = False, enable_ddp: bool = False) -> BC:
        """Make the learner; it is not built until `fit` sees the data."""
        return BC(self, device, enable_ddp)

    @staticmethod
    def get_type() -> str:
        """Name in d3rlpy's files."""
        return "vlfeedback_bc"


@dataclass(frozen=True)
class BCModules(Modules):  # type: ignore[misc]
    """Network and optimiser of BC, which d3rlpy saves."""

    policy: PolicyNetwork
    optimiser: FlatAdam


class Demonstrations(NamedTuple):
    """B states of each of R runs, and what was done there."""

    observations: Float[Tensor, "R B D"]
    actions: Float[Tensor, "R B A"]


class BCImpl(PolicyImpl):
    """One step of BC, of all runs."""

    _modules: BCModules

    def take(self, batch: Demonstrations, phase: str, *, log: bool) -> dict[str, Tensor]:
        """Clone a batch of observations and actions."""
        log_prob = self._modules.policy.log_prob(*batch)
        self._modules.policy.backward(torch.full_like(log_prob, -1 / log_prob.shape[1]))
        self._modules.optimiser.step()
        return {"bc_loss": -log_prob.mean(dim=1)} if log else {}


class BC(RunLearner):
    """Behaviour cloning as a d3rlpy algorithm; fit it on ``TransitionBuffer(rewards="none")``."""

    def build(
        self, observation_shape: Sequence[int], action_size: int, seeds: Sequence[int]
    ) -> BCImpl:
        """See `RunLearner.build`."""
        config = self._config
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        policy = PolicyNetwork(
            [vector_size(observation_shape), *config.hidden, action_size],
            deviation="clamped" if config.gaussian else "none",
            generators=generators,
            orthogonal=True,
            dropout=config.dropout,
            device=self._device,
        )
        modules = BCModules(
            policy=policy, optimiser=FlatAdam(policy.mlp.flat, config.learning_rate)
        )
        return BCImpl(
            observation_shape,
            action_size,
            modules,
            self._device,
            config=config,
            generators=generators,
        )

    def tensors(self, batch: TransitionMiniBatch) -> Demonstrations:
        """See `RunLearner.tensors`."""
        observations, actions = (
            torch.from_numpy(rows).to(self._device) for rows in (batch.observations, batch.actions)
        )
        if self._config.observation_scaler:
            observations = self._config.observation_scaler.transform(observations)
        if self._config.action_scaler:
            actions = self._config.action_scaler.transform(actions)
        return Demonstrations(observations[None], actions[None])


register_learnable(BCConfig)
