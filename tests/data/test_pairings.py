import numpy as np
import pytest

from vlfeedback.data.pairings import (
    pair_with_reversed,
    pair_with_wrong_instructions,
    rank_by_return,
    sample_advancing_segments,
    sample_expert_pairs,
    sample_expert_segments,
)
from vlfeedback.errors import NeedsError
from vlfeedback.types import Trajectory


def trajectory(name: str, rewards: list[float], level: str = "expert") -> Trajectory:
    return Trajectory(
        observations=np.zeros((len(rewards) + 1, 2), np.float32),
        actions=np.zeros((len(rewards), 1), np.float32),
        env_rewards=np.array(rewards, np.float32),
        id=name,
        info={"level": level},
    )


def test_scripted_labels_prefer_the_larger_sum_of_rewards_and_tie_where_sums_are_equal() -> None:
    a, b = trajectory("a", [1, 2, 3, 4]), trajectory("b", [5, 0, 0, 0])
    pairs = [
        (a.segment(0, 2), a.segment(2, 2)),  # 3 against 7
        (b.segment(0, 2), a.segment(0, 2)),  # 5 against 3
        (b.segment(1, 2), b.segment(2, 2)),  # 0 against 0
    ]
    posed = rank_by_return(pairs, "go")
    assert posed.prefer_second.tolist() == [1, 0, 0.5]
    assert posed.returns is not None
    assert posed.returns.tolist() == [[3, 7], [5, 3], [0, 0]]
    assert {clip.instruction for clip in (*posed.first, *posed.second)} == {"go"}
    each = rank_by_return(pairs, ["x", "y", "z"])
    assert [clip.instruction for clip in each.second] == ["x", "y", "z"]


def test_expert_pairs_hold_experts_only() -> None:
    trajectories = [trajectory("a", [0] * 6), trajectory("b", [0] * 6, level="random")]
    pairs = sample_expert_pairs(trajectories, 20, 3, rng=np.random.default_rng(0))
    assert {s.trajectory.id for pair in pairs for s in pair} == {"a"}


def test_expert_pairs_are_those_of_the_segments_drawn_with_the_same_seed() -> None:
    experts = [trajectory("a", [0] * 60), trajectory("b", [0] * 50)]
    segments = sample_expert_segments(experts, 16, 3, rng=np.random.default_rng(7))
    pairs = sample_expert_pairs(experts, 8, 3, rng=np.random.default_rng(7))
    assert pairs == list(zip(segments[:8], segments[8:], strict=True))


def test_without_experts_the_need_is_named() -> None:
    with pytest.raises(NeedsError, match="None of 1 trajectories has level"):
        sample_expert_pairs([trajectory("b", [0] * 6, "random")], 2, 3, rng=np.random.default_rng())


def test_advancing_segments_end_with_more_reward_than_they_begin_with_by_the_stated_share() -> None:
    # The range of rewards is 8, set by the random episode; a quarter of it is 2.
    experts = trajectory("a", [0, 1, 2, 3, 3, 3])
    trajectories = [experts, trajectory("b", [8, 0, 8, 0, 8, 0], level="random")]
    drawn = sample_advancing_segments(trajectories, 50, 4, rng=np.random.default_rng(0))
    # Gains of the windows at 0, 1 and 2: 3, 2 (not more than a quarter) and 1.
    assert {(s.trajectory.id, s.start) for s in drawn} == {("a", 0)}


def test_without_an_advancing_segment_the_range_is_named() -> None:
    with pytest.raises(NeedsError, match=r"No expert segment of 3 steps .* 25% .*\(1\)"):
        sample_advancing_segments(
            [trajectory("a", [1, 0, 0, 0])], 2, 3, rng=np.random.default_rng()
        )


def test_a_segment_is_set_against_its_own_reversal_and_forwards_is_right() -> None:
    segments = [trajectory("a", [0, 1, 2]).segment(0, 3)] * 40
    posed = pair_with_reversed(segments, "go", rng=np.random.default_rng(0))
    for first, second, truth in zip(posed.first, posed.second, posed.prefer_second, strict=True):
        assert first.reversed is not second.reversed
        assert second.reversed is not bool(truth)
    assert set(posed.prefer_second.tolist()) == {0.0, 1.0}  # on either side
    assert posed.returns is None


def test_a_segment_is_set_against_itself_under_a_wrong_instruction_and_the_right_is_right() -> None:
    segments = [trajectory("a", [0, 1, 2]).segment(0, 3)] * 40
    posed = pair_with_wrong_instructions(
        segments, "right", ["x", "y"], rng=np.random.default_rng(0)
    )
    wrong = set()
    for first, second, truth in zip(posed.first, posed.second, posed.prefer_second, strict=True):
        better, worse = (second, first) if truth else (first, second)
        assert better.instruction == "right"
        wrong.add(worse.instruction)
    assert wrong == {"x", "y"}
    assert set(posed.prefer_second.tolist()) == {0.0, 1.0}
