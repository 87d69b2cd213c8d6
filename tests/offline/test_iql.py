"""The reference in these tests is d3rlpy's own IQL, step by step."""

from pathlib import Path
from typing import Any

import d3rlpy
import numpy as np
import pytest
import torch
from d3rlpy.algos import IQLConfig as D3rlpyConfig
from d3rlpy.preprocessing import StandardObservationScaler, StandardRewardScaler
from torch import nn

from vlfeedback.errors import ShapeError
from vlfeedback.offline import IQL, IQLConfig, TransitionBuffer
from vlfeedback.offline.stacked_mlp import StackedMLP
from vlfeedback.types import Trajectory

SIZES: dict[str, Any] = {"hidden": [32, 16], "batch_size": 24}


@pytest.fixture
def buffer() -> TransitionBuffer:
    rng = np.random.default_rng(0)
    return TransitionBuffer(
        [
            Trajectory(
                observations=rng.normal(size=(11 + i, 5)).astype(np.float32),
                actions=rng.uniform(-1, 1, (10 + i, 3)).astype(np.float32),
                rewards=rng.normal(size=10 + i).astype(np.float32),
                terminated=i % 3 == 0,
                truncated=i % 3 != 0,
                id=f"t{i}",
            )
            for i in range(6)
        ]
    )


def linears(module: nn.Module) -> list[nn.Linear]:
    return [layer for layer in module.modules() if isinstance(layer, nn.Linear)]


def copy_into(theirs: list[nn.Module], ours: StackedMLP) -> None:
    for k, network in enumerate(theirs):
        for layer, (weight, bias) in zip(linears(network), ours.layers, strict=True):
            weight[k] = layer.weight.detach()
            bias[k, 0] = layer.bias.detach()


def difference(theirs: list[nn.Module], ours: StackedMLP) -> float:
    """The largest, over all weights and biases of all networks."""
    return max(
        float((of_layer[k].reshape(parameter.shape) - parameter.detach()).abs().max())
        for k, network in enumerate(theirs)
        for layer, ours_of_layer in zip(linears(network), ours.layers, strict=True)
        for parameter, of_layer in zip((layer.weight, layer.bias), ours_of_layer, strict=True)
    )


def pair(**options: Any) -> tuple[IQL, d3rlpy.algos.IQL]:
    """Our learner and d3rlpy's, with the same weights."""
    encoder = d3rlpy.models.VectorEncoderFactory(hidden_units=SIZES["hidden"])
    ours = IQLConfig(**SIZES, log_every=1, **options).create()
    theirs = D3rlpyConfig(
        batch_size=SIZES["batch_size"],
        actor_encoder_factory=encoder,
        critic_encoder_factory=encoder,
        value_encoder_factory=encoder,
        **options,
    ).create()
    ours.create_impl((5,), 3)
    theirs.create_impl((5,), 3)
    mine, given = ours.impl.modules, theirs.impl.modules
    # Targets that differ from Q, and a policy whose deviation is not the first one.
    with torch.no_grad():
        for parameter in given.targ_q_funcs.parameters():
            parameter.mul_(1.1)
        given.policy._logstd.add_(torch.tensor([[0.3, -0.2, 0.5]]))
        mine.policy.mlp.extra.copy_(given.policy._logstd)
    copy_into(list(given.q_funcs), mine.q)
    copy_into(list(given.targ_q_funcs), mine.target_q)
    copy_into([given.value_func], mine.value)
    copy_into([given.policy], mine.policy.mlp)
    return ours, theirs


