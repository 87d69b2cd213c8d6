"""Pairs of segments with a known order, from easy to hard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from vlfeedback.data.sampling import SegmentPairList, sample_segment_pairs, sample_segments
from vlfeedback.errors import NeedsError
from vlfeedback.types import Segment, Trajectory

__all__ = [
    "MIN_GAIN",
    "RankedPairs",
    "ShownSegment",
    "pair_with_reversed",
    "pair_with_wrong_instructions",
    "rank_by_return",
    "sample_advancing_segments",
    "sample_expert_pairs",
    "sample_expert_segments",
]

MIN_GAIN = 0.25
"""Share of a task's reward range by which the reward of a window that nears success grows (our
choice, untested)."""


@dataclass(frozen=True, slots=True)
class ShownSegment:
    """A segment as it is shown: under one instruction, its pictures forwards or backwards."""

    segment: Segment
    instruction: str
    reversed: bool = False
    with_reset: bool = True  # False: how its episode began is not shown; it begins with itself


@dataclass(frozen=True, slots=True, eq=False)
class RankedPairs:
    """N pairs of segments and their true order."""

    first: tuple[ShownSegment, ...]
    second: tuple[ShownSegment, ...]
    prefer_second: Float32[np.ndarray, " N"]  # the truth: 0 first, 1 second, 0.5 no order
    returns: Float64[np.ndarray, "N 2"] | None = None  # first, second; None: they do not decide

    def __len__(self) -> int:
        return len(self.first)


def rank_by_return(pairs: SegmentPairList, instruction: str | Sequence[str]) -> RankedPairs:
    """Label pairs by the environment's own reward: the larger sum is preferred, equal sums tie.

    Args:
        pairs: whatever a sampler of `vlfeedback.data.sampling` or of this module drew.
        instruction: one for all pairs, or one for each.

    Raises:
        NeedsError: a trajectory has no rewards of its own.

    Source: VLP paper, section 5.2, "scripted labels".
    """
    texts = [instruction] * len(pairs) if isinstance(instruction, str) else instruction
    returns = np.array(
        [[_rewards(segment).sum(dtype=np.float64) for segment in pair] for pair in pairs]
    )
    return RankedPairs(
        first=tuple(ShownSegment(pair[0], text) for pair, text in zip(pairs, texts, strict=True)),
        second=tuple(ShownSegment(pair[1], text) for pair, text in zip(pairs, texts, strict=True)),
        prefer_second=(0.5 + 0.5 * np.sign(returns[:, 1] - returns[:, 0])).astype(np.float32),
        returns=returns,
    )


def pair_with_reversed(
    segments: Sequence[Segment], instruction: str, *, rng: np.random.Generator
) -> RankedPairs:
    """Each segment against its own pictures in reverse order; forwards is preferred.

    Which side runs forwards is drawn at random. Sound for segments that end nearer to success
    than they began, see `sample_advancing_segments`. Only pictures are turned round: a source
    that reads actions or the sum of rewards sees no difference. Neither side shows the reset,
    which would give away where it began.
    """
    forwards_second = rng.integers(2, size=len(segments))
    return RankedPairs(
        first=tuple(
            ShownSegment(s, instruction, reversed=bool(k), with_reset=False)
            for s, k in zip(segments, forwards_second, strict=True)
        ),
        second=tuple(
            ShownSegment(s, instruction, reversed=not k, with_reset=False)
            for s, k in zip(segments, forwards_second, strict=True)
        ),
        prefer_second=forwards_second.astype(np.float32),
    )


def pair_with_wrong_instructions(
    segments: Sequence[Segment], right: str, wrong: Sequence[str], *, rng: np.random.Generator
) -> RankedPairs:
    """Each segment under its own instruction against a wrong one; its own is preferred.

    Args:
        segments: those that follow `right`.
        right: the instruction of their task.
        wrong: instructions of other tasks, of which one is drawn for each pair.
        rng: source of randomness, also of the side.

    Raises:
        NeedsError: there is no wrong instruction.
    """
    if not wrong:
        raise NeedsError(
            f"There is no wrong instruction to set {right!r} against; expected at least one of "
            "another task."
        )
    right_second = rng.integers(2, size=len(segments))
    others = rng.choice(np.asarray(wrong, dtype=object), size=len(segments))
    sides = [
        [ShownSegment(s, right if k == side else str(other)) for side in (0, 1)]
        for s, k, other in zip(segments, right_second, others, strict=True)
    ]
    return RankedPairs(
        first=tuple(side[0] for side in sides),
        second=tuple(side[1] for side in sides),
        prefer_second=right_second.astype(np.float32),
    )


def sample_expert_segments(
    trajectories: Sequence[Trajectory],
    n_segments: int,
    length: int,
    *,
    rng: np.random.Generator,
    start_multiple: int = 1,
) -> list[Segment]:
    """Draw segments of expert trajectories only (`Trajectory.level` "expert").

    Raises:
        NeedsError: there is no expert trajectory.
        ShapeError: see `vlfeedback.data.sampling.sample_segments`.
    """
    experts = _experts(trajectories)
    return sample_segments(experts, n_segments, length, rng=rng, start_multiple=start_multiple)


def sample_expert_pairs(
    trajectories: Sequence[Trajectory],
    n_pairs: int,
    length: int,
    *,
    rng: np.random.Generator,
    start_multiple: int = 1,
) -> SegmentPairList:
    """Draw pairs of segments of expert trajectories only; see `sample_segment_pairs`."""
    experts = _experts(trajectories)
    return sample_segment_pairs(experts, n_pairs, length, rng=rng, start_multiple=start_multiple)


def sample_advancing_segments(
    trajectories: Sequence[Trajectory],
    n_segments: int,
    length: int,
    *,
    rng: np.random.Generator,
    start_multiple: int = 1,
    min_gain: float = MIN_GAIN,
) -> list[Segment]:
    """Draw, with replacement, expert segments that end nearer to success than they began.

    Args:
        trajectories: all of one task; the range of its rewards is taken over all of them.
        n_segments: how many.
        length: steps of each.
        rng: source of randomness.
        start_multiple: starts are multiples of this.
        min_gain: the last step's reward exceeds the first's by more than this share of the range.

    Raises:
        NeedsError: there is no such segment, or a trajectory has no rewards.
    """
    advancing = []
    rewards = [_rewards(t.segment(0, len(t))) for t in trajectories]
    spread = max(r.max() for r in rewards) - min(r.min() for r in rewards)
    for trajectory, reward in zip(trajectories, rewards, strict=True):
        if trajectory.level == "expert":
            for start in range(0, len(trajectory) - length + 1, start_multiple):
                if reward[start + length - 1] - reward[start] > min_gain * spread:
                    advancing.append(trajectory.segment(start, length))
    if not advancing:
        raise NeedsError(
            f"No expert segment of {length} steps gains more than {min_gain:.0%} of the range of "
            f"rewards ({spread:.3g}); collect longer episodes, or lower min_gain."
        )
    return [advancing[k] for k in rng.integers(len(advancing), size=n_segments)]


def _experts(trajectories: Sequence[Trajectory]) -> list[Trajectory]:
    experts = [t for t in trajectories if t.level == "expert"]
    if not experts:
        raise NeedsError(
            f"None of {len(trajectories)} trajectories has level == 'expert'; "
            "`vlfeedback collect` makes some."
        )
    return experts


def _rewards(segment: Segment) -> np.ndarray:
    return np.asarray(segment.read("env_rewards"))
