"""IPL: values and a policy from preferences, by the reward that a Q-function implies.

Paper:    Hejna and Sadigh 2023, Inverse Preference Learning (its IQL version); code read:
          jhejna/inverse-preference-learning at 8037b84.
Computes: in this order, V by expectile regression on the lower of the target Qs; Q by `losses.ipl`
          of Q(s, a) - gamma V(s'); the policy by advantage-weighted cloning; the target Qs.
          A segment of T steps gives T - 1 transitions, as the code has it, and the same T - 1 fit
          V and the policy there too. The policy is weighted with the new V, as in ipl_iql.py; the
          IQL of that repository takes the V of before (`IQLConfig.step_order`).
Left out: the AWAC version, pictures as observations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from d3rlpy.base import register_learnable
from d3rlpy.dataset import ReplayBufferBase
from d3rlpy.optimizers.optimizers import OptimizerWrapper
from jaxtyping import Float
from torch import Tensor, nn

from vlfeedback.encoders.bfloat16 import uses_bfloat16
from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.losses import expectile, ipl
from vlfeedback.offline.policy_impl import PolicyImpl, adam
from vlfeedback.offline.policy_networks import MLP
from vlfeedback.offline.preference_learner import (
    PairTensors,
    PreferenceLearner,
    PreferenceLearnerConfig,
    PreferenceModules,
    StepCount,
)

__all__ = ["IPL", "IPLConfig"]


@dataclass(kw_only=True)
class IPLConfig(PreferenceLearnerConfig):
    """Settings of IPL; the defaults are VLP's.

    Attributes:
        learning_rate: of all three networks; VLP table 8.
        gamma: discount; VLP table 8.
        regularisation: c, weight of the implied rewards' mean square; VLP table 10.
        expectile: of V; VLP table 8.
        temperature: beta of the policy's weights exp(A / beta); VLP table 8.
        max_weight: of one transition in the policy's loss; IPL's code.
        tau: soft update of the target Qs, a step; VLP table 8.
        n_critics: IPL's code.
        clip_next_values: to +-1 / (c (1 - gamma)); IPL's code, on for locomotion.
        replay_batch_size: transitions of no pair, where there are any; IPL's code.
        replay_weight: their share of the V, policy and regularisation losses; IPL's code.
    """

    learning_rate: float = 3e-4
    gamma: float = 0.99
    regularisation: float = 0.5
    expectile: float = 0.7
    temperature: float = 1 / 3
    max_weight: float = 100.0
    tau: float = 0.005
    n_critics: int = 2
    clip_next_values: bool = False
    replay_batch_size: int = 256
    replay_weight: float = 0.5

    def create(self, device: Any = False, enable_ddp: bool = False) -> IPL:
        """Make the learner; it is not built until `fit` sees the data."""
        return IPL(self, device, enable_ddp)

    @staticmethod
    def get_type() -> str:
        """Name in d3rlpy's files."""
        return "vlfeedback_ipl"


class Critics(nn.Module):
    """K Q-functions of a state and an action."""

    def __init__(self, sizes: list[int], n_critics: int, **settings: Any) -> None:
        super().__init__()
        self.members = nn.ModuleList(MLP(sizes, **settings) for _ in range(n_critics))

    def forward(
        self, observations: Float[Tensor, "M D"], actions: Float[Tensor, "M A"]
    ) -> Float[Tensor, "K M"]:
        """Q(s, a) of each."""
        rows = torch.cat([observations, actions], dim=-1)
        return torch.stack([member(rows).squeeze(-1) for member in self.members])


@dataclass(frozen=True)
class IPLModules(PreferenceModules):
    """Networks and optimisers of IPL, which d3rlpy saves."""

    value: MLP
    critics: Critics
    target_critics: Critics
    value_optimiser: OptimizerWrapper
    critic_optimiser: OptimizerWrapper
    policy_optimiser: OptimizerWrapper


