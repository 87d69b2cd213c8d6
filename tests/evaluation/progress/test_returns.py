"""What idling, half an expert and random actions are paid: shades by hand."""

from dataclasses import replace

import numpy as np
import pytest
from tests.evaluation.progress.bright_clips import bright_clips, episode, scored

from vlfeedback.evaluation.diagnosis.metrics import NotApplicable
from vlfeedback.evaluation.progress.returns import return_figures
from vlfeedback.evaluation.progress.scored import TaskClips
from vlfeedback.evaluation.resampling import Resampled
from vlfeedback.rewards.env_reward import EnvReward
from vlfeedback.rewards.random import RandomReward
from vlfeedback.types import RewardSource

# Each score is held for 5 steps, the last for one: an expert of shades 0, 50, 100, 150, 200 is paid
# 5 (0 + 50 + 100 + 150) + 200 = 1700, random actions of shade 10 are paid 210.
EXPERT, RANDOM = 1700, 210


def figures(clips: TaskClips, source: RewardSource | None = None) -> dict[str, float]:
    measured = return_figures(scored(clips, source), clips.bootstrap())
    return {name: f.value for name, f in measured.items() if isinstance(f, Resampled)}


def test_idling_earns_what_the_reset_earns_held_all_episode() -> None:
    expected = (0 - RANDOM) / (EXPERT - RANDOM)
    assert figures(bright_clips())["idle_share"] == pytest.approx(expected)


def test_half_an_expert_earns_what_is_held_from_half_of_the_way() -> None:
    measured = figures(bright_clips())  # the last picture before state 8 has shade 50
    assert measured["half_share"] == pytest.approx((16 * 50 - RANDOM) / (EXPERT - RANDOM))
    assert measured["half_between"] == 1.0


def test_idling_earns_more_than_the_expert_where_the_score_falls() -> None:
    measured = figures(bright_clips(expert=(200, 150, 100, 50, 0)))
    expert = 5 * (200 + 150 + 100 + 50)
    assert measured["idle_share"] == pytest.approx((21 * 200 - RANDOM) / (expert - RANDOM))
    assert measured["idle_share"] > 1
    assert measured["expert_over_rest"] == measured["half_between"] == 0.0


def test_shares_are_not_defined_where_experts_are_paid_no_more_than_random_actions() -> None:
    measured = figures(bright_clips(random=(250,) * 5))
    assert np.isnan(measured["idle_share"]) and np.isnan(measured["half_share"])
    assert measured["expert_over_random"] == 0.0


def test_shares_are_not_defined_where_experts_are_paid_more_by_chance_alone() -> None:
    clips = bright_clips()
    one_is_dark = [episode((0, 0, 0, 0, 0), "random", 0, reward=0)]
    one_is_bright = [episode((0, 50, 100, 150, 199), "random", 1, reward=0)]
    experts = [t for t in clips.episodes if t.level == "expert"]
    weak = episode((0, 0, 0, 10, 10), "expert", 1, reward=1, succeeds=True)
    episodes = (experts[0], weak, *one_is_dark, *one_is_bright)
    measured = return_figures(scored(replace(clips, episodes=episodes)), clips.bootstrap())
    for name in ("idle_share", "half_share"):
        figure = measured[name]
        assert isinstance(figure, Resampled) and np.isnan(figure.value)
        assert np.isnan(figure.estimate.low)


def test_episodes_are_ordered_by_their_returns() -> None:
    assert figures(bright_clips())["episode_tau"] == 1.0
    assert figures(bright_clips(random=(250,) * 5))["episode_tau"] == -1.0
    assert figures(bright_clips(), EnvReward())["episode_tau"] == 1.0


def test_resting_is_not_asked_about_where_no_action_is_known_to_rest() -> None:
    clips = bright_clips()
    numbered = tuple(replace(t, actions=np.ones((21,), np.int64)) for t in clips.episodes)
    clips = replace(clips, episodes=numbered)
    measured = return_figures(scored(clips, RandomReward()), clips.bootstrap())
    assert isinstance(measured["idle_share"], NotApplicable)
    assert isinstance(measured["episode_tau"], Resampled)
