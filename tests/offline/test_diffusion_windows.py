"""Windows of demonstrations: which steps, repeated at which edges, and in what range."""

from typing import Any

import numpy as np
import pytest
import torch

from vlfeedback.errors import InvalidValueError, NeedsError, ShapeError
from vlfeedback.offline.diffusion_windows import Range, Windows
from vlfeedback.types import Trajectory


def episode(length: int, start: int = 0, *, id: str = "") -> Trajectory:
    """Observations start, start + 1 ...; actions ten times those."""
    observations = np.arange(start, start + length + 1)[:, None] * np.ones(2)
    return Trajectory(observations, 10 * observations[:-1, :1], id=id)


def cut(*trajectories: Trajectory, **changes: int) -> Windows:
    settings = {"n_observations": 2, "horizon": 4, "n_action_steps": 2} | changes
    return Windows(trajectories, **settings)


def test_missing_steps_repeat_the_first_and_the_last() -> None:
    """From one step early, the observation before the first, to one action beyond the last."""
    windows = cut(episode(3))
    assert windows.rows(torch.arange(len(windows))).tolist() == [[0, 0, 1, 2], [0, 1, 2, 2]]


def test_a_window_stays_in_its_episode() -> None:
    windows = cut(episode(3), episode(5, start=100))
    observed, actions = windows.read(torch.arange(len(windows)))
    assert observed[:, :, 0].tolist() == [
        [0, 0], [0, 1], [100, 100], [100, 101], [101, 102], [102, 103],
    ]  # fmt: skip
    assert actions[:, :, 0].tolist() == [
        [0, 0, 10, 20],
        [0, 10, 20, 20],
        [1000, 1000, 1010, 1020],
        [1000, 1010, 1020, 1030],
        [1010, 1020, 1030, 1040],
        [1020, 1030, 1040, 1040],
    ]
    assert observed.dtype == actions.dtype == torch.float32


def test_an_episode_shorter_than_a_window_still_gives_one() -> None:
    windows = cut(episode(1), horizon=16, n_action_steps=8)
    assert windows.rows(torch.arange(len(windows))).tolist() == [[0] * 16]


def test_without_a_look_back_windows_begin_at_the_present() -> None:
    windows = cut(episode(3), n_observations=1, horizon=2, n_action_steps=1)
    assert windows.rows(torch.arange(len(windows))).tolist() == [[0, 1], [1, 2]]


def test_the_least_becomes_minus_one_the_greatest_one_and_a_constant_nought() -> None:
    rows = torch.tensor([[2.0, 5.0], [6.0, 5.0], [3.0, 5.0]])
    found = Range.of(rows)
    torch.testing.assert_close(found.scale(rows)[:, 0], torch.tensor([-1.0, 1.0, -0.5]))
    assert found.scale(rows)[:, 1].tolist() == [0, 0, 0]
    torch.testing.assert_close(found.unscale(found.scale(rows)), rows)
    assert found.unscale(torch.tensor([0.0, 0.7]))[1] == 5  # whatever the network says of it


def pictures(length: int) -> Trajectory:
    return Trajectory(np.zeros((length + 1, 8, 8, 3), np.uint8), np.zeros((length, 1)), id="seen")


def with_nan() -> Trajectory:
    trajectory = episode(4, id="broken")
    trajectory.actions[2] = np.nan
    return trajectory


@pytest.mark.parametrize(
    ("trajectories", "error", "message"),
    [
        ([], NeedsError, "no demonstration to imitate"),
        ([pictures(3)], ShapeError, r"observations of 'seen' have shape \(4, 8, 8, 3\)"),
        ([with_nan()], InvalidValueError, "'broken': actions has a number .* in row 2"),
        (
            [episode(2), Trajectory(np.zeros((3, 2)), np.zeros((2, 5)))],
            ShapeError,
            r"actions have sizes \[1, 5\]",
        ),
    ],
)
def test_what_cannot_be_imitated_is_refused(trajectories: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        cut(*trajectories)
