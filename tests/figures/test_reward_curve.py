"""Rewards along an episode whose pictures grow brighter, by a source with known answers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vlfeedback.errors import NeedsError
from vlfeedback.figures.reward_curve import draw_reward_curve
from vlfeedback.scoring.steps import score_along
from vlfeedback.scoring.timing import steps_with_pictures
from vlfeedback.testing.brightness import BrightnessConfig, BrightnessEmbedder, BrightnessReward
from vlfeedback.types import ArrayFrames, Trajectory


@pytest.fixture
def brighter() -> Trajectory:
    """Twelve steps; the picture of state t is of brightness t / 255."""
    times = np.array([0, 1, 3, 5, 7, 9, 11])
    pictures = np.broadcast_to(times[:, None, None, None], (7, 20, 30, 3)).astype(np.uint8)
    return Trajectory(
        observations=np.zeros((13, 1), np.float32),
        actions=np.zeros((12, 1), np.float32),
        successes=np.arange(12) >= 8,
        frames=ArrayFrames(times, pictures),
        id="brighter",
        info={"stop": 4},
    )


def test_the_reward_of_each_step_is_that_of_the_window_which_ends_there(
    brighter: Trajectory,
) -> None:
    source = BrightnessReward(BrightnessConfig("window", context=5, frame_stride=2))
    steps = steps_with_pictures(brighter)
    assert steps.tolist() == [0, 2, 4, 6, 8, 10]
    rewards = score_along(source, brighter, ["brighten", "darken"], steps)
    # Each window reads three pictures, the reset's before the episode.
    means = np.array(
        [(0 + 0 + 1), (0 + 1 + 3), (1 + 3 + 5), (3 + 5 + 7), (5 + 7 + 9), (7 + 9 + 11)]
    )
    np.testing.assert_allclose(rewards, np.stack([means / 3 / 255] * 2), rtol=1e-5)
    assert source.batch_sizes == [12]  # six windows under each instruction, in one call


def test_a_source_that_embeds_sees_each_picture_once_and_says_the_same(
    brighter: Trajectory,
) -> None:
    config = BrightnessConfig("window", context=5, frame_stride=2)
    steps = steps_with_pictures(brighter)
    embedder = BrightnessEmbedder(config)
    rewards = score_along(embedder, brighter, ["brighten"], steps)
    assert sum(embedder.embedded) == 7
    expected = score_along(BrightnessReward(config), brighter, ["brighten"], steps)
    np.testing.assert_allclose(rewards, expected, rtol=1e-6)


def test_a_step_source_is_asked_for_the_last_step(brighter: Trajectory) -> None:
    rewards = score_along(BrightnessReward(), brighter, ["brighten"], np.array([2, 10]))
    np.testing.assert_allclose(rewards, [[3 / 255, 11 / 255]], rtol=1e-6)


def test_an_episode_source_is_asked_for_the_episode_so_far(brighter: Trajectory) -> None:
    source = BrightnessReward(BrightnessConfig("episode", frame_stride=2))
    rewards = score_along(source, brighter, ["brighten"], np.array([0, 2, 4]))
    np.testing.assert_allclose(rewards, [[1 / 255, 2 / 255, 3 / 255]], rtol=1e-6)


def test_curves_are_drawn_over_the_pictures_and_the_events(
    brighter: Trajectory,
) -> None:
    steps = steps_with_pictures(brighter)
    curves = {name: np.linspace(0, k, 6, dtype=np.float32) for k, name in enumerate(["a", "ящик"])}
    figure = draw_reward_curve(brighter, steps, curves, title="brighter", unit="brightness")
    above, below = figure.axes
    drawn = [line.get_label() for line in above.get_lines()]
    assert drawn[:2] == ["a", "ящик"]
    assert [text.get_text().strip() for text in above.texts] == ["success", "stopped"]
    assert above.get_xlim() == (0, 12) and below.get_xlim() == (0, 12)
    assert above.get_ylabel() == "brightness"
    labels = [label.get_text() for label in below.get_xticklabels()]
    assert labels[0] == "step 0" and labels[-1] == "step 10" and len(labels) == 9


def test_the_plot_is_written_as_wide_as_a_page(brighter: Trajectory, tmp_path: Path) -> None:
    steps = steps_with_pictures(brighter)
    curves = {"brighten": np.zeros(len(steps), np.float32)}
    figure = draw_reward_curve(brighter, steps, curves, title="brighter", unit="brightness")
    figure.savefig(tmp_path / "rewards.png", dpi=100)
    with Image.open(tmp_path / "rewards.png") as picture:
        assert picture.width == 1100


def test_an_episode_without_pictures_is_refused() -> None:
    bare = Trajectory(np.zeros((3, 1), np.float32), np.zeros((2, 1), np.float32), id="bare")
    with pytest.raises(NeedsError, match="'bare' has no pictures of its steps"):
        steps_with_pictures(bare)