@dataclass(frozen=True)
class Transitions:
    """Steps that have a next state: those of the pairs first, then those of the replay."""

    observations: Tensor  # (M, D)
    actions: Tensor  # (M, A)
    n_paired: int  # 2 B (T - 1)

    def loss(self, mean: Callable[[Tensor], Tensor], terms: Tensor, replay_weight: float) -> Tensor:
        """`mean` of the pairs' terms, mixed by `replay_weight` with that of the replay's."""
        paired, replay = terms[: self.n_paired], terms[self.n_paired :]
        if not len(replay):
            return mean(paired)
        return (1 - replay_weight) * mean(paired) + replay_weight * mean(replay)


@dataclass(frozen=True)
class Replay:
    """Transitions of no pair, as tensors."""

    observations: Tensor  # (M, D)
    actions: Tensor  # (M, A)
    next_observations: Tensor  # (M, D)
    continues: Tensor  # (M,) 0 where the episode terminated, else 1


class IPLImpl(PolicyImpl):
    """One step of IPL."""

    _modules: IPLModules

    def __init__(self, *args: Any, config: IPLConfig) -> None:
        super().__init__(*args)
        self._config = config
        self.replay: Replay | None = None  # of this step

    def inner_update(self, batch: PairTensors, grad_step: int) -> dict[str, float]:
        """Update V, then Q, then the policy, then the target Qs."""
        modules = self._modules
        modules.step_count.take()
        steps = self._transitions(batch)
        with torch.no_grad():
            target = modules.target_critics(steps.observations, steps.actions).amin(dim=0)
        value_loss = self._fit_value(steps, target)
        with torch.no_grad():
            values = batch.by_segment(modules.value(batch.observations).squeeze(-1))
        critic_loss = self._fit_critics(steps, values[:, :, 1:], batch.prefer_second)
        policy_loss = self._fit_policy(steps, target, values[:, :, :-1])
        with torch.no_grad():
            for old, new in zip(
                modules.target_critics.parameters(), modules.critics.parameters(), strict=True
            ):
                old.lerp_(new, self._config.tau)
        return {
            "value_loss": value_loss.item(),
            "critic_loss": critic_loss.item(),
            "policy_loss": policy_loss.item(),
        }

    def _transitions(self, batch: PairTensors) -> Transitions:
        observations, actions = (
            batch.by_segment(rows)[:, :, :-1].flatten(end_dim=2)
            for rows in (batch.observations, batch.actions)
        )
        n_paired = len(observations)
        if self.replay is not None:
            observations = torch.cat([observations, self.replay.observations])
            actions = torch.cat([actions, self.replay.actions])
        return Transitions(observations, actions, n_paired)

    def _fit_value(self, steps: Transitions, target: Tensor) -> Tensor:
        gap = target - self._modules.value(steps.observations).squeeze(-1)
        squares = partial(expectile, tau=self._config.expectile)
        loss = steps.loss(squares, gap, self._config.replay_weight)
        return _descend(self._modules.value_optimiser, loss)

    def _fit_critics(
        self, steps: Transitions, next_values: Tensor, prefer_second: Tensor
    ) -> Tensor:
        config, replay = self._config, self.replay
        q = self._modules.critics(steps.observations, steps.actions)  # (K, M)
        shape = (len(q), *next_values.shape)  # (K, B, 2, T - 1)
        implied = q[:, : steps.n_paired].view(shape) - config.gamma * self._clip(next_values)
        implied_replay = None
        if replay is not None:
            with torch.no_grad():
                replay_values = self._clip(
                    self._modules.value(replay.next_observations).squeeze(-1)
                )
            implied_replay = (
                q[:, steps.n_paired :] - config.gamma * replay.continues * replay_values
            )
        loss = ipl(
            implied[:, :, 0],
            implied[:, :, 1],
            prefer_second,
            regularisation=config.regularisation,
            replay=implied_replay,
            replay_weight=config.replay_weight,
        )
        return _descend(self._modules.critic_optimiser, loss)

    def _fit_policy(self, steps: Transitions, target: Tensor, values: Tensor) -> Tensor:
        values = values.flatten()
        if self.replay is not None:
            with torch.no_grad():
                replay_values = self._modules.value(self.replay.observations).squeeze(-1)
            values = torch.cat([values, replay_values])
        weight = torch.exp((target - values) / self._config.temperature)
        weight = weight.clamp(max=self._config.max_weight)
        log_prob = self._modules.policy.log_prob(steps.observations, steps.actions)
        loss = steps.loss(torch.mean, -weight * log_prob, self._config.replay_weight)
        return _descend(self._modules.policy_optimiser, loss)

    def _clip(self, next_values: Tensor) -> Tensor:
        if not self._config.clip_next_values:
            return next_values
        bound = 1 / (self._config.regularisation * (1 - self._config.gamma))
        return next_values.clamp(-bound, bound)

    def inner_predict_value(self, x: Tensor, action: Tensor) -> Tensor:
        """The lower of the Qs."""
        q: Tensor = self._modules.critics(x, action)
        return q.amin(dim=0)

    @torch.no_grad()
    def values_and_weights(
        self, observations: Tensor, actions: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """V, advantage and weight in the policy's loss of each step, all (B,)."""
        modules, config = self._modules, self._config
        values = modules.value(observations).squeeze(-1)
        advantages = modules.target_critics(observations, actions).amin(dim=0) - values
        weights = torch.exp(advantages / config.temperature).clamp(max=config.max_weight)
        return values, advantages, weights


def _descend(optimiser: OptimizerWrapper, loss: Tensor) -> Tensor:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


class IPL(PreferenceLearner):
    """Inverse Preference Learning as a d3rlpy algorithm; see `IPLConfig`."""

    replay: ReplayBufferBase | None = None
    """Transitions of no pair, such as a `TransitionBuffer`; set it before `fit` to use some."""

    def update(self, batch: Any) -> dict[str, float]:
        """Take one gradient step; see `PreferenceLearner.update`.

        Raises:
            NeedsError: a batch of a buffer without preferences.
            ShapeError: segments of one step, which have no next state.
        """
        if getattr(batch, "length", 2) < 2:
            raise ShapeError("Segments have 1 step; IPL needs the state after it: 2 or more.")
        assert self._impl is not None
        self._impl.replay = None if self.replay is None else self._draw(self.replay)
        return super().update(batch)

    def _draw(self, replay: ReplayBufferBase) -> Replay:
        config = self._config
        if config.observation_scaler or config.action_scaler:
            raise NeedsError(
                "IPL does not scale the transitions of a replay; leave observation_scaler and "
                "action_scaler out, or the replay."
            )
        batch = replay.sample_transition_batch(config.replay_batch_size)
        observations, actions, next_observations, terminals = (
            torch.from_numpy(array).to(self._device)
            for array in (
                batch.observations,
                batch.actions,
                batch.next_observations,
                batch.terminals,
            )
        )
        return Replay(observations, actions, next_observations, 1 - terminals.squeeze(-1))

    def inner_create_impl(self, observation_shape: Sequence[int], action_size: int) -> None:
        """Build the networks; d3rlpy calls it."""
        config, generator = self._config, self._new_generator()
        policy = self._new_policy(observation_shape, action_size, generator)
        bfloat16 = uses_bfloat16(config.bfloat16, self._device)
        settings: dict[str, Any] = {"generator": generator, "bfloat16": bfloat16}
        value = MLP([*observation_shape, *config.hidden, 1], **settings).to(self._device)
        sizes = [observation_shape[0] + action_size, *config.hidden, 1]
        critics, target = (
            Critics(sizes, config.n_critics, **settings).to(self._device) for _ in range(2)
        )
        target.load_state_dict(critics.state_dict())
        modules = IPLModules(
            policy=policy,
            step_count=StepCount(),
            value=value,
            critics=critics,
            target_critics=target.requires_grad_(False),
            value_optimiser=adam(value.parameters(), config.learning_rate),
            critic_optimiser=adam(critics.parameters(), config.learning_rate),
            policy_optimiser=adam(policy.parameters(), config.learning_rate),
        )
        self._impl = IPLImpl(
            observation_shape, action_size, modules, self._device, generator, config=config
        )


register_learnable(IPLConfig)
