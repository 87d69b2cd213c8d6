"""Which window is explained, and what is drawn of it."""

from dataclasses import replace

import numpy as np
import pytest

from vlfeedback import make_reward_source
from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.figures.explain_window import choose_end, explain_window
from vlfeedback.rewards.vlp import VLPReward
from vlfeedback.types import ArrayFrames, Trajectory


@pytest.fixture
def trajectory() -> Trajectory:
    """Thirty steps, with a picture of the reset and after the steps 0, 7, 14, 21 and 28."""
    times = np.r_[0, np.arange(1, 31, 7)]
    pictures = np.random.default_rng(0).integers(0, 256, (len(times), 32, 32, 3), dtype=np.uint8)
    return Trajectory(
        observations=np.zeros((31, 1), np.float32),
        actions=np.zeros((30, 1), np.float32),
        frames=ArrayFrames(times, pictures),
        id="door/3",
    )


@pytest.fixture(scope="module")
def source() -> VLPReward:
    made = make_reward_source("vlp", weights="mt45")
    assert isinstance(made, VLPReward)
    return made


def done_from(step: int) -> np.ndarray:
    return np.arange(30) >= step


@pytest.mark.parametrize(
    ("facts", "end"),
    [
        ({}, 28),  # nothing happens: the last picture
        ({"successes": done_from(8)}, 14),  # the first picture of it
        ({"successes": done_from(29)}, 28),  # none was taken
        ({"stopped_at": 14}, 14),
        ({"stopped_at": 2, "successes": done_from(21)}, 21),  # success tells more than rest
    ],
)
def test_a_window_ends_with_what_there_is_to_see(
    trajectory: Trajectory, facts: dict[str, object], end: int
) -> None:
    assert choose_end(replace(trajectory, **facts)) == end  # type: ignore[arg-type]


def test_an_episode_without_pictures_has_no_window_to_explain(trajectory: Trajectory) -> None:
    with pytest.raises(NeedsError, match="no pictures"):
        choose_end(replace(trajectory, frames=None))


def test_sheet_and_film_are_pictures_of_the_window(
    source: VLPReward, trajectory: Trajectory
) -> None:
    explanation = explain_window(source, trajectory, 21, "open the door", word="door")
    assert explanation.sheet.dtype == explanation.film.dtype == np.uint8
    assert explanation.sheet.ndim == 3 and explanation.film.ndim == 4
    assert len(explanation.film) == 8  # pictures that a score reads
    other = explain_window(source, trajectory, 21, "close the window")
    assert other.sheet.shape != explanation.sheet.shape or (other.sheet != explanation.sheet).any()


@pytest.mark.parametrize("end", [-1, 30])
def test_a_step_that_is_not_there_is_refused(
    source: VLPReward, trajectory: Trajectory, end: int
) -> None:
    with pytest.raises(InvalidValueError, match=f"end={end}; .* has the steps 0 to 29"):
        explain_window(source, trajectory, end, "open the door")
