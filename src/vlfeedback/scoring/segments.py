"""Scores of clips by one source, each picture read and encoded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Int64, Shaped

from vlfeedback.data.pairings import ShownSegment
from vlfeedback.errors import NeedsError
from vlfeedback.types import EmbeddingSource, RewardSource, SegmentBatch, Trajectory, rows_of

__all__ = ["SegmentScorer"]

_CHUNK = 128  # clips scored at once: bounds the memory of sources that read raw pictures


class SegmentScorer:
    """Sums the rewards of a source over each clip.

    The pictures of a trajectory are read whole when the first of its clips is scored, and kept:
    as embeddings where the source gives them (45 kB a trajectory for VLP), else as pictures
    (0.8 MB at 112 px; make a scorer for each task then).

    Args:
        source: any reward source.
        log_odds_scale: > 0; P[second preferred] = sigmoid(scale * (score of the second - score
            of the first)). `VLPReward.weights.score_std` for VLP, whose rewards are standardised
            log-odds. None: the scores say nothing of probabilities.
    """

    def __init__(self, source: RewardSource, *, log_odds_scale: float | None = None) -> None:
        self.log_odds_scale = log_odds_scale
        self._source = source
        self._embedder = source if isinstance(source, EmbeddingSource) else None
        self._read: dict[Trajectory, np.ndarray] = {}

    def scores(self, clips: Sequence[ShownSegment]) -> Float64[np.ndarray, " N"]:
        """Summed rewards of each clip, in the source's unit; clips are equally long.

        Raises:
            NeedsError: a trajectory lacks pictures, or what else the source reads.
            ShapeError: clips differ in length.
        """
        chunks = [self._batch(clips[i : i + _CHUNK]) for i in range(0, len(clips), _CHUNK)]
        sums = [np.asarray(self._source.rewards(batch), np.float64).sum(axis=1) for batch in chunks]
        return np.concatenate(sums)

    def _batch(self, clips: Sequence[ShownSegment]) -> SegmentBatch:
        needs = self._source.needs
        batch = SegmentBatch.from_segments(
            [clip.segment for clip in clips],
            [clip.instruction for clip in clips],
            needs=replace(needs, frames=False, first_frame=False),
        )
        if not needs.frames:
            return batch
        shown = np.stack([self._shown(clip) for clip in clips])
        steps = np.arange(0, batch.n_steps, needs.frame_stride)
        pairs = zip(clips, shown, strict=True)
        begun = np.stack([self._begun(*p) for p in pairs]) if needs.first_frame else None
        if self._embedder is not None:
            return replace(batch, embeddings=shown, first_embeddings=begun, frame_steps=steps)
        return replace(batch, frames=shown, first_frames=begun, frame_steps=steps)

    def _shown(self, clip: ShownSegment) -> Shaped[np.ndarray, "F ..."]:
        trajectory = clip.segment.trajectory
        times = clip.segment.frame_times(self._source.needs.frame_stride)
        shown = self._pictures(trajectory, times)
        return np.asarray(shown[::-1] if clip.reversed else shown)

    def _begun(
        self, clip: ShownSegment, shown: Shaped[np.ndarray, "F ..."]
    ) -> Shaped[np.ndarray, "..."]:
        """The picture of the reset; the clip's own first one where that is not shown."""
        if not clip.with_reset:
            return np.asarray(shown[0])
        return np.asarray(self._pictures(clip.segment.trajectory, np.array([0]))[0])

    def _pictures(
        self, trajectory: Trajectory, times: Int64[np.ndarray, " F"]
    ) -> Shaped[np.ndarray, "F ..."]:
        if trajectory.frames is None:
            raise NeedsError(f"{trajectory!r} has no pictures; collect it again.")
        if trajectory not in self._read:
            pictures = trajectory.frames.read(trajectory.frames.times)
            self._read[trajectory] = self._embedder.embed(pictures) if self._embedder else pictures
        return np.asarray(self._read[trajectory][rows_of(trajectory.frames.times, times)])
