import numpy as np
import pytest

from vlfeedback.data.pairings import ShownSegment
from vlfeedback.errors import NeedsError
from vlfeedback.evaluation.diagnosis.episode_scores import (
    episode_score,
    played_backwards,
    scores_of_episode,
    steps_to_score,
)
from vlfeedback.rewards.env_reward import EnvReward
from vlfeedback.scoring.paced import PacedSource, paced
from vlfeedback.scoring.segments import CachedSegmentScorer
from vlfeedback.testing.brightness import BrightnessConfig, BrightnessReward
from vlfeedback.types import ArrayFrames, Trajectory


@pytest.fixture
def brighter() -> Trajectory:
    """12 steps; pictures of the reset and after steps 0, 5 and 10, of 0, 51, 102 and 204."""
    shades = np.array([0, 51, 102, 204], np.uint8)
    return Trajectory(
        observations=np.zeros((13, 1), np.float32),
        actions=np.zeros((12, 1), np.float32),
        env_rewards=np.arange(12, dtype=np.float32),
        successes=np.arange(12) >= 9,
        frames=ArrayFrames(np.array([0, 1, 6, 11]), np.repeat(shades, 12).reshape(4, 2, 2, 3)),
    )


def brightness(granularity: str, context: int = 1) -> PacedSource:
    config = BrightnessConfig(granularity, context=context, frame_stride=5)  # type: ignore[arg-type]
    return paced(BrightnessReward(config), 5)


def test_steps_are_scored_on_their_own_picture(brighter: Trajectory) -> None:
    paced_source = brightness("step")
    assert steps_to_score(brighter, paced_source).tolist() == [0, 5, 10]
    along = scores_of_episode(paced_source, brighter, "brighten")
    assert along.tolist() == pytest.approx([0.2, 0.4, 0.8])
    # Held for 5, 5 and 2 steps.
    assert episode_score(paced_source, brighter, along) == pytest.approx(
        5 * 0.2 + 5 * 0.4 + 2 * 0.8
    )


def test_windows_are_scored_where_they_end_and_begin_with_the_reset(brighter: Trajectory) -> None:
    along = scores_of_episode(brightness("window", context=6), brighter, "brighten")
    assert along.tolist() == pytest.approx([0.1, 0.3, 0.6])  # two pictures each


def test_episodes_are_scored_as_if_they_ended_at_each_step_and_paid_once(
    brighter: Trajectory,
) -> None:
    paced_source = brightness("episode")
    along = scores_of_episode(paced_source, brighter, "brighten")
    assert along.tolist() == pytest.approx([0.2, 0.3, 1.4 / 3])
    assert episode_score(paced_source, brighter, along) == pytest.approx(1.4 / 3)


def test_long_episodes_are_scored_at_eight_ends_spread_evenly() -> None:
    long = Trajectory(
        np.zeros((72, 1), np.float32),
        np.zeros((71, 1), np.float32),
        frames=ArrayFrames(np.arange(72), np.zeros((72, 2, 2, 3), np.uint8)),
    )
    config = BrightnessConfig("episode")
    steps = steps_to_score(long, paced(BrightnessReward(config), 1))
    assert steps.tolist() == [0, 10, 20, 30, 40, 50, 60, 70]


def test_a_source_without_pictures_scores_every_step(brighter: Trajectory) -> None:
    paced_source = paced(EnvReward(), 1)
    along = scores_of_episode(paced_source, brighter, "")
    assert along.tolist() == list(range(12))
    assert episode_score(paced_source, brighter, along) == 66


def test_pictures_in_another_rhythm_are_refused(brighter: Trajectory) -> None:
    late = Trajectory(
        brighter.observations,
        brighter.actions,
        frames=ArrayFrames(np.array([0, 3]), np.zeros((2, 2, 2, 3), np.uint8)),
        id="late",
    )
    with pytest.raises(NeedsError, match="'late' has no pictures of its steps 0, 5"):
        steps_to_score(late, brightness("step"))


def test_an_episode_played_backwards_shows_its_pictures_in_reverse(brighter: Trajectory) -> None:
    film = played_backwards(brighter, until=7)
    assert len(film) == 6  # up to the last picture, after step 5
    assert film.frames is not None
    assert film.frames.times.tolist() == [0, 1, 6]
    assert film.frames.read([0, 1, 6])[:, 0, 0, 0].tolist() == [102, 51, 0]
    assert film.env_rewards is not None and film.env_rewards.tolist() == list(range(6))
    along = scores_of_episode(brightness("step"), film, "")
    assert along.tolist() == pytest.approx([0.2, 0.0])


def test_no_clip_is_scored_twice(brighter: Trajectory) -> None:
    source = BrightnessReward(BrightnessConfig("window", context=6, frame_stride=5))
    scorer = CachedSegmentScorer(paced(source, 5))
    clips = [ShownSegment(brighter.segment(start, 6), "") for start in (0, 5, 0)]
    assert scorer.scores(clips).tolist() == pytest.approx([0.3, 0.6, 0.3])
    assert scorer.scores(clips[::-1]).tolist() == pytest.approx([0.3, 0.6, 0.3])
    assert source.batch_sizes == [2]
