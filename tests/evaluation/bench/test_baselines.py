"""The rules pass the contract of every reward source, and say what they are said to."""

import numpy as np
import pytest

from vlfeedback.errors import NeedsError
from vlfeedback.evaluation.bench.baselines import (
    BASELINES,
    ChanceConfig,
    ChanceReward,
    ColourChangeReward,
    LastFrameReward,
    LengthReward,
    make_baselines,
)
from vlfeedback.testing import RewardSourceContract
from vlfeedback.types import RewardSource, SegmentBatch


class TestLength(RewardSourceContract):
    @pytest.fixture
    def source(self) -> RewardSource:
        return LengthReward()


class TestColourChange(RewardSourceContract):
    @pytest.fixture
    def source(self) -> RewardSource:
        return ColourChangeReward()


class TestLastFrame(RewardSourceContract):
    @pytest.fixture
    def source(self) -> RewardSource:
        return LastFrameReward()


class TestChance(RewardSourceContract):
    @pytest.fixture
    def source(self) -> RewardSource:
        return ChanceReward()


def shown(*brightness: int, first: int = 0) -> SegmentBatch:
    frames = np.array(brightness, np.uint8)[None, :, None, None, None]
    return SegmentBatch(
        frames=np.broadcast_to(frames, (1, len(brightness), 4, 4, 3)).copy(),
        first_frames=np.full((1, 4, 4, 3), first, np.uint8),
    )


def test_each_rule_by_hand() -> None:
    batch = shown(10, 200, first=50)
    np.testing.assert_array_equal(LengthReward().rewards(batch), [[0, 2]])
    np.testing.assert_array_equal(ColourChangeReward().rewards(batch), [[40, 150]])
    np.testing.assert_array_equal(LastFrameReward().rewards(batch), [[10, 200]])


def test_chance_is_the_same_for_the_same_picture_and_another_for_another_seed() -> None:
    one, other = ChanceReward(), ChanceReward(ChanceConfig(seed=1))
    rewards = one.rewards(shown(7, 8, 7))[0]
    assert rewards[0] == rewards[2] != rewards[1]
    assert np.all((rewards >= 0) & (rewards < 1))
    assert np.all(other.rewards(shown(7, 8, 7))[0] != rewards)


def test_chance_is_uniform() -> None:
    draw = np.random.default_rng(0).integers(0, 256, (1, 2000, 2, 2, 3), dtype=np.uint8)
    numbers = ChanceReward().rewards(SegmentBatch(frames=draw))[0]
    assert abs(numbers.mean() - 0.5) < 0.03
    assert abs(np.quantile(numbers, 0.1) - 0.1) < 0.03


def test_without_pictures_they_say_what_they_need() -> None:
    blind = SegmentBatch(actions=np.zeros((1, 3, 1), np.float32))
    for source in (LastFrameReward(), ChanceReward(), ColourChangeReward()):
        with pytest.raises(NeedsError, match="picture"):
            source.rewards(blind)


def test_all_rules_are_made_under_their_names() -> None:
    rules = make_baselines(3)
    assert {name: type(rule) for name, rule in rules.items()} == dict(BASELINES)
    assert isinstance(rules["chance"], ChanceReward) and rules["chance"].config.seed == 3
