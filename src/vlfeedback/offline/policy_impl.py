"""Base of the learners with a `PolicyNetwork`, behind d3rlpy's interface."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from d3rlpy.algos.qlearning.base import QLearningAlgoImplBase
from d3rlpy.optimizers.optimizers import OptimizerWrapper
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR

from vlfeedback.errors import NeedsError
from vlfeedback.offline.policy_networks import PolicyNetwork

__all__ = ["PolicyImpl", "adam"]


class PolicyImpl(QLearningAlgoImplBase):  # type: ignore[misc]
    """A policy network behind d3rlpy's interface; a learner adds `inner_update`."""

    def __init__(
        self,
        observation_shape: Sequence[int],
        action_size: int,
        modules: Any,
        device: str,
        generator: torch.Generator,
    ) -> None:
        super().__init__(observation_shape, action_size, modules, device)
        self._generator = generator

    def inner_predict_best_action(self, x: Tensor) -> Tensor:
        """Mean actions."""
        actions: Tensor = self._modules.policy(x)
        return actions

    def inner_sample_action(self, x: Tensor) -> Tensor:
        """Actions to explore with."""
        actions: Tensor = self._modules.policy.sample(x, self._generator)
        return actions

    def inner_predict_value(self, x: Tensor, action: Tensor) -> Tensor:
        """Refuse: these learners fit no value."""
        raise NeedsError("This learner fits a policy and no values; use IPL, or fit IQL.")

    @property
    def policy(self) -> PolicyNetwork:
        """The policy, where d3rlpy looks for it."""
        policy: PolicyNetwork = self._modules.policy
        return policy


def adam(
    parameters: Iterable[nn.Parameter],
    learning_rate: float,
    *,
    warmup_steps: int = 0,
) -> OptimizerWrapper:
    """Adam, fused over all parameters; the rate rises linearly over `warmup_steps`."""
    parameters = list(parameters)
    optimiser = Adam(parameters, lr=learning_rate, fused=True)
    schedule = None
    if warmup_steps:
        schedule = LambdaLR(optimiser, lambda step: min((step + 1) / warmup_steps, 1.0))
    return OptimizerWrapper(parameters, optimiser, compiled=False, lr_scheduler=schedule)
