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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from d3rlpy.base import register_learnable
from d3rlpy.dataset import ReplayBufferBase
from jaxtyping import Float, Int64
from torch import Tensor

from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.losses import ipl
from vlfeedback.offline.flat_adam import FlatAdam
from vlfeedback.offline.policy_impl import PolicyImpl
from vlfeedback.offline.policy_networks import vector_size
from vlfeedback.offline.preference_learner import (
    PairTensors,
    PreferenceLearner,
    PreferenceLearnerConfig,
    PreferenceModules,
    StepCount,
)
from vlfeedback.offline.stacked_mlp import StackedMLP
from vlfeedback.offline.weight_notes import values_and_weights

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


@dataclass(frozen=True)
class IPLModules(PreferenceModules):
    """Networks and optimisers of IPL, which d3rlpy saves."""

    value: StackedMLP
    critics: StackedMLP
    target_critics: StackedMLP
    value_optimiser: FlatAdam
    critic_optimiser: FlatAdam
    policy_optimiser: FlatAdam


@dataclass(frozen=True)
class Transitions:
    """Steps that have a next state: those of the pairs first, then those of the replay."""

    observations: Float[Tensor, "R P D"]
    actions: Float[Tensor, "R P A"]
    shares: Float[Tensor, "R P"]  # of each step in a mean over all, of which the replay has its own
    n_paired: int  # 2 B (T - 1)
    counts: Int64[Tensor, " R"]  # steps of each run that count

    @property
    def rows(self) -> Float[Tensor, "R P DA"]:
        """What a Q-function reads."""
        return torch.cat([self.observations, self.actions], dim=-1)


@dataclass(frozen=True)
class Replay:
    """Transitions of no pair, as tensors; of a single run."""

    observations: Float[Tensor, "1 M D"]
    actions: Float[Tensor, "1 M A"]
    next_observations: Float[Tensor, "1 M D"]
    continues: Float[Tensor, "1 M"]  # 0 where the episode terminated, else 1


