"""IQL: values fitted to the actions of the data alone, and a policy weighted by advantages.

Paper:    Kostrikov et al. 2022, Implicit Q-Learning; code read: d3rlpy 2.8.0, whose IQL this is,
          step by step, and jhejna/cpl at b333667 for the deterministic policy.
Computes: V: expectile regression to the least target Q; Q: squared error to r + gamma V(s');
          one Adam step for both. pi: log-likelihood (or squared error) weighted by
          exp(weight_temp (Q - V)), with the V of after that step. Target Q: moving average.
Order:    that is d3rlpy's. With ``step_order="cpl"`` V is fitted first, Q then learns from the new
          V(s'), and the policy is weighted by Q - V of before the step (jhejna/cpl, piql.py).
Faster:   gradients written out (`StackedMLP`), one fused Adam step for a flat tensor, target Q
          computed once a step, losses read only now and then; several runs may share a step. Same
          results up to rounding.
Left out: encoders for pictures, other optimisers, d3rlpy's `compile_graph`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from d3rlpy.base import LearnableConfig, register_learnable
from d3rlpy.dataset import TransitionMiniBatch
from d3rlpy.torch_utility import Modules
from jaxtyping import Float
from torch import Tensor, nn

from vlfeedback.encoders.bfloat16 import uses_bfloat16
from vlfeedback.errors import InvalidValueError
from vlfeedback.offline.flat_adam import FlatAdam, falling_cosine
from vlfeedback.offline.policy_impl import PolicyImpl, RunLearner
from vlfeedback.offline.policy_networks import PolicyNetwork, vector_size
from vlfeedback.offline.stacked_mlp import StackedMLP
from vlfeedback.offline.weight_notes import values_and_weights

__all__ = ["IQL", "IQLConfig"]

_ORDERS = ("d3rlpy", "cpl")


@dataclass(kw_only=True)
class IQLConfig(LearnableConfig):  # type: ignore[misc]
    """Settings; the defaults are d3rlpy's, which are those of the paper on D4RL.

    Attributes:
        batch_size: transitions.
        gamma: discount, in (0, 1].
        hidden: widths, of all networks.
        actor_learning_rate: of Adam.
        critic_learning_rate: of Adam, Q and V.
        cosine_steps: the actor's rate falls to 0 over so many, as in the paper; 0: constant.
        n_critics: Q networks, the least of which counts.
        tau: share of Q that target Q takes over each step.
        expectile: of V, in (0, 1).
        weight_temp: inverse temperature of advantages; 1 / 0.3333 in VLP, table 8.
        max_weight: of one transition in the policy's loss.
        deterministic: policy: squared error, summed over action entries (CPL's code).
        dropout: in the policy, to the nearest 1/256.
        bfloat16: products between hidden layers in bfloat16 while training; "auto": where the
            device is faster in it.
        clip_values: cut V(s') to what rewards as seen so far could sum to, r / (1 - gamma) of the
            least and of the greatest. Our choice, for data without terminals: no step begins in
            the last state of an episode that was cut off, so that its V is fitted to nothing, and
            may run away and take all others with it.
        step_order: what a step fits first: see the module's header; or "cpl".
        log_every: steps; losses of the others are not computed.
        seed: of weights, dropout and sampled actions.

    Raises:
        ValueError: a number is out of its range.
    """

    batch_size: int = 256
    gamma: float = 0.99
    hidden: list[int] = field(default_factory=lambda: [256, 256])
    actor_learning_rate: float = 3e-4
    critic_learning_rate: float = 3e-4
    cosine_steps: int = 0
    n_critics: int = 2
    tau: float = 0.005
    expectile: float = 0.7
    weight_temp: float = 3.0
    max_weight: float = 100.0
    deterministic: bool = False
    dropout: float = 0.0
    bfloat16: bool | Literal["auto"] = False
    clip_values: bool = False
    step_order: str = "d3rlpy"
    log_every: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise InvalidValueError(f"dropout={self.dropout}; expected a share in [0, 1).")
        if not 0 < self.expectile < 1:
            raise InvalidValueError(f"expectile={self.expectile}; expected a number in (0, 1).")
        if self.step_order not in _ORDERS:
            raise InvalidValueError(
                f"step_order={self.step_order!r}; expected 'd3rlpy' (Q and V in one step, then the "
                "policy) or 'cpl' (V, then Q; the policy by the advantages of before)."
            )
        if self.clip_values and self.gamma >= 1:
            raise InvalidValueError(
                f"gamma={self.gamma} with clip_values; without a discount rewards may sum to "
                "anything. Take a gamma below 1, or clip_values=False."
            )
        if min(self.batch_size, self.n_critics, self.log_every) < 1:
            raise InvalidValueError(
                f"batch_size={self.batch_size}, n_critics={self.n_critics}, "
                f"log_every={self.log_every}; expected at least 1 of each."
            )

    def create(self, device: Any = False, enable_ddp: bool = False) -> IQL:
        """Make the learner; it is not built until `fit` sees the data."""
        return IQL(self, device, enable_ddp)

    @staticmethod
    def get_type() -> str:
        """Name in d3rlpy's files."""
        return "vlfeedback_iql"


class RewardRange(nn.Module):
    """The least and the greatest reward that each of R runs has seen."""

    low: Float[Tensor, "R 1 1"]
    high: Float[Tensor, "R 1 1"]

    def __init__(self, n_runs: int) -> None:
        super().__init__()
        self.register_buffer("low", torch.full((n_runs, 1, 1), math.inf))
        self.register_buffer("high", torch.full((n_runs, 1, 1), -math.inf))

    def see(self, rewards: Float[Tensor, "R B 1"]) -> None:
        """Take note of a batch's rewards."""
        torch.minimum(self.low, rewards.amin(dim=1, keepdim=True), out=self.low)
        torch.maximum(self.high, rewards.amax(dim=1, keepdim=True), out=self.high)


@dataclass(frozen=True)
class IQLModules(Modules):  # type: ignore[misc]
    """Networks and optimisers of IQL, which d3rlpy saves."""

    q: StackedMLP
    target_q: StackedMLP
    value: StackedMLP
    policy: PolicyNetwork
    reward_range: RewardRange
    q_optimiser: FlatAdam
    value_optimiser: FlatAdam
    policy_optimiser: FlatAdam


class Transitions(NamedTuple):
    """B transitions of each of R runs."""

    observations: Float[Tensor, "R B D"]
    actions: Float[Tensor, "R B A"]
    rewards: Float[Tensor, "R B 1"]
    next_observations: Float[Tensor, "R B D"]
    discounts: Float[Tensor, "R B 1"]  # gamma to the number of steps, 0 where the episode ended


class IQLImpl(PolicyImpl):
    """One step of IQL, of all runs."""

    _modules: IQLModules

    @torch.no_grad()
    def take(self, batch: Transitions, phase: str, *, log: bool) -> dict[str, Tensor]:
        """Take one step of critics, policy and targets."""
        modules = self._modules
        rows = torch.cat([batch.observations, batch.actions], dim=-1)
        target_q = modules.q.by_run(modules.target_q(rows)).amin(dim=1)
        if self._config.step_order == "cpl":
            advantage, losses = self._differentiate_value(batch, target_q, log)
            modules.value_optimiser.step()
            losses |= self._differentiate_q(batch, rows, log)
            modules.q_optimiser.step()
        else:
            losses = self._differentiate_q(batch, rows, log)
            losses |= self._differentiate_value(batch, target_q, log)[1]
            modules.q_optimiser.step()
            modules.value_optimiser.step()
            advantage = target_q - modules.value(batch.observations)
        losses |= self._update_policy(batch, advantage, log)
        modules.target_q.flat.lerp_(modules.q.flat, self._config.tau)
        return losses | ({"critic_loss": losses["q_loss"] + losses["v_loss"]} if log else {})

    def _differentiate_q(self, batch: Transitions, rows: Tensor, log: bool) -> dict[str, Tensor]:
        """Write Q's gradient; returns its loss where it is asked for."""
        modules = self._modules
        next_values = modules.value(batch.next_observations)
        if self._config.clip_values:
            modules.reward_range.see(batch.rewards)
            most = 1 / (1 - self._config.gamma)
            seen = modules.reward_range
            next_values.clamp_(min=seen.low * most, max=seen.high * most)
        td_target = torch.addcmul(batch.rewards, batch.discounts, next_values)
        activations = modules.q.activations(rows)
        error = modules.q.by_run(activations[-1]) - td_target[:, None]  # (R, J, B, 1)
        modules.q.backward(activations, error.flatten(end_dim=1) * (2 / rows.shape[1]))
        return {"q_loss": error.square().mean(dim=2).sum(dim=(1, 2))} if log else {}

    def _differentiate_value(
        self, batch: Transitions, target_q: Tensor, log: bool
    ) -> tuple[Float[Tensor, "R B 1"], dict[str, Tensor]]:
        """Write V's gradient; returns advantages under this V, and its loss as Q's."""
        value, tau = self._modules.value, self._config.expectile
        activations = value.activations(batch.observations)
        gap = target_q - activations[-1]
        weighted = gap * torch.where(gap < 0, 1 - tau, tau)
        value.backward(activations, weighted * (-2 / gap.shape[1]))
        return gap, {"v_loss": (weighted * gap).mean(dim=(1, 2))} if log else {}

    def _update_policy(
        self, batch: Transitions, advantage: Float[Tensor, "R B 1"], log: bool
    ) -> dict[str, Tensor]:
        modules, config = self._modules, self._config
        weight = advantage.mul_(config.weight_temp).exp_().clamp_(max=config.max_weight)
        share = weight[..., 0] * (-1 / weight.shape[1])
        log_prob = modules.policy.log_prob(batch.observations, batch.actions)
        modules.policy.backward(share)
        modules.policy_optimiser.step()
        return {"actor_loss": (share * log_prob).sum(dim=1)} if log else {}

    def inner_predict_value(self, x: Tensor, action: Tensor) -> Tensor:
        """Mean of the critics."""
        values: Tensor = self._modules.q(torch.cat([x, action], dim=1))
        return values.mean(dim=0)[:, 0]

    def values_and_weights(
        self, observations: Tensor, actions: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """V, advantage and weight in the policy's loss of each step, all (B,)."""
        networks = (self._modules.value, self._modules.target_q)
        scale, most = self._config.weight_temp, self._config.max_weight
        return values_and_weights(*networks, observations, actions, scale=scale, max_weight=most)


class IQL(RunLearner):
    """Implicit Q-Learning as a d3rlpy algorithm, at about twice the speed; see `IQLConfig`.

    Fit it on a `TransitionBuffer`; d3rlpy's own buffers work too, and cost time. Observations
    and actions are vectors. d3rlpy's scalers work.
    """

    def build(
        self, observation_shape: Sequence[int], action_size: int, seeds: Sequence[int]
    ) -> IQLImpl:
        """See `RunLearner.build`."""
        config, n_observed = self._config, vector_size(observation_shape)
        settings: dict[str, Any] = {
            "generators": [torch.Generator().manual_seed(seed) for seed in seeds],
            "bfloat16": uses_bfloat16(config.bfloat16, self._device),
            "device": self._device,
        }
        of_pairs = [n_observed + action_size, *config.hidden, 1]
        q = StackedMLP(of_pairs, n_members=config.n_critics, **settings)
        target_q = StackedMLP(of_pairs, n_members=config.n_critics, **settings)
        target_q.load_state_dict(q.state_dict())
        value = StackedMLP([n_observed, *config.hidden, 1], **settings)
        policy = PolicyNetwork(
            [n_observed, *config.hidden, action_size],
            deviation="none" if config.deterministic else "squashed",
            dropout=config.dropout,
            **settings,
        )
        modules = IQLModules(
            q=q,
            target_q=target_q,
            value=value,
            policy=policy,
            reward_range=RewardRange(len(seeds)).to(self._device),
            q_optimiser=FlatAdam(q.flat, config.critic_learning_rate),
            value_optimiser=FlatAdam(value.flat, config.critic_learning_rate),
            policy_optimiser=FlatAdam(
                policy.mlp.flat, config.actor_learning_rate, falling_cosine(config.cosine_steps)
            ),
        )
        return IQLImpl(
            observation_shape,
            action_size,
            modules,
            self._device,
            config=config,
            generators=settings["generators"],
        )

    def tensors(self, batch: TransitionMiniBatch) -> Transitions:
        """See `RunLearner.tensors`."""
        observations, actions, rewards, next_observations, terminals, intervals = (
            torch.from_numpy(array).to(self._device)
            for array in (
                batch.observations,
                batch.actions,
                batch.rewards,
                batch.next_observations,
                batch.terminals,
                batch.intervals,
            )
        )
        config = self._config
        if config.observation_scaler:
            observations = config.observation_scaler.transform(observations)
            next_observations = config.observation_scaler.transform(next_observations)
        if config.action_scaler:
            actions = config.action_scaler.transform(actions)
        if config.reward_scaler:
            rewards = config.reward_scaler.transform(rewards)
        discounts = config.gamma**intervals * (1 - terminals)
        columns = (observations, actions, rewards, next_observations, discounts)
        return Transitions(*(column[None] for column in columns))


register_learnable(IQLConfig)
