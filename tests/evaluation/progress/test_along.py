"""Order along episodes, backwards and in pauses: shades by hand."""

from dataclasses import replace

import numpy as np
import pytest
from tests.evaluation.progress.bright_clips import bright_clips, episode, latest_picture, scored

from vlfeedback.evaluation.bench.baselines import LengthReward
from vlfeedback.evaluation.diagnosis.metrics import NotApplicable
from vlfeedback.evaluation.progress.along import along_figures, kendall_tau
from vlfeedback.evaluation.progress.scored import TaskClips
from vlfeedback.evaluation.resampling import Resampled
from vlfeedback.rewards.env_reward import EnvReward
from vlfeedback.types import RewardSource


def figures(clips: TaskClips, source: RewardSource | None = None) -> dict[str, float]:
    measured = along_figures(scored(clips, source), clips.bootstrap())
    return {name: f.value for name, f in measured.items() if isinstance(f, Resampled)}


def test_a_score_that_rises_up_to_success_has_value_order_one() -> None:
    assert figures(bright_clips())["value_order"] == 1.0
    assert figures(bright_clips(expert=(0, 50, 100, 150, 0)))["value_order"] == 1.0


def test_a_score_that_falls_while_the_expert_works_has_value_order_minus_one() -> None:
    assert figures(bright_clips(expert=(200, 150, 100, 50, 0)))["value_order"] == -1.0


def test_a_constant_score_has_value_order_zero() -> None:
    assert figures(bright_clips(expert=(10,) * 5))["value_order"] == 0.0


def test_moments_are_ordered_by_the_environments_reward() -> None:
    # Of the ten pairs of moments of an expert two are the wrong way round; random ones have no
    # order, since all of their rewards are equal.
    assert figures(bright_clips(expert=(50, 0, 100, 200, 150)))["moment_tau"] == pytest.approx(0.6)


def test_rewards_that_hardly_differ_order_no_moments() -> None:
    clips = bright_clips()
    dull = episode((0, 50, 100, 150, 200), "random", 7, reward=0.04)
    clips = replace(clips, episodes=(*clips.episodes, dull))
    measured = along_figures(scored(clips), clips.bootstrap())["moment_tau"]
    assert isinstance(measured, Resampled)
    assert measured.n == 2


def test_an_experts_pictures_backwards_lose_their_order() -> None:
    # Shown after steps 0, 5, 10 and 15: 100, 50, 0 and 0.
    expected = -3 / np.sqrt(10)
    assert figures(bright_clips())["reversed_order"] == pytest.approx(expected)


def test_a_pause_raises_nothing_where_the_latest_picture_counts_alone() -> None:
    measured = figures(bright_clips())
    assert measured["pause_rise"] == measured["pause_rises"] == 0.0


def test_a_pause_raises_a_mean_that_comes_up_to_the_latest_picture() -> None:
    # Half-way is the picture of shade 50. Before the pause the mean of two pictures is 25, after
    # it 50; at the reset it is 0, at success the mean of 100 and 150.
    measured = figures(bright_clips(), latest_picture(over=10))
    assert measured["pause_rise"] == pytest.approx(25 / 125)
    assert measured["pause_rises"] == 1.0


def test_a_clock_rises_in_a_pause() -> None:
    measured = figures(bright_clips(), LengthReward())
    assert measured["value_order"] == measured["pause_rises"] == 1.0
    # It is asked after steps 0, 3, 6, 9, 11, 14, 17 and 20: the pause goes from 6 to 14, and the
    # success of step 15 is seen at 17.
    assert measured["pause_rise"] == pytest.approx(8 / 17)


def test_a_source_without_pictures_is_not_shown_them_backwards() -> None:
    clips = bright_clips()
    measured = along_figures(scored(clips, EnvReward()), clips.bootstrap())
    assert measured["reversed_order"] == NotApplicable("It reads no pictures.")


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([1, 2, 3], 1.0), ([3, 2, 1], -1.0), ([5, 5, 5], 0.0), ([1, 1, 2], 2 / 3)],
)
def test_tau_is_concordant_minus_discordant_pairs(scores: list[int], expected: float) -> None:
    truth = np.array([0.0, 1.0, 2.0])
    assert kendall_tau(np.array(scores, np.float64), truth) == pytest.approx(expected)


def test_tau_leaves_out_pairs_that_are_not_far_enough_apart() -> None:
    truth, scores = np.array([0.0, 1.0, 5.0]), np.array([2.0, 1.0, 3.0])
    assert kendall_tau(scores, truth) == pytest.approx(1 / 3)
    assert kendall_tau(scores, truth, apart=2.0) == 1.0
    assert np.isnan(kendall_tau(scores, truth, apart=9.0))
