"""A source as a diagnosis asks it: pictures at its pace, each read once, answers checked."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b

import numpy as np
from jaxtyping import Float32, UInt8

from vlfeedback.errors import DtypeError, NeedsError, ShapeError
from vlfeedback.types import EmbeddingSource, RewardSource, SegmentBatch, SourceNeeds

__all__ = ["PICTURE_EVERY", "PacedSource", "pace_of", "paced"]

PICTURE_EVERY = 7
"""Steps from one picture to the next for a source that scores single pictures: as many as between
the pictures of collected datasets. What it says of a picture is held until the next."""


def pace_of(needs: SourceNeeds, stride: int) -> int:
    """Steps from one picture that is read to the next, where one was taken every `stride` steps.

    A source of windows or episodes keeps its own rhythm. A score of a single picture does not
    depend on which others are scored, so those are thinned out to about `PICTURE_EVERY`.

    Raises:
        NeedsError: the pictures are too far apart, or in another rhythm than the source's.

    >>> pace_of(SourceNeeds(frames=True), stride=2)
    8
    """
    if not needs.frames:
        return 1
    if needs.granularity == "step":
        return stride * -(-max(PICTURE_EVERY, needs.frame_stride) // stride)
    if needs.frame_stride % stride:
        raise NeedsError(
            f"The source reads a picture every {needs.frame_stride} steps and one was taken every "
            f"{stride}; collect with a stride that divides it: --frame-stride "
            f"{needs.frame_stride}."
        )
    return needs.frame_stride


class PacedSource:
    """Any reward source, asked for pictures `pace` steps apart.

    Args:
        source: scores.
        pace: of `pace_of`.
    """

    def __init__(self, source: RewardSource, pace: int) -> None:
        self.source = source
        self.needs = replace(source.needs, frame_stride=pace if source.needs.frames else 1)

    @property
    def name(self) -> str:
        """The class of the source, for messages."""
        return type(self.source).__name__

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """The source's rewards, finite; a score of a single picture is held until the next.

        Raises:
            DtypeError: the source gave a number that is not finite.
            ShapeError: the source returned something else than (N, T).
        """
        if not (self.needs.frames and self.needs.granularity == "step"):
            return self._ask(batch)
        steps = batch.picture_steps
        held = np.clip(np.searchsorted(steps, np.arange(batch.n_steps), side="right") - 1, 0, None)
        return self._ask(_pictured_steps_only(batch))[:, held]

    def _ask(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        given = np.asarray(self.source.rewards(batch))
        if given.shape != (len(batch), batch.n_steps):
            raise ShapeError(
                f"{self.name}.rewards returned shape {given.shape}; expected ({len(batch)}, "
                f"{batch.n_steps}), one number a step."
            )
        strange = given[~np.isfinite(given)]
        if len(strange):
            raise DtypeError(
                f"{self.name} gave {strange[0]} for {len(strange)} of {given.size} steps; a reward "
                "is a finite number. `vlfeedback.testing.RewardSourceContract` finds what it "
                "stumbles over."
            )
        return given.astype(np.float32)


class _EmbeddingPacedSource(PacedSource):
    """The same for a source that keeps embeddings: no picture is encoded twice."""

    def __init__(self, source: EmbeddingSource, pace: int) -> None:
        super().__init__(source, pace)
        self._embed = source.embed
        self._known: dict[bytes, np.ndarray] = {}

    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B ..."]:
        """The source's embeddings; pictures seen before, bit for bit, are remembered."""
        keys = [blake2b(frame.tobytes(), digest_size=16).digest() for frame in frames]
        new = {key: k for k, key in enumerate(keys) if key not in self._known}
        if new:
            made = np.asarray(self._embed(frames[list(new.values())]))
            self._known.update(zip(new, made, strict=True))
        return np.stack([self._known[key] for key in keys])


def paced(source: RewardSource, pace: int) -> PacedSource:
    """A source paced, which is an `EmbeddingSource` if the source is one."""
    if source.needs.frames and isinstance(source, EmbeddingSource):
        return _EmbeddingPacedSource(source, pace)
    return PacedSource(source, pace)


def _pictured_steps_only(batch: SegmentBatch) -> SegmentBatch:
    """The steps after which pictures were taken, as segments without gaps."""
    steps = batch.picture_steps

    def cut(rows: np.ndarray | None) -> np.ndarray | None:
        return None if rows is None else rows[:, steps]

    return replace(
        batch,
        observations=cut(batch.observations),
        actions=cut(batch.actions),
        env_rewards=cut(batch.env_rewards),
        mask=cut(batch.mask),
        frame_steps=None,
        length=len(steps),
    )
