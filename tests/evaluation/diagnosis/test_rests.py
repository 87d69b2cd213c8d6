"""Experts against themselves with the world held still: rewards by hand."""

from dataclasses import replace

import numpy as np
import pytest

from vlfeedback.evaluation.diagnosis.episode_scores import scores_of_episode
from vlfeedback.evaluation.diagnosis.metrics import MetricValue, NotApplicable
from vlfeedback.evaluation.diagnosis.rests import held_still, rest_metrics
from vlfeedback.evaluation.resampling import Bootstrap
from vlfeedback.evaluation.statistics import Estimate
from vlfeedback.rewards.env_reward import EnvReward
from vlfeedback.scoring.paced import paced
from vlfeedback.testing.brightness import BrightnessReward
from vlfeedback.types import ArrayFrames, RewardSource, SegmentBatch, SourceNeeds, Trajectory

SHADES = np.array([0, 51, 102, 204], np.uint8)


@pytest.fixture
def expert() -> Trajectory:
    """12 steps, success at step 9; pictures of the reset and after steps 0, 5 and 10."""
    return Trajectory(
        observations=np.arange(13, dtype=np.float32)[:, None],
        actions=np.arange(1, 13, dtype=np.float32)[:, None],
        env_rewards=np.arange(12, dtype=np.float32),
        successes=np.arange(12) >= 9,
        frames=ArrayFrames(np.array([0, 1, 6, 11]), np.repeat(SHADES, 12).reshape(4, 2, 2, 3)),
        level="expert",
        id="shine",
    )


def shares(source: RewardSource, *experts: Trajectory) -> dict[str, MetricValue]:
    paced_source = paced(source, 5 if source.needs.frames else 1)
    along = {t: scores_of_episode(paced_source, t, "") for t in experts}
    bootstrap = Bootstrap({t: t.level for t in experts}, rng=np.random.default_rng(0))
    return rest_metrics(paced_source, along, "", bootstrap)


def value(metric: MetricValue) -> float:
    assert isinstance(metric, Estimate)
    return metric.mean


def test_an_episode_held_still_from_its_reset_shows_the_reset_alone(expert: Trajectory) -> None:
    still = held_still(expert, 0)
    assert len(still) == 12 and not still.observations.any() and not still.actions.any()
    assert still.env_rewards is not None and not still.env_rewards.any()
    assert still.frames is not None and not still.frames.read([0, 1, 6, 11]).any()
    assert still.id == "shine held still from state 0"


def test_an_episode_held_still_half_way_keeps_its_beginning(expert: Trajectory) -> None:
    still = held_still(expert, 8)  # the last picture up to there is of state 6
    assert still.observations[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 6, 6, 6, 6, 6, 6]
    assert still.actions[:, 0].tolist() == [1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0]
    assert still.env_rewards is not None
    assert still.env_rewards.tolist() == [0, 1, 2, 3, 4, 5, 5, 5, 5, 5, 5, 5]
    assert still.frames is not None
    assert still.frames.read([0, 1, 6, 11])[:, 0, 0, 0].tolist() == [0, 51, 102, 102]


def test_what_brightens_is_paid_more_than_what_rests(expert: Trajectory) -> None:
    metrics = shares(BrightnessReward(), expert)
    assert value(metrics["expert_over_rest"]) == value(metrics["expert_over_half"]) == 1.0


def test_a_reward_that_falls_while_the_expert_works_pays_resting_more(expert: Trajectory) -> None:
    dimming = replace(
        expert,
        frames=ArrayFrames(
            np.array([0, 1, 6, 11]), np.repeat(SHADES[::-1], 12).reshape(4, 2, 2, 3)
        ),
    )
    metrics = shares(BrightnessReward(), dimming)
    assert value(metrics["expert_over_rest"]) == value(metrics["expert_over_half"]) == 0.0


def test_a_dip_on_the_way_pays_resting_more_than_half_but_less_than_all(
    expert: Trajectory,
) -> None:
    # Whole: 5 * 0 + 5 * 0 + 2 * 204; held at the reset: 12 * 30; half-way: held on 0.
    shades = np.array([30, 0, 0, 204], np.uint8)
    dipping = replace(
        expert,
        frames=ArrayFrames(np.array([0, 1, 6, 11]), np.repeat(shades, 12).reshape(4, 2, 2, 3)),
    )
    assert value(shares(BrightnessReward(), dipping)["expert_over_rest"]) == 1.0
    brighter = replace(
        expert,
        frames=ArrayFrames(
            np.array([0, 1, 6, 11]),
            np.repeat(np.array([50, 0, 0, 204], np.uint8), 12).reshape(4, 2, 2, 3),
        ),
    )
    metrics = shares(BrightnessReward(), brighter)
    assert value(metrics["expert_over_rest"]) == 0.0 and value(metrics["expert_over_half"]) == 1.0


def test_a_constant_ties(expert: Trajectory) -> None:
    class Constant(EnvReward):
        def rewards(self, batch: SegmentBatch) -> np.ndarray:
            return np.ones((len(batch), batch.n_steps), np.float32)

    metrics = shares(Constant(), expert)
    assert value(metrics["expert_over_rest"]) == value(metrics["expert_over_half"]) == 0.5


def test_an_expert_that_succeeds_at_once_has_no_half_of_its_work(expert: Trajectory) -> None:
    metrics = shares(EnvReward(), replace(expert, successes=np.ones(12, bool)))
    assert value(metrics["expert_over_rest"]) == 1.0
    assert np.isnan(value(metrics["expert_over_half"]))


def test_which_of_numbered_actions_does_nothing_is_not_known(expert: Trajectory) -> None:
    class Mover:
        needs = SourceNeeds(actions=True)

        def rewards(self, batch: SegmentBatch) -> np.ndarray:
            assert batch.actions is not None
            return batch.actions.reshape(len(batch), -1).astype(np.float32)

    metrics = shares(Mover(), expert)
    assert value(metrics["expert_over_rest"]) == 1.0
    numbered = replace(expert, actions=np.arange(12))
    metric = shares(Mover(), numbered)["expert_over_rest"]
    assert isinstance(metric, NotApplicable) and "numbered" in metric.reason
    assert isinstance(shares(EnvReward(), numbered)["expert_over_rest"], Estimate)
