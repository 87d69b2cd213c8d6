"""How many segments a source scores in a second, from raw pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from vlfeedback.evaluation.statistics import Estimate
from vlfeedback.scoring.asking import ask
from vlfeedback.scoring.pictures import pictures_of
from vlfeedback.types import RewardSource, Segment, SegmentBatch

__all__ = ["segments_per_second"]

_AT_MOST = 16  # segments in the second, larger call
_SLOW = 0.5  # seconds for one segment, from which on no more of them are scored


def segments_per_second(
    source: RewardSource, segments: Sequence[Segment], instruction: str, *, rng: np.random.Generator
) -> Estimate:
    """Segments a second on the wall clock, with pictures as often as the source asks for them.

    A picture that was not taken is stood in for by the one before it. The lowest bits of all
    pictures are drawn anew, so that what a source remembers of them does not make it look fast.

    Args:
        source: any.
        segments: equally long, with what the source reads; at least one.
        instruction: what it is told.
        rng: source of randomness.
    """
    batch = _read(source, segments[:_AT_MOST], instruction)
    seconds = _seconds(source, batch.take([0]), rng)
    if seconds > _SLOW or len(batch) == 1:
        return Estimate(1 / seconds, np.nan, np.nan, 1)
    return Estimate(len(batch) / _seconds(source, batch, rng), np.nan, np.nan, len(batch))


def _seconds(source: RewardSource, batch: SegmentBatch, rng: np.random.Generator) -> float:
    fresh: dict[str, Any] = {}
    for name in ("frames", "first_frames"):
        pictures: np.ndarray | None = getattr(batch, name)
        if pictures is not None:
            fresh[name] = pictures ^ rng.integers(2, size=pictures.shape, dtype=np.uint8)
    fresh_batch = SegmentBatch(
        **fresh,
        observations=batch.observations,
        actions=batch.actions,
        env_rewards=batch.env_rewards,
        successes=batch.successes,
        instructions=batch.instructions,
        frame_steps=batch.frame_steps,
    )
    start = time.perf_counter()
    ask(source, fresh_batch)
    return max(time.perf_counter() - start, 1e-9)


def _read(source: RewardSource, segments: Sequence[Segment], instruction: str) -> SegmentBatch:
    needs, frames, first = source.needs, None, None
    steps = needs.picture_steps(segments[0].length)
    if needs.frames:
        pictures = []
        for segment in segments:
            recorded = pictures_of(segment.trajectory)
            newest = np.searchsorted(recorded.times, segment.start + 1 + steps, side="right") - 1
            distinct, places = np.unique(recorded.times[newest], return_inverse=True)
            pictures.append(recorded.read(distinct)[places])
        frames = np.stack(pictures)
        first = np.stack([s.first_frame() for s in segments]) if needs.first_frame else None
    return SegmentBatch(
        frames=frames,
        first_frames=first,
        observations=np.stack([s.read("observations") for s in segments]),
        actions=np.stack([s.read("actions") for s in segments]),
        env_rewards=(
            np.stack([s.read("env_rewards") for s in segments]) if needs.env_rewards else None
        ),
        successes=np.stack([s.read("successes") for s in segments]) if needs.successes else None,
        instructions=[instruction] * len(segments),
        frame_steps=steps if needs.frames else None,
    )