@pytest.mark.parametrize("n_steps", [1, 20])
def test_updates_on_the_same_batches_give_d3rlpys_parameters(
    buffer: TransitionBuffer, n_steps: int
) -> None:
    ours, theirs = pair(gamma=0.9, expectile=0.8, weight_temp=2.0, max_weight=1.5, tau=0.1)
    for _ in range(n_steps):
        batch = buffer.sample_transition_batch(SIZES["batch_size"])
        losses, expected = ours.update(batch), theirs.update(batch)
        assert losses == pytest.approx({name: expected[name] for name in losses}, abs=1e-4)
    mine, given = ours.impl.modules, theirs.impl.modules
    assert difference(list(given.q_funcs), mine.q) < 1e-5
    assert difference(list(given.targ_q_funcs), mine.target_q) < 1e-5
    assert difference([given.value_func], mine.value) < 1e-5
    assert difference([given.policy], mine.policy.mlp) < 1e-5
    assert torch.allclose(mine.policy.mlp.extra, given.policy._logstd, atol=1e-5)


def test_predictions_are_d3rlpys_with_the_same_weights() -> None:
    ours, theirs = pair()
    rng = np.random.default_rng(1)
    states = rng.normal(size=(7, 5)).astype(np.float32)
    actions = rng.uniform(-1, 1, (7, 3)).astype(np.float32)
    np.testing.assert_allclose(ours.predict(states), theirs.predict(states), atol=1e-6)
    np.testing.assert_allclose(
        ours.predict_value(states, actions), theirs.predict_value(states, actions), atol=1e-6
    )


def test_d3rlpys_scalers_apply(buffer: TransitionBuffer) -> None:
    rng = np.random.default_rng(2)
    ours, theirs = pair(
        observation_scaler=StandardObservationScaler(mean=rng.normal(size=5), std=np.full(5, 2.0)),
        reward_scaler=StandardRewardScaler(mean=0.5, std=3.0),
    )
    batch = buffer.sample_transition_batch(24)
    losses, expected = ours.update(batch), theirs.update(batch)
    assert losses == pytest.approx({name: expected[name] for name in losses}, rel=1e-5)


def test_the_deterministic_policy_minimises_the_weighted_square_summed_over_actions(
    buffer: TransitionBuffer,
) -> None:
    algo = IQLConfig(**SIZES, deterministic=True, log_every=1, actor_learning_rate=1e-3).create()
    algo.create_impl((5,), 3)
    batch = buffer.sample_transition_batch(24)
    before = {k: v.clone() for k, v in algo.impl.modules.policy.mlp.state_dict().items()}
    target = algo.impl.modules.target_q
    rows = torch.from_numpy(np.concatenate([batch.observations, batch.actions], axis=1))
    target_q = target(rows).amin(dim=0)
    loss = algo.update(batch)["actor_loss"]

    # By hand, with autograd and the value network of after its step.
    modules = algo.impl.modules
    value = modules.value(torch.from_numpy(batch.observations))[0].detach()
    weight = torch.exp(3.0 * (target_q.detach() - value)).clamp(max=100)
    flat = before["flat"][0].clone().requires_grad_(True)
    shapes = [(32, 5), (32,), (16, 32), (16,), (3, 16), (3,)]
    parts = [
        p.view(s)
        for p, s in zip(flat.split([int(np.prod(s)) for s in shapes]), shapes, strict=True)
    ]
    hidden = torch.from_numpy(batch.observations)
    for i in range(0, 4, 2):
        hidden = torch.relu(hidden @ parts[i].T + parts[i + 1])
    mean = torch.tanh(hidden @ parts[4].T + parts[5])
    square = (mean - torch.from_numpy(batch.actions)).square().sum(dim=1, keepdim=True)
    expected = (weight * square).mean()
    expected.backward()
    assert loss == pytest.approx(float(expected.detach()), rel=1e-5)
    adam = torch.optim.Adam([flat], lr=1e-3)
    adam.step()
    assert torch.allclose(flat, modules.policy.mlp.flat, atol=1e-6)


def test_dropout_is_for_training_alone(buffer: TransitionBuffer) -> None:
    algo = IQLConfig(**SIZES, dropout=0.5).create()
    algo.create_impl((5,), 3)
    states = np.ones((2, 5), dtype=np.float32)
    assert np.array_equal(algo.predict(states), algo.predict(states))
    mlp = algo.impl.modules.policy.mlp
    first, second = (mlp.activations(torch.ones(2, 5))[-1].clone() for _ in range(2))
    assert not torch.equal(first, second)


