"""The order of CPL's code within a step of IQL, against the same steps written with autograd."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vlfeedback.errors import InvalidValueError
from vlfeedback.offline import IQL, IQLConfig, TransitionBuffer
from vlfeedback.offline.stacked_mlp import StackedMLP
from vlfeedback.types import Trajectory

RATE, TAU, GAMMA, EXPECTILE, TEMPERATURE = 1e-2, 0.1, 0.9, 0.8, 2.0


@pytest.fixture
def buffer() -> TransitionBuffer:
    rng = np.random.default_rng(0)
    return TransitionBuffer(
        [
            Trajectory(
                observations=rng.normal(size=(9, 3)).astype(np.float32),
                actions=rng.uniform(-1, 1, (8, 2)).astype(np.float32),
                rewards=rng.normal(size=8).astype(np.float32),
                truncated=True,
                id=str(k),
            )
            for k in range(4)
        ]
    )


def learner(**settings: Any) -> IQL:
    config = IQLConfig(
        hidden=[16, 16],
        batch_size=12,
        gamma=GAMMA,
        actor_learning_rate=RATE,
        critic_learning_rate=RATE,
        tau=TAU,
        expectile=EXPECTILE,
        weight_temp=TEMPERATURE,
        deterministic=True,
        log_every=1,
        **settings,
    )
    algo: IQL = config.create()
    algo.create_impl((3,), 2)
    return algo


def members(network: StackedMLP) -> list[nn.Sequential]:
    """Each network of a stack, as ordinary layers."""
    made = []
    for k in range(network.layers[0][0].shape[0]):
        layers: list[nn.Module] = []
        for weight, bias in network.layers:
            layer = nn.Linear(weight.shape[2], weight.shape[1])
            layer.load_state_dict({"weight": weight[k].clone(), "bias": bias[k, 0].clone()})
            layers += [layer, nn.ReLU()]
        made.append(nn.Sequential(*layers[:-1]))
    return made


class Reference:
    """V first; the policy by the advantages of before; then Q, from the new V."""

    def __init__(self, algo: IQL) -> None:
        modules = algo.impl.modules
        self.q, (self.value,) = members(modules.q), members(modules.value)
        self.targets = copy.deepcopy(self.q)
        (self.policy,) = members(modules.policy.mlp)
        self.adams = [
            torch.optim.Adam([p for network in networks for p in network.parameters()], lr=RATE)
            for networks in ([self.value], [self.policy], self.q)
        ]

    def update(self, batch: Any) -> None:
        observations, actions, rewards, following, terminals = (
            torch.from_numpy(rows)
            for rows in (
                batch.observations,
                batch.actions,
                batch.rewards,
                batch.next_observations,
                batch.terminals,
            )
        )
        rows = torch.cat([observations, actions], dim=1)
        with torch.no_grad():
            target = torch.minimum(*(network(rows) for network in self.targets))
        gap = target - self.value(observations)
        advantage = gap.detach()
        self.descend(0, ((gap > 0) * EXPECTILE + (gap <= 0) * (1 - EXPECTILE)) * gap.square())
        errors = (torch.tanh(self.policy(observations)) - actions).square().sum(1, keepdim=True)
        self.descend(1, torch.exp(TEMPERATURE * advantage).clamp(max=100) * errors)
        with torch.no_grad():
            bootstrapped = rewards + GAMMA * (1 - terminals) * self.value(following)
        self.descend(2, sum((network(rows) - bootstrapped).square() for network in self.q))
        with torch.no_grad():
            for old, new in zip(self.targets, self.q, strict=True):
                for a, b in zip(old.parameters(), new.parameters(), strict=True):
                    a.lerp_(b, TAU)

    def descend(self, k: int, terms: Any) -> None:
        self.adams[k].zero_grad()
        terms.mean().backward()
        self.adams[k].step()


def difference(theirs: list[nn.Sequential], ours: StackedMLP) -> float:
    def flat(networks: list[nn.Sequential]) -> Tensor:
        return nn.utils.parameters_to_vector([p for n in networks for p in n.parameters()])

    return float((flat(theirs) - flat(members(ours))).abs().max().detach())


@pytest.mark.parametrize("n_steps", [1, 10])
def test_v_comes_first_and_the_policy_is_weighted_by_the_advantages_of_before(
    buffer: TransitionBuffer, n_steps: int
) -> None:
    algo, other = learner(step_order="cpl"), learner()
    reference = Reference(algo)
    for _ in range(n_steps):
        batch = buffer.sample_transition_batch(12)
        algo.update(batch)
        other.update(batch)
        reference.update(batch)
    modules = algo.impl.modules
    assert difference(reference.q, modules.q) < 1e-4
    assert difference([reference.value], modules.value) < 1e-4
    assert difference([reference.policy], modules.policy.mlp) < 1e-4
    assert difference(reference.targets, modules.target_q) < 1e-4
    # d3rlpy's order ends elsewhere: the setting does something.
    assert difference([reference.policy], other.impl.modules.policy.mlp) > 1e-3


def test_weights_that_were_saved_before_there_was_an_order_are_read(tmp_path: Path) -> None:
    before, after = learner(seed=1), learner(step_order="cpl")
    before.save_model(str(tmp_path / "weights"))
    after.load_model(str(tmp_path / "weights"))
    observations = np.linspace(-1, 1, 3 * 3, dtype=np.float32).reshape(3, -1)
    np.testing.assert_array_equal(after.predict(observations), before.predict(observations))


def test_an_order_of_another_name_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"step_order='v-first'; expected 'd3rlpy'"):
        learner(step_order="v-first")
