"""Diffusion Policy: it imitates, plans ahead, is repeatable, and goes to disk and back."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from vlfeedback.errors import CheckpointError, NeedsError, ShapeError
from vlfeedback.offline.diffusion_config import DiffusionPolicyConfig
from vlfeedback.offline.diffusion_policy import DiffusionPolicy, _average, _share_of_peak
from vlfeedback.types import Trajectory

TINY = DiffusionPolicyConfig(
    network="mlp",
    hidden=(64, 64),
    horizon=4,
    n_action_steps=2,
    batch_size=64,
    learning_rate=3e-3,
    warmup_steps=10,
)


def demonstration(sign: float, length: int = 12) -> Trajectory:
    """A clock from 0 to 1 and which of two it is; actions follow a wave, or its mirror image."""
    clock = np.linspace(0, 1, length + 1, dtype=np.float32)
    observations = np.stack([clock, np.full_like(clock, sign)], axis=1)
    actions = np.stack([sign * np.sin(4 * clock[:-1]), np.full(length, 0.25)], axis=1)
    return Trajectory(observations, actions.astype(np.float32))


BOTH = [demonstration(1.0), demonstration(-1.0)]


def trained(config: DiffusionPolicyConfig = TINY, n_steps: int = 20) -> DiffusionPolicy:
    policy = DiffusionPolicy(config)
    policy.fit(BOTH, n_steps)
    return policy


def act(policy: DiffusionPolicy, n_steps: int = 12) -> np.ndarray:
    """Actions (2, n_steps, 2) along both demonstrations at once."""
    policy.reset(2)
    observations = np.stack([t.observations for t in BOTH], axis=1)
    return np.stack([policy.predict(observations[step]) for step in range(n_steps)], axis=1)


# Imitation ---------------------------------------------------------------------------------------


def test_the_loss_falls_and_is_reported_at_every_step() -> None:
    reported: list[tuple[str, int, int, float]] = []
    policy = DiffusionPolicy(TINY)
    policy.fit(BOTH, 60, report=lambda *step: reported.append(step))
    assert [step[:3] for step in reported] == [("diffusion", n, 60) for n in range(1, 61)]
    losses = [step[3] for step in reported]
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:5])


@pytest.mark.slow
def test_it_learns_two_demonstrations_by_heart() -> None:
    found = act(trained(dataclasses.replace(TINY, hidden=(128, 128), learning_rate=1e-2), 1500))
    assert np.abs(found - np.stack([t.actions for t in BOTH])).mean() < 0.05


@pytest.mark.slow
def test_the_unet_learns_too() -> None:
    """Who reads neither the step nor the observations keeps half of the loss, 0.5."""
    losses: list[float] = []
    policy = DiffusionPolicy(dataclasses.replace(TINY, network="unet", hidden=(32, 64)))
    policy.fit(BOTH, 250, report=lambda *step: losses.append(step[3]))
    assert np.mean(losses[-25:]) < 0.2


def test_an_action_that_never_varied_is_what_it_was() -> None:
    np.testing.assert_allclose(act(trained(n_steps=1))[..., 1], 0.25)


def test_actions_lie_in_the_range_of_the_demonstrations() -> None:
    actions = act(trained(n_steps=1))
    assert actions.dtype == np.float32 and actions.shape == (2, 12, 2)
    assert np.abs(actions[..., 0]).max() <= 1 + 1e-6


# Acting ------------------------------------------------------------------------------------------


def test_a_plan_is_carried_out_before_it_looks_again() -> None:
    policy = trained()
    here, there = BOTH[0].observations[:1], BOTH[1].observations[6:7]
    plans = []
    for second in (here, there):
        policy.reset(1)
        plans.append([policy.predict(seen) for seen in (here, second, second)])
    np.testing.assert_array_equal(plans[0][:2], plans[1][:2])
    assert np.any(plans[0][2] != plans[1][2])


def test_it_looks_back_as_far_as_it_should_and_repeats_the_first_observation() -> None:
    policy = trained(dataclasses.replace(TINY, n_action_steps=1))
    seen: list[np.ndarray] = []

    def record(learnt: Any, windows: torch.Tensor) -> list[np.ndarray]:
        seen.append(windows.numpy().copy())
        return [np.zeros((1, 2), np.float32)]

    policy._plan = record  # type: ignore[assignment, method-assign]
    for row in range(3):
        policy.predict(BOTH[0].observations[row : row + 1])
    rows = BOTH[0].observations
    for found, expected in zip(seen, ([0, 0], [0, 1], [1, 2]), strict=True):
        np.testing.assert_array_equal(found[0], rows[expected])


def test_the_plan_begins_at_the_present_and_not_at_the_oldest_observation() -> None:
    policy = trained()
    assert policy._learnt is not None
    plan = torch.linspace(-1, 1, 4)[None, :, None].expand(1, 4, 2)
    policy._schedule.denoise = lambda *_: plan  # type: ignore[method-assign]
    policy.reset(1)
    found = [policy.predict(BOTH[0].observations[:1])[0, 0] for _ in range(2)]
    half = BOTH[0].actions[:, 0].max()
    np.testing.assert_allclose(found, [-half / 3, half / 3], rtol=1e-5)


def test_a_reset_forgets_and_acts_the_same_again() -> None:
    policy = trained()
    np.testing.assert_array_equal(act(policy, 5), act(policy, 5))


def test_other_environments_need_a_reset() -> None:
    policy = trained()
    policy.predict(BOTH[0].observations[:3])
    with pytest.raises(ShapeError, match=r"2 observations for 3 environments; call reset\(2\)"):
        policy.predict(BOTH[0].observations[:2])
    policy.reset(2)
    assert policy.predict(BOTH[0].observations[:2]).shape == (2, 2)


def test_observations_of_another_size_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"shape \(1, 3\); expected \(B, 2\)"):
        trained().predict(np.zeros((1, 3), np.float32))


def test_without_training_it_neither_acts_nor_saves(tmp_path: Path) -> None:
    policy = DiffusionPolicy(TINY)
    with pytest.raises(NeedsError, match="was not trained; call fit, or load one"):
        policy.predict(np.zeros((1, 2), np.float32))
    with pytest.raises(NeedsError, match="was not trained; call fit before save"):
        policy.save(tmp_path / "policy.safetensors")


# Training ----------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_policy_and_another_another() -> None:
    one, other = act(trained()), act(trained())
    np.testing.assert_array_equal(one, other)
    assert np.any(act(trained(dataclasses.replace(TINY, seed=1))) != one)


def test_watching_it_act_while_it_learns_changes_nothing() -> None:
    steps: list[int] = []

    def watch(policy: DiffusionPolicy, step: int) -> None:
        steps.append(step)
        act(policy, 3)

    watched = DiffusionPolicy(TINY)
    watched.fit(BOTH, 20, callback=watch)
    assert steps == list(range(1, 21))
    np.testing.assert_array_equal(act(watched), act(trained()))


def test_rewards_are_never_read() -> None:
    rewarded = [dataclasses.replace(t, env_rewards=np.full(12, np.nan, np.float32)) for t in BOTH]
    policy = DiffusionPolicy(TINY)
    policy.fit(rewarded, 20)
    np.testing.assert_array_equal(act(policy), act(trained()))


def test_a_second_fit_goes_on_and_keeps_its_ranges() -> None:
    policy = trained()
    before = act(policy)
    policy.fit([demonstration(1.0)], 5)
    assert np.any(act(policy) != before)
    with pytest.raises(ShapeError, match="observations have size 3; this policy was trained on 2"):
        policy.fit([Trajectory(np.zeros((5, 3)), np.zeros((4, 2)))], 1)


def test_the_learning_rate_rises_in_a_line_and_falls_in_half_a_cosine() -> None:
    shares = [_share_of_peak(step, 12, 4) for step in range(12)]
    assert shares[:4] == [0.25, 0.5, 0.75, 1.0]
    assert shares[4:] == pytest.approx([(1 + math.cos(math.pi * k / 8)) / 2 for k in range(8)])


def test_averaged_weights_move_by_what_is_not_kept() -> None:
    mean, newest = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.constant_(mean.weight, 2.0)
    nn.init.constant_(newest.weight, 6.0)
    _average(mean, newest, 0.75)
    assert mean.weight.item() == pytest.approx(0.75 * 2 + 0.25 * 6)


# Settings and files ------------------------------------------------------------------------------


def test_the_defaults_are_the_papers() -> None:
    config = DiffusionPolicyConfig()
    assert (config.n_observations, config.horizon, config.n_action_steps) == (2, 16, 8)
    assert (config.network, config.hidden, config.n_diffusion_steps) == (
        "unet", (256, 512, 1024), 100,
    )  # fmt: skip
    assert (config.learning_rate, config.weight_decay, config.warmup_steps) == (1e-4, 1e-6, 500)
    small = DiffusionPolicyConfig.small(seed=3)
    assert (small.network, small.hidden, small.horizon, small.seed) == ("mlp", (512,) * 3, 8, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_action_steps": 16}, "n_action_steps=16 .* expected 1 to .* = 15"),
        ({"n_action_steps": 0}, "n_action_steps=0"),
        ({"n_observations": 0}, "n_observations=0"),
        ({"horizon": 14}, "horizon=14 cannot be halved 2 times .* multiple of 4"),
        ({"n_sampling_steps": 101}, "n_sampling_steps=101; expected 1 to n_diffusion_steps=100"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        DiffusionPolicyConfig(**changes)


@pytest.mark.parametrize("network", ["mlp", "unet"])
def test_a_policy_goes_to_disk_and_back(tmp_path: Path, network: Any) -> None:
    config = dataclasses.replace(TINY, network=network, hidden=(16, 32))
    policy = trained(config, 3)
    path = tmp_path / "new" / "policy.safetensors"
    policy.save(path)
    again = DiffusionPolicy.load(path)
    assert again.config == config
    np.testing.assert_array_equal(act(again), act(policy))
    again.fit(BOTH, 1)  # and goes on


def test_a_file_that_is_no_policy_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy.safetensors"
    path.write_bytes(b"anything")
    with pytest.raises(CheckpointError, match="no readable safetensors file"):
        DiffusionPolicy.load(path)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (None, "describes no .* of this release"),
        ({"hidden": "wide"}, "describes no .* of this release|another architecture"),
        ({"hidden": [10**6, 10**6]}, "is of another architecture than its description says"),
        ({"hidden": [16] * 10_000}, "far more tensors than it holds|another architecture"),
        ({"learning_rate": math.nan}, r"describes no .* of this release \(.*learning_rate=nan"),
    ],
)
def test_a_description_of_nonsense_or_of_absurd_size_is_refused(
    tmp_path: Path, changes: dict[str, Any] | None, complaint: str
) -> None:
    path = tmp_path / "policy.safetensors"
    trained(n_steps=1).save(path)
    with safe_open(path, framework="pt") as file:
        description = json.loads(file.metadata()["vlfeedback"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    description["config"] = None if changes is None else description["config"] | changes
    save_file(tensors, path, metadata={"vlfeedback": json.dumps(description)})
    with pytest.raises(CheckpointError, match=complaint):
        DiffusionPolicy.load(path)
