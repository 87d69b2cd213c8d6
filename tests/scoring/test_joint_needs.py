"""One batch for several sources."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vlfeedback.errors import InvalidValueError
from vlfeedback.scoring.joint_needs import joint_needs, only_needed, pair_digests
from vlfeedback.types import SegmentBatch, SegmentPairs, SourceNeeds

RNG = np.random.default_rng(0)


def batch(n: int = 2, seed: int = 0) -> SegmentBatch:
    rng = np.random.default_rng(seed)
    return SegmentBatch(
        frames=rng.integers(0, 256, (n, 6, 4, 4, 3), dtype=np.uint8),
        first_frames=rng.integers(0, 256, (n, 4, 4, 3), dtype=np.uint8),
        frame_steps=np.arange(0, 12, 2),
        observations=rng.normal(size=(n, 12, 3)).astype(np.float32),
        actions=rng.normal(size=(n, 12, 1)).astype(np.float32),
        env_rewards=rng.normal(size=(n, 12)).astype(np.float32),
        successes=rng.random((n, 12)) > 0.5,
        instructions=["go", "stop"][:n],
    )


def pairs() -> SegmentPairs:
    return SegmentPairs(batch(seed=0), batch(seed=1))


def test_together_sources_read_what_any_of_them_does() -> None:
    joint = joint_needs(
        [
            SourceNeeds(frames=True, instruction=True, frame_stride=6),
            SourceNeeds(env_rewards=True, frame_stride=5),  # reads no pictures: its pace is none
            SourceNeeds(
                frames=True, first_frame=True, granularity="episode", context=9, frame_stride=4
            ),
        ]
    )
    assert joint == SourceNeeds(
        frames=True,
        first_frame=True,
        instruction=True,
        env_rewards=True,
        granularity="episode",
        context=9,
        frame_stride=2,
    )
    assert joint_needs([SourceNeeds()]) == SourceNeeds()
    with pytest.raises(InvalidValueError, match="needs of 0 sources"):
        joint_needs([])


def test_each_is_shown_its_part_with_actions_and_words() -> None:
    shown = only_needed(pairs(), SourceNeeds(env_rewards=True)).second
    assert shown.frames is None and shown.first_frames is None and shown.frame_steps is None
    assert shown.observations is None and shown.successes is None
    assert shown.env_rewards is not None and shown.actions is not None
    assert shown.instructions == ["go", "stop"] and shown.n_steps == 12


@pytest.mark.parametrize(("stride", "steps"), [(2, [0, 2, 4, 6, 8, 10]), (4, [0, 4, 8]), (1, None)])
def test_pictures_are_thinned_out_to_the_pace_of_the_source(
    stride: int, steps: list[int] | None
) -> None:
    given = pairs()
    shown = only_needed(given, SourceNeeds(frames=True, frame_stride=stride)).first
    expected = steps or [0, 2, 4, 6, 8, 10]
    assert shown.picture_steps.tolist() == expected
    assert shown.frames is not None and given.first.frames is not None
    np.testing.assert_array_equal(shown.frames, given.first.frames[:, [s // 2 for s in expected]])


def test_embeddings_in_place_of_pictures_are_thinned_out_too() -> None:
    embedded = replace(
        batch(), frames=None, embeddings=np.arange(24, dtype=np.float32).reshape(2, 6, 2)
    )
    shown = only_needed(
        SegmentPairs(embedded, embedded), SourceNeeds(frames=True, frame_stride=6)
    ).first
    assert shown.embeddings is not None and shown.embeddings[0].tolist() == [[0, 1], [6, 7]]


def test_a_source_that_is_left_nothing_sees_what_there_is_and_says_what_it_lacks() -> None:
    only = SegmentBatch(frames=np.zeros((1, 2, 4, 4, 3), np.uint8))
    assert only_needed(SegmentPairs(only, only), SourceNeeds(env_rewards=True)).first is only


def test_digests_tell_pairs_apart_by_all_that_they_hold() -> None:
    first, second = pair_digests(pairs())
    assert first != second and len(first) == 16
    assert pair_digests(pairs()) == [first, second]
    turned = SegmentPairs(pairs().second, pairs().first)
    assert pair_digests(turned)[0] != first
    for change in (
        {"instructions": ["run", "stop"]},
        {"env_rewards": np.zeros((2, 12), np.float32)},
        {"frames": np.zeros((2, 6, 4, 4, 3), np.uint8)},
        {"observations": None},
    ):
        changed = SegmentPairs(replace(pairs().first, **change), pairs().second)
        assert pair_digests(changed)[0] != first


def test_a_digest_does_not_depend_on_the_batch() -> None:
    given = pairs()
    alone = SegmentPairs(given.first.take([1]), given.second.take([1]))
    assert pair_digests(alone) == pair_digests(given)[1:]
