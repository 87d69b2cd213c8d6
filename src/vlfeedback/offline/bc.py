"""BC: a policy that imitates every action of the trajectories, good or bad.

Paper:    the baseline "BC" of Hejna et al. 2024 and of Offline RL-VLM-F; code read: jhejna/cpl.
Computes: -mean log pi(a|s): of the deterministic policy the squared error, summed over action
          entries; of the Gaussian one its negative log-likelihood.
Ours:     d3rlpy's own stochastic BC regresses a sampled action instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from d3rlpy.algos.qlearning.base import QLearningAlgoBase
from d3rlpy.base import LearnableConfig, register_learnable
from d3rlpy.constants import ActionSpace
from d3rlpy.dataset import TransitionMiniBatch
from d3rlpy.optimizers.optimizers import OptimizerWrapper
from d3rlpy.torch_utility import Modules
from torch import Tensor

from vlfeedback.errors import InvalidValueError
from vlfeedback.offline.d3rlpy_quiet import QuietFit
from vlfeedback.offline.policy_impl import PolicyImpl, adam
from vlfeedback.offline.policy_networks import PolicyNetwork, vector_size

__all__ = ["BC", "BCConfig"]


@dataclass(kw_only=True)
class BCConfig(LearnableConfig):  # type: ignore[misc]
    """Settings; the papers print none for BC, so all are our choice, after their IQL.

    Attributes:
        batch_size: transitions.
        learning_rate: of Adam.
        hidden: widths.
        dropout: in the policy, in [0, 1).
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
    optimiser: OptimizerWrapper


class BCImpl(PolicyImpl):
    """One step of BC."""

    _modules: BCModules

    def __init__(
        self,
        observation_shape: Sequence[int],
        action_size: int,
        modules: BCModules,
        device: str,
        *,
        log_every: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__(observation_shape, action_size, modules, device, generator)
        self._log_every = log_every

    def inner_update(self, batch: tuple[Tensor, Tensor], grad_step: int) -> dict[str, float]:
        """Clone a batch of observations and actions."""
        loss = -self._modules.policy.log_prob(*batch).mean()
        self._modules.optimiser.zero_grad()
        loss.backward()
        self._modules.optimiser.step()
        return {"bc_loss": loss.item()} if grad_step % self._log_every == 0 else {}


class BC(QuietFit, QLearningAlgoBase):  # type: ignore[misc]
    """Behaviour cloning as a d3rlpy algorithm; fit it on ``TransitionBuffer(rewards="none")``."""

    def inner_create_impl(self, observation_shape: Sequence[int], action_size: int) -> None:
        """Build the network; d3rlpy calls it.

        Raises:
            ShapeError: observations are no vectors.
        """
        config = self._config
        generator = torch.Generator().manual_seed(config.seed)
        policy = PolicyNetwork(
            vector_size(observation_shape),
            action_size,
            config.hidden,
            gaussian=config.gaussian,
            generator=generator,
            dropout=config.dropout,
            bfloat16=False,
        ).to(self._device)
        self._impl = BCImpl(
            observation_shape,
            action_size,
            BCModules(policy, adam(policy.parameters(), config.learning_rate)),
            self._device,
            log_every=config.log_every,
            generator=generator,
        )

    def update(self, batch: TransitionMiniBatch) -> dict[str, float]:
        """Take one gradient step; its loss at every `BCConfig.log_every`-th."""
        assert self._impl is not None
        observations, actions = (
            torch.from_numpy(rows).to(self._device) for rows in (batch.observations, batch.actions)
        )
        if self._config.observation_scaler:
            observations = self._config.observation_scaler.transform(observations)
        if self._config.action_scaler:
            actions = self._config.action_scaler.transform(actions)
        losses: dict[str, float] = self._impl.update((observations, actions), self._grad_step)
        self._grad_step += 1
        return losses

    def get_action_type(self) -> ActionSpace:
        """Continuous."""
        return ActionSpace.CONTINUOUS


register_learnable(BCConfig)
