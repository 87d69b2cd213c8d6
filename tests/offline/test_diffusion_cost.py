"""What a diffusion policy will cost on a CPU is said before it is trained."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vlfeedback.offline import DiffusionPolicy, DiffusionPolicyConfig, diffusion_cost
from vlfeedback.offline.diffusion_cost import warn_of_long_training
from vlfeedback.types import Trajectory


def seconds_of_a_step(monkeypatch: pytest.MonkeyPatch, fixed: float, per_row: float) -> list[int]:
    """Has a step take so long; returns the numbers of rows that were timed."""
    timed: list[int] = []

    def time_step(network: nn.Module, inputs: tuple[Tensor, ...]) -> float:
        timed.append(len(inputs[0]))
        return fixed + per_row * len(inputs[0])

    monkeypatch.setattr(diffusion_cost, "_time_step", time_step)
    return timed


def check(n_steps: int) -> None:
    warn_of_long_training(
        nn.Linear(1, 1),
        lambda n: (torch.zeros(n, 1),),
        batch_size=64,
        n_steps=n_steps,
        advice="Take less.",
    )


def test_hours_are_said_with_what_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    timed = seconds_of_a_step(monkeypatch, 4.0, 0.5)  # 36 s for 64 rows
    with pytest.warns(
        UserWarning, match=r"about 36 s on .* 10,000 steps .* 100\.0 hours\. Take le"
    ):
        check(10_000)
    assert timed == [2, 64]


def test_what_is_done_in_ten_minutes_is_not_worth_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    timed = seconds_of_a_step(monkeypatch, 0.0, 0.001)
    check(9_000)  # 576 s
    # The few rows seem to take long, and all of them do not.
    seconds_of_a_step(monkeypatch, 0.05, 0.0)
    check(11_000)
    assert timed == [2]


def demonstrations() -> list[Trajectory]:
    rng = np.random.default_rng(0)
    return [
        Trajectory(
            rng.normal(size=(21, 3)).astype(np.float32),
            rng.uniform(-1, 1, (20, 2)).astype(np.float32),
            truncated=True,
            id=str(k),
        )
        for k in range(2)
    ]


@pytest.mark.parametrize("network", ["unet", "mlp"])
def test_the_estimate_changes_nothing_of_the_training(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = DiffusionPolicyConfig(network=network, hidden=(8, 16), horizon=8, n_action_steps=4)
    told, silent = DiffusionPolicy(config), DiffusionPolicy(config)
    monkeypatch.setattr(diffusion_cost, "_LONG_SECONDS", 0.0)
    with pytest.warns(UserWarning, match=r"On a CPU a perceptron .*network='mlp', hidden=\[512, 5"):
        told.fit(demonstrations(), 2)
    monkeypatch.setattr(diffusion_cost, "_LONG_SECONDS", float("inf"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        silent.fit(demonstrations(), 2)
    ours, other = (policy.predict(np.zeros((1, 3), np.float32)) for policy in (told, silent))
    np.testing.assert_array_equal(ours, other)
