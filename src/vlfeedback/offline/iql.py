"""IQL: values fitted to the actions of the data alone, and a policy weighted by advantages.

Paper:    Kostrikov et al. 2022, Implicit Q-Learning; code read: d3rlpy 2.8.0, whose IQL this is,
          step by step, and jhejna/cpl at b333667 for the deterministic policy.
Computes: V: expectile regression to the least target Q; Q: squared error to r + gamma V(s');
          one Adam step for both. pi: log-likelihood (or squared error) weighted by
          exp(weight_temp (Q - V)), with the V of after that step. Target Q: moving average.
Order:    that is d3rlpy's. With ``step_order="cpl"`` V is fitted first, Q then learns from the new
          V(s'), and the policy is weighted by Q - V of before the step (jhejna/cpl, piql.py).
Faster:   gradients written out (`StackedMLP`), one fused Adam step for a flat tensor, target Q
          computed once a step, losses read only now and then. Same results up to rounding.
Left out: encoders for pictures, other optimisers, d3rlpy's `compile_graph`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from d3rlpy.algos.qlearning.base import QLearningAlgoBase, QLearningAlgoImplBase
from d3rlpy.base import LearnableConfig, register_learnable
from d3rlpy.constants import ActionSpace
from d3rlpy.dataset import TransitionMiniBatch
from d3rlpy.optimizers.optimizers import OptimizerWrapper
from d3rlpy.torch_utility import Modules
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR

from vlfeedback.errors import InvalidValueError
from vlfeedback.offline.d3rlpy_quiet import QuietFit
from vlfeedback.offline.policy_networks import vector_size
from vlfeedback.offline.stacked_mlp import StackedMLP

__all__ = ["IQL", "IQLConfig"]

_ORDERS = ("d3rlpy", "cpl")
_MIN_LOG_STD, _MAX_LOG_STD = -5.0, 2.0  # d3rlpy, IQL.inner_create_impl


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
        dropout: in the policy.
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


class TanhPolicy(nn.Module):
    """Mean tanh(MLP), and one logarithm of the standard deviation for each action entry."""

    def __init__(self, mlp: StackedMLP, action_size: int) -> None:
        super().__init__()
        self.mlp = mlp
        self.raw_log_std = nn.Parameter(torch.zeros(action_size, device=mlp.flat.device))
        self.raw_log_std.grad = torch.zeros_like(self.raw_log_std)

    def forward(self, observations: Tensor) -> Tensor:
        """Mean actions, without dropout."""
        return torch.tanh(self.mlp(observations)[0])

    def log_std(self) -> Tensor:
        """In [-5, 2]; -1.5 at first."""
        share = torch.sigmoid(self.raw_log_std.detach())
        return _MIN_LOG_STD + (_MAX_LOG_STD - _MIN_LOG_STD) * share


@dataclass(frozen=True)
class IQLModules(Modules):  # type: ignore[misc]
    """Networks and optimisers of IQL, which d3rlpy saves."""

    q: StackedMLP
    target_q: StackedMLP
    value: StackedMLP
    policy: TanhPolicy
    critic_optimiser: OptimizerWrapper
    actor_optimiser: OptimizerWrapper


@dataclass(frozen=True, slots=True)
class _Batch:
    observations: Tensor  # (B, D)
    actions: Tensor  # (B, A)
    rewards: Tensor  # (B, 1)
    next_observations: Tensor  # (B, D)
    discounts: Tensor  # (B, 1): gamma to the number of steps, 0 where the episode ended

    def __len__(self) -> int:
        return len(self.observations)


class IQLImpl(QLearningAlgoImplBase):  # type: ignore[misc]
    """One step of IQL."""

    _modules: IQLModules

    def __init__(
        self,
        observation_shape: Sequence[int],
        action_size: int,
        modules: IQLModules,
        device: str,
        *,
        config: IQLConfig,
        generator: torch.Generator,
    ) -> None:
        super().__init__(observation_shape, action_size, modules, device)
        self._config = config
        self._generator = generator

    @torch.no_grad()
    def inner_update(self, batch: _Batch, grad_step: int) -> dict[str, float]:
        """Take one step of critics, policy and targets."""
        modules = self._modules
        log = grad_step % self._config.log_every == 0
        rows = torch.cat([batch.observations, batch.actions], dim=1)
        target_q = modules.target_q(rows).amin(dim=0)
        if self._config.step_order == "cpl":
            advantage, v_loss = self._differentiate_value(batch, target_q, log)
            self._step_without(modules.q)
            q_loss = self._differentiate_q(batch, rows, log)
            self._step_without(modules.value)
        else:
            q_loss = self._differentiate_q(batch, rows, log)
            _, v_loss = self._differentiate_value(batch, target_q, log)
            modules.critic_optimiser.step()
            advantage = target_q - modules.value(batch.observations)[0]
        losses = {}
        if log:
            losses = {"critic_loss": q_loss + v_loss, "q_loss": q_loss, "v_loss": v_loss}
        losses |= self._update_policy(batch, advantage, log)
        modules.target_q.flat.lerp_(modules.q.flat, self._config.tau)
        return losses

    def _differentiate_q(self, batch: _Batch, rows: Tensor, log: bool) -> float:
        """Write Q's gradient; returns its loss, 0 where it is not asked for."""
        modules = self._modules
        td_target = torch.addcmul(
            batch.rewards, batch.discounts, modules.value(batch.next_observations)[0]
        )
        q = modules.q.activations(rows)
        error = q[-1] - td_target  # (K, B, 1)
        modules.q.backward(q, error * (2 / len(batch)))
        return float(error.square().mean(dim=1).sum()) if log else 0.0

    def _differentiate_value(
        self, batch: _Batch, target_q: Tensor, log: bool
    ) -> tuple[Tensor, float]:
        """Write V's gradient; returns advantages (B, 1) under this V, and its loss as Q's."""
        value, tau = self._modules.value, self._config.expectile
        activations = value.activations(batch.observations)
        gap = target_q - activations[-1]  # (1, B, 1)
        weighted = gap * torch.where(gap < 0, 1 - tau, tau)
        value.backward(activations, weighted * (-2 / len(batch)))
        return gap[0], float((weighted * gap).mean()) if log else 0.0

    def _step_without(self, other: StackedMLP) -> None:
        """Step what shares an optimiser with `other`; Adam passes over what has no gradient."""
        gradient, other.flat.grad = other.flat.grad, None
        self._modules.critic_optimiser.step()
        other.flat.grad = gradient

    def _update_policy(self, batch: _Batch, advantage: Tensor, log: bool) -> dict[str, float]:
        modules, config, policy = self._modules, self._config, self._modules.policy
        weight = advantage.mul_(config.weight_temp).exp_().clamp_(max=config.max_weight)
        activations = policy.mlp.activations(batch.observations)
        mean = torch.tanh(activations[-1])  # (1, B, A)
        error = mean - batch.actions
        share = weight / len(batch)
        if config.deterministic:
            gradient = error * (2 * share)
        else:
            log_std = policy.log_std()
            precise = error * torch.exp(-2 * log_std)
            gradient = precise * share
            _log_std_gradient(policy, (1 - precise * error), share)
        policy.mlp.backward(activations, gradient * (1 - mean.square()))
        modules.actor_optimiser.step()
        if not log:
            return {}
        if config.deterministic:
            return {"actor_loss": float((share * error.square()).sum())}
        nll = 0.5 * precise * error + log_std + 0.5 * math.log(2 * math.pi)
        return {"actor_loss": float((share * nll).sum())}

    def inner_predict_best_action(self, x: Tensor) -> Tensor:
        """Mean actions."""
        mean: Tensor = self._modules.policy(x)
        return mean

    def inner_sample_action(self, x: Tensor) -> Tensor:
        """Actions to explore with, in [-1, 1]; of the deterministic policy its means."""
        mean: Tensor = self._modules.policy(x)
        if self._config.deterministic:
            return mean
        noise = torch.randn(mean.shape, generator=self._generator).to(mean.device)
        return torch.clamp(mean + noise * self._modules.policy.log_std().exp(), -1, 1)

    def inner_predict_value(self, x: Tensor, action: Tensor) -> Tensor:
        """Mean of the critics."""
        values: Tensor = self._modules.q(torch.cat([x, action], dim=1))
        return values.mean(dim=0)[:, 0]

    @torch.no_grad()
    def values_and_weights(
        self, observations: Tensor, actions: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """V, advantage and weight in the policy's loss of each step, all (B,)."""
        modules, config = self._modules, self._config
        values = modules.value(observations)[0, :, 0]
        rows = torch.cat([observations, actions], dim=1)
        advantages = modules.target_q(rows).amin(dim=0)[:, 0] - values
        weights = torch.exp(config.weight_temp * advantages).clamp(max=config.max_weight)
        return values, advantages, weights

    @property
    def policy(self) -> TanhPolicy:
        """The policy, where d3rlpy looks for it."""
        return self._modules.policy


class IQL(QuietFit, QLearningAlgoBase):  # type: ignore[misc]
    """Implicit Q-Learning as a d3rlpy algorithm, at about twice the speed; see `IQLConfig`.

    Fit it on a `TransitionBuffer`; d3rlpy's own buffers work too, and cost time. Observations
    and actions are vectors. d3rlpy's scalers work.
    """

    def inner_create_impl(self, observation_shape: Sequence[int], action_size: int) -> None:
        """Build the networks; d3rlpy calls it.

        Raises:
            ShapeError: observations are no vectors.
        """
        config, n_observed = self._config, vector_size(observation_shape)
        generator = torch.Generator().manual_seed(config.seed)

        def network(k: int, n_inputs: int, n_outputs: int, dropout: float = 0.0) -> StackedMLP:
            return StackedMLP(
                k,
                [n_inputs, *config.hidden, n_outputs],
                generator=generator,
                dropout=dropout,
                device=self._device,
            )

        q = network(config.n_critics, n_observed + action_size, 1)
        target_q = network(config.n_critics, n_observed + action_size, 1)
        target_q.load_state_dict(q.state_dict())
        value = network(1, n_observed, 1)
        policy = TanhPolicy(network(1, n_observed, action_size, config.dropout), action_size)
        modules = IQLModules(
            q=q,
            target_q=target_q,
            value=value,
            policy=policy,
            critic_optimiser=_adam([q.flat, value.flat], config.critic_learning_rate),
            actor_optimiser=_adam(
                [policy.mlp.flat] + ([] if config.deterministic else [policy.raw_log_std]),
                config.actor_learning_rate,
                cosine_steps=config.cosine_steps,
            ),
        )
        self._impl = IQLImpl(
            observation_shape,
            action_size,
            modules,
            self._device,
            config=config,
            generator=generator,
        )

    def update(self, batch: TransitionMiniBatch) -> dict[str, float]:
        """Take one gradient step.

        Returns:
            Losses by name, at every `IQLConfig.log_every`-th step; at the others none.
        """
        assert self._impl is not None
        losses: dict[str, float] = self._impl.inner_update(self._tensors(batch), self._grad_step)
        self._grad_step += 1
        return losses

    def get_action_type(self) -> ActionSpace:
        """Continuous."""
        return ActionSpace.CONTINUOUS

    def _tensors(self, batch: TransitionMiniBatch) -> _Batch:
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
        return _Batch(observations, actions, rewards, next_observations, discounts)


def _log_std_gradient(policy: TanhPolicy, per_row: Tensor, share: Tensor) -> None:
    """Write the gradient of the raw logarithm, given rows of 1 - (error / std)^2."""
    squashed = torch.sigmoid(policy.raw_log_std)
    slope = (_MAX_LOG_STD - _MIN_LOG_STD) * squashed * (1 - squashed)
    assert policy.raw_log_std.grad is not None
    torch.mul((per_row * share).sum(dim=(0, 1)), slope, out=policy.raw_log_std.grad)


def _adam(
    parameters: list[nn.Parameter], learning_rate: float, *, cosine_steps: int = 0
) -> OptimizerWrapper:
    optimiser = Adam(parameters, lr=learning_rate, fused=True)
    schedule = None
    if cosine_steps:
        schedule = LambdaLR(
            optimiser, lambda t: 0.5 * (1 + math.cos(math.pi * min(t / cosine_steps, 1)))
        )
    return OptimizerWrapper(parameters, optimiser, compiled=False, lr_scheduler=schedule)


register_learnable(IQLConfig)
