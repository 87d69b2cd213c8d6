"""Base of our learners behind d3rlpy's interface, of one run or of several side by side.

d3rlpy trains one run: `update` takes a batch of its buffer. Everything below `update` has a leading
axis of runs, so that the same step trains several; see `vlfeedback.offline.train_together`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, ClassVar

import torch
from d3rlpy.algos.qlearning.base import QLearningAlgoBase, QLearningAlgoImplBase
from d3rlpy.constants import ActionSpace
from torch import Tensor, nn

from vlfeedback.errors import NeedsError
from vlfeedback.offline.d3rlpy_quiet import QuietFit
from vlfeedback.offline.flat_adam import FlatAdam
from vlfeedback.offline.policy_networks import PolicyNetwork

__all__ = ["PolicyImpl", "RunLearner"]


class PolicyImpl(QLearningAlgoImplBase):  # type: ignore[misc]
    """R policies behind d3rlpy's interface; a learner adds `step`.

    Every tensor of its modules counts networks or runs along its first axis, run by run, or has
    none and is the same for all runs.
    """

    def __init__(
        self,
        observation_shape: Sequence[int],
        action_size: int,
        modules: Any,
        device: str,
        *,
        config: Any,
        generators: Sequence[torch.Generator],
    ) -> None:
        super().__init__(observation_shape, action_size, modules, device)
        self._config = config
        self.generators = generators

    recordable: ClassVar[bool] = True
    """Whether steps of a phase, on batches of one shape, differ in numbers on the device alone."""

    def step(self, batch: Any, *, log: bool) -> dict[str, Tensor]:
        """Take one gradient step; returns losses (R,) by name, or none where `log` is false."""
        return self.take(batch, self.next_phase(), log=log)

    def next_phase(self) -> str:
        """Count the next step, and name the phase of training that it is in."""
        return ""

    @abstractmethod
    def take(self, batch: Any, phase: str, *, log: bool) -> dict[str, Tensor]:
        """Take a step of this phase; of an optimiser, all steps are in one phase."""

    def inner_update(self, batch: Any, grad_step: int) -> dict[str, float]:
        """Take one step of a single run."""
        log = grad_step % getattr(self._config, "log_every", 1) == 0
        return {name: float(loss[0]) for name, loss in self.step(batch, log=log).items()}

    def inner_predict_best_action(self, x: Tensor) -> Tensor:
        """Mean actions."""
        actions: Tensor = self._modules.policy(x)
        return actions[0]

    def inner_sample_action(self, x: Tensor) -> Tensor:
        """Actions to explore with."""
        actions: Tensor = self._modules.policy.sample(x, self.generators[0])
        return actions[0]

    def inner_predict_value(self, x: Tensor, action: Tensor) -> Tensor:
        """Refuse: most of these learners fit no value."""
        raise NeedsError("This learner fits a policy and no values; use IPL, or fit IQL.")

    def reset_optimizer_states(self) -> None:
        """Forget what the optimisers have gathered."""
        for name in (field.name for field in fields(self._modules)):
            if isinstance(part := getattr(self._modules, name), FlatAdam):
                part.reset()

    @property
    def policy(self) -> PolicyNetwork:
        """The policy, where d3rlpy looks for it."""
        policy: PolicyNetwork = self._modules.policy
        return policy

    def copy_run_to(self, run: int, single: PolicyImpl) -> None:
        """Give another impl, of one run, all that this one has learnt in this run."""
        n_runs = len(self.generators)
        for name, part in self._parts().items():
            state = {
                key: tensor.chunk(n_runs)[run] if tensor.ndim else tensor
                for key, tensor in part.state_dict().items()
            }
            single._parts()[name].load_state_dict(state)
        single.generators[0].set_state(self.generators[run].get_state())

    @torch.no_grad()
    def copy_run_from(self, run: int, single: PolicyImpl) -> None:
        """Take over, as one run, all that another impl has learnt."""
        n_runs = len(self.generators)
        for name, part in self._parts().items():
            given = single._parts()[name].state_dict()
            for key, tensor in part.state_dict().items():
                (tensor.chunk(n_runs)[run] if tensor.ndim else tensor).copy_(given[key])
        self.generators[run].set_state(single.generators[0].get_state())

    def _parts(self) -> dict[str, nn.Module]:
        names = [field.name for field in fields(self._modules)]
        return {name: getattr(self._modules, name) for name in names}


class RunLearner(QuietFit, QLearningAlgoBase, ABC):  # type: ignore[misc]
    """A d3rlpy algorithm whose runs can be trained side by side."""

    @abstractmethod
    def build(
        self, observation_shape: Sequence[int], action_size: int, seeds: Sequence[int]
    ) -> PolicyImpl:
        """Networks and optimisers of as many runs as there are seeds.

        Raises:
            ShapeError: observations are no vectors.
        """

    @abstractmethod
    def tensors(self, batch: Any) -> Any:
        """A batch of its buffer as it is learnt from: tensors (1, B, ...), scaled."""

    def inner_create_impl(self, observation_shape: Sequence[int], action_size: int) -> None:
        """Build the networks of one run; d3rlpy calls it."""
        self._impl = self.build(observation_shape, action_size, [self._config.seed])

    def update(self, batch: Any) -> dict[str, float]:
        """Take one gradient step.

        Returns:
            Losses by name, at every ``log_every``-th step where the config has that; at the others
            none.
        """
        assert self._impl is not None
        losses: dict[str, float] = self._impl.update(self.tensors(batch), self._grad_step)
        self._grad_step += 1
        return losses

    def get_action_type(self) -> ActionSpace:
        """Continuous."""
        return ActionSpace.CONTINUOUS