def test_the_actors_rate_falls_along_half_a_cosine(buffer: TransitionBuffer) -> None:
    algo = IQLConfig(**SIZES, cosine_steps=4, actor_learning_rate=1.0).create()
    algo.create_impl((5,), 3)
    rates = []
    for _ in range(6):
        rates.append(algo.impl.modules.policy_optimiser.rate)
        algo.update(buffer.sample_transition_batch(24))
    assert rates == pytest.approx([1.0, 0.5 + 0.5 * 0.5**0.5, 0.5, 0.5 - 0.5 * 0.5**0.5, 0.0, 0.0])
    assert algo.impl.modules.q_optimiser.rate == 3e-4


def test_losses_are_read_only_now_and_then(buffer: TransitionBuffer) -> None:
    algo = IQLConfig(**SIZES, log_every=3).create()
    algo.create_impl((5,), 3)
    logged = [bool(algo.update(buffer.sample_transition_batch(24))) for _ in range(5)]
    assert logged == [True, False, False, True, False]


def test_equal_seeds_give_equal_policies_through_fit(buffer: TransitionBuffer) -> None:
    actions = []
    for seed in (0, 0, 1):
        buffer._rng = np.random.default_rng(0)
        algo = IQLConfig(**SIZES, seed=seed, dropout=0.1).create()
        algo.fit(buffer, n_steps=5, n_steps_per_epoch=5, show_progress=False)
        actions.append(algo.predict(np.ones((1, 5), dtype=np.float32)))
    assert np.array_equal(actions[0], actions[1])
    assert not np.array_equal(actions[0], actions[2])


def test_a_saved_learner_goes_on_where_it_was(buffer: TransitionBuffer, tmp_path: Path) -> None:
    algo = IQLConfig(**SIZES, cosine_steps=10).create()
    algo.create_impl((5,), 3)
    batches = [buffer.sample_transition_batch(24) for _ in range(4)]
    for batch in batches[:2]:
        algo.update(batch)
    algo.save(str(tmp_path / "iql.d3"))
    loaded = d3rlpy.load_learnable(str(tmp_path / "iql.d3"))
    assert isinstance(loaded, IQL)
    for batch in batches[2:]:
        algo.update(batch)
        loaded.update(batch)
    states = np.ones((2, 5), dtype=np.float32)
    assert np.array_equal(loaded.predict(states), algo.predict(states))


def test_fit_leaves_no_folder_and_calls_back(
    buffer: TransitionBuffer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    steps: list[int] = []
    IQLConfig(**SIZES).create().fit(
        buffer,
        n_steps=4,
        n_steps_per_epoch=2,
        show_progress=False,
        callback=lambda algo, epoch, step: steps.append(step),
    )
    assert steps == [1, 2, 3, 4]
    assert list(tmp_path.iterdir()) == []


def test_sampled_actions_spread_around_the_mean_and_stay_in_the_box() -> None:
    algo = IQLConfig(**SIZES).create()
    algo.create_impl((5,), 3)
    states = np.zeros((4000, 5), dtype=np.float32)
    actions = algo.sample_action(states)
    assert np.abs(actions).max() <= 1
    # exp(-1.5) is the deviation d3rlpy begins with; few of these are clipped.
    assert actions.std(axis=0) == pytest.approx([np.exp(-1.5)] * 3, rel=0.1)
    certain = IQLConfig(**SIZES, deterministic=True).create()
    certain.create_impl((5,), 3)
    assert np.array_equal(certain.sample_action(states[:2]), certain.predict(states[:2]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout": 1.0}, "dropout=1.0; expected a share"),
        ({"expectile": 1.0}, "expectile=1.0; expected a number"),
        ({"batch_size": 0}, "batch_size=0, .* at least 1"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        IQLConfig(**options)


def test_pictures_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"shape \(3, 8, 8\); expected vectors"):
        IQLConfig().create().create_impl((3, 8, 8), 2)