class IPLImpl(PolicyImpl):
    """One step of IPL, of all runs."""

    _modules: IPLModules
    replay: Replay | None = None  # of this step

    def next_phase(self) -> str:
        """See `PolicyImpl.next_phase`."""
        self._modules.step_count.take()
        return ""

    @torch.no_grad()
    def take(self, batch: PairTensors, phase: str, *, log: bool) -> dict[str, Tensor]:
        """Update V, then Q, then the policy, then the target Qs."""
        modules = self._modules
        steps = self._transitions(batch)
        target = modules.critics.by_run(modules.target_critics(steps.rows)).amin(dim=1)[..., 0]
        value_loss = self._fit_value(steps, target)
        values = batch.by_segment(modules.value(batch.observations)[..., 0])
        critic_loss = self._fit_critics(batch, steps, values[..., 1:])
        policy_loss = self._fit_policy(steps, target, values[..., :-1])
        modules.target_critics.flat.lerp_(modules.critics.flat, self._config.tau)
        losses = {"value_loss": value_loss, "critic_loss": critic_loss, "policy_loss": policy_loss}
        return losses if log else {}

    def _transitions(self, batch: PairTensors) -> Transitions:
        observations, actions = (
            batch.by_segment(rows)[:, :, :, :-1].flatten(start_dim=1, end_dim=3)
            for rows in (batch.observations, batch.actions)
        )
        per_pair = 2 * (batch.length - 1)
        shares, n_paired = batch.shares(batch.length - 1), observations.shape[1]
        counts = batch.n_pairs * per_pair
        if self.replay is not None:
            observations = torch.cat([observations, self.replay.observations], dim=1)
            actions = torch.cat([actions, self.replay.actions], dim=1)
            weight, n_more = self._config.replay_weight, self.replay.actions.shape[1]
            more = shares.new_full((1, n_more), weight / n_more)
            shares = torch.cat([(1 - weight) * shares, more], dim=1)
            counts = counts + n_more
        return Transitions(observations, actions, shares, n_paired, counts)

    def _fit_value(self, steps: Transitions, target: Float[Tensor, "R P"]) -> Float[Tensor, " R"]:
        """Expectile regression to the lower target Q."""
        value, tau = self._modules.value, self._config.expectile
        activations = value.activations(steps.observations)
        gap = target - activations[-1][..., 0]
        weighted = steps.shares * gap * torch.where(gap < 0, 1 - tau, tau)
        value.backward(activations, -2 * weighted[..., None])
        self._modules.value_optimiser.step()
        return (weighted * gap).sum(dim=1)

    def _fit_critics(
        self, batch: PairTensors, steps: Transitions, next_values: Float[Tensor, "R B 2 S"]
    ) -> Float[Tensor, " R"]:
        """`losses.ipl` of each run's Qs."""
        critics, config, replay = self._modules.critics, self._config, self.replay
        activations = critics.activations(steps.rows)
        q = critics.by_run(activations[-1])[..., 0].clone()  # (R, J, P)
        discounted = config.gamma * self._clip(next_values)
        acted = batch.by_segment(batch.acted)[..., :-1]
        discounted_replay = None
        if replay is not None:
            following = self._modules.value(replay.next_observations)[..., 0]
            discounted_replay = config.gamma * replay.continues * self._clip(following)
        with torch.enable_grad():
            q.requires_grad_()
            paired, replayed = q[..., : steps.n_paired], q[..., steps.n_paired :]
            paired = paired.reshape(*paired.shape[:2], *discounted.shape[1:])  # (R, J, B, 2, S)
            implied = acted[:, None] * (paired - discounted[:, None])
            loss = ipl(
                implied[..., 0, :],
                implied[..., 1, :],
                batch.prefer_second,
                regularisation=config.regularisation,
                weight=batch.counted(),
                replay=None if discounted_replay is None else replayed - discounted_replay,
                replay_weight=config.replay_weight,
            )
        (gradient,) = torch.autograd.grad(loss, q, torch.ones_like(loss))
        critics.backward(activations, gradient.flatten(end_dim=1)[..., None])
        self._modules.critic_optimiser.step()
        return loss.detach()

    def _fit_policy(
        self,
        steps: Transitions,
        target: Float[Tensor, "R P"],
        values: Float[Tensor, "R B 2 S"],
    ) -> Float[Tensor, " R"]:
        """Cloning of the data's actions, weighted by their advantages."""
        flat, policy = values.flatten(start_dim=1), self._modules.policy
        if self.replay is not None:
            of_replay = self._modules.value(self.replay.observations)[..., 0]
            flat = torch.cat([flat, of_replay], dim=1)
        weight = torch.exp((target - flat) / self._config.temperature)
        gradient = -steps.shares * weight.clamp(max=self._config.max_weight)
        log_prob = policy.log_prob(steps.observations, steps.actions, steps.counts)
        policy.backward(gradient)
        self._modules.policy_optimiser.step()
        return (gradient * log_prob).sum(dim=1)

    def _clip(self, next_values: Tensor) -> Tensor:
        if not self._config.clip_next_values:
            return next_values
        bound = 1 / (self._config.regularisation * (1 - self._config.gamma))
        return next_values.clamp(-bound, bound)

    def inner_predict_value(self, x: Tensor, action: Tensor) -> Tensor:
        """The lower of the Qs."""
        q: Tensor = self._modules.critics(torch.cat([x, action], dim=1))
        return q.amin(dim=0)[:, 0]

    def values_and_weights(
        self, observations: Tensor, actions: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """V, advantage and weight in the policy's loss of each step, all (B,)."""
        networks = (self._modules.value, self._modules.target_critics)
        scale, most = 1 / self._config.temperature, self._config.max_weight
        return values_and_weights(*networks, observations, actions, scale=scale, max_weight=most)


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
        rows = (observations[None], actions[None], next_observations[None])
        return Replay(*rows, 1 - terminals.squeeze(-1)[None])

    def build(
        self, observation_shape: Sequence[int], action_size: int, seeds: Sequence[int]
    ) -> IPLImpl:
        """See `RunLearner.build`."""
        config, settings = self._config, self._network_settings(seeds)
        policy = self._new_policy(observation_shape, action_size, settings)
        value = StackedMLP([vector_size(observation_shape), *config.hidden, 1], **settings)
        sizes = [observation_shape[0] + action_size, *config.hidden, 1]
        critics, target = (
            StackedMLP(sizes, n_members=config.n_critics, **settings) for _ in range(2)
        )
        target.load_state_dict(critics.state_dict())
        modules = IPLModules(
            policy=policy,
            step_count=StepCount(),
            value=value,
            critics=critics,
            target_critics=target.requires_grad_(False),
            value_optimiser=FlatAdam(value.flat, config.learning_rate),
            critic_optimiser=FlatAdam(critics.flat, config.learning_rate),
            policy_optimiser=FlatAdam(policy.mlp.flat, config.learning_rate),
        )
        return IPLImpl(
            observation_shape,
            action_size,
            modules,
            self._device,
            config=config,
            generators=settings["generators"],
        )


register_learnable(IPLConfig)
