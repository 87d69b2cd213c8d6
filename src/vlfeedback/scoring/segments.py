"""Scores of segments by one source, each picture read and encoded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, Shaped

from vlfeedback.data.pairings import ShownSegment
from vlfeedback.scoring.asking import ask
from vlfeedback.scoring.pictures import embeds_pictures, encode_states, pictures_of
from vlfeedback.types import RewardSource, SegmentBatch, SourceNeeds, Trajectory, rows_of

__all__ = ["CachedSegmentScorer", "SegmentScorer"]

_AT_ONCE = 128  # segments: bounds the memory of sources that read raw pictures


class SegmentScorer:
    """Sums the rewards of a source over each segment.

    The pictures of a trajectory are read whole when the first of its segments is scored, and kept:
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
        self._embedder = source if embeds_pictures(source) else None
        self._read: dict[Trajectory, np.ndarray] = {}

    @property
    def needs(self) -> SourceNeeds:
        """What the source reads."""
        return self._source.needs

    def scores(self, segments: Sequence[ShownSegment]) -> Float64[np.ndarray, " N"]:
        """Summed rewards of each segment, in the source's unit; segments are equally long.

        Raises:
            NeedsError: a trajectory lacks pictures, or what else the source reads.
            ShapeError: segments differ in length.
            SourceAnswerError: see `vlfeedback.scoring.ask`.
        """
        sums = []
        for start in range(0, len(segments), _AT_ONCE):
            rewards = ask(self._source, self._batch(segments[start : start + _AT_ONCE]))
            sums.append(rewards.astype(np.float64).sum(axis=1))
        return np.concatenate(sums)

    def _batch(self, segments: Sequence[ShownSegment]) -> SegmentBatch:
        needs = self._source.needs
        batch = SegmentBatch.from_segments(
            [shown.segment for shown in segments],
            [shown.instruction for shown in segments],
            needs=replace(needs, frames=False, first_frame=False),
        )
        if not needs.frames:
            return batch
        pictures = np.stack([self._pictures_of(shown) for shown in segments])
        steps = needs.picture_steps(batch.n_steps)
        first = shows_reset = None
        if needs.first_frame:
            shows_reset = np.array([shown.with_reset for shown in segments])
            pairs = zip(segments, pictures, strict=True)
            first = np.stack([self._first_of(*pair) for pair in pairs])
        if self._embedder is not None:
            seen: dict[str, Any] = {"embeddings": pictures, "first_embeddings": first}
        else:
            seen = {"frames": pictures, "first_frames": first}
        return replace(batch, **seen, shows_reset=shows_reset, frame_steps=steps)

    def _pictures_of(self, shown: ShownSegment) -> Shaped[np.ndarray, "F ..."]:
        states = shown.segment.frame_times(self._source.needs.frame_stride)
        pictures = self._of_states(shown.segment.trajectory, states)
        return np.asarray(pictures[::-1] if shown.reversed else pictures)

    def _first_of(
        self, shown: ShownSegment, pictures: Shaped[np.ndarray, "F ..."]
    ) -> Shaped[np.ndarray, "..."]:
        """The picture of the reset; the segment's own first one where that is not shown."""
        if not shown.with_reset:
            return np.asarray(pictures[0])
        return np.asarray(self._of_states(shown.segment.trajectory, np.array([0]))[0])

    def _of_states(
        self, trajectory: Trajectory, states: Int64[np.ndarray, " F"]
    ) -> Shaped[np.ndarray, "F ..."]:
        """Pictures of these states, or their embeddings."""
        frames = pictures_of(trajectory)
        if trajectory not in self._read:
            if self._embedder is None:
                self._read[trajectory] = frames.read(frames.times)
            else:
                wanted = [(trajectory, frames.times)]
                (encoded,) = encode_states(self._embedder, wanted, batch_size=len(frames.times))
                self._read[trajectory] = encoded.embeddings
        return np.asarray(self._read[trajectory][rows_of(frames.times, states)])


class CachedSegmentScorer(SegmentScorer):
    """A `SegmentScorer` that scores no segment twice: pairings share many."""

    def __init__(self, source: RewardSource, *, log_odds_scale: float | None = None) -> None:
        super().__init__(source, log_odds_scale=log_odds_scale)
        self._known: dict[ShownSegment, float] = {}

    def scores(self, segments: Sequence[ShownSegment]) -> Float64[np.ndarray, " N"]:
        """See `SegmentScorer.scores`."""
        new = [shown for shown in dict.fromkeys(segments) if shown not in self._known]
        if new:
            self._known.update(zip(new, super().scores(new).tolist(), strict=True))
        return np.array([self._known[shown] for shown in segments], dtype=np.float64)
