"""A reward source read at another pace: pictures so many steps apart, each encoded once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float32, UInt8

from vlfeedback.errors import NeedsError
from vlfeedback.scoring.asking import ask
from vlfeedback.scoring.pictures import embeds_pictures, encode_new
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
    """Any reward source, given pictures `pace` steps apart; a reward source itself.

    A score of a single picture is held until the next.

    Args:
        source: scores.
        pace: of `pace_of`.
    """

    def __init__(self, source: RewardSource, pace: int) -> None:
        self.source = source
        self.needs = replace(source.needs, frame_stride=pace if source.needs.frames else 1)

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """The source's rewards.

        Raises:
            SourceAnswerError: see `vlfeedback.scoring.ask`.
        """
        if not (self.needs.frames and self.needs.granularity == "step"):
            return ask(self.source, batch)
        steps = batch.picture_steps
        held = np.clip(np.searchsorted(steps, np.arange(batch.n_steps), side="right") - 1, 0, None)
        return ask(self.source, _pictured_steps_only(batch))[:, held]


class _EmbeddingPacedSource(PacedSource):
    """The same for a source that embeds pictures: no picture is encoded twice, bit for bit."""

    def __init__(self, source: EmbeddingSource, pace: int) -> None:
        super().__init__(source, pace)
        self._embed = source.embed
        self._known: dict[bytes, np.ndarray] = {}

    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B ..."]:
        """The source's embeddings; pictures seen before are remembered."""
        embeddings = encode_new(frames, self._embed, find=self._find, keep=self._known.update)
        return np.stack(embeddings)

    def _find(self, keys: Iterable[bytes]) -> Mapping[bytes, np.ndarray]:
        return {key: self._known[key] for key in keys if key in self._known}


def paced(source: RewardSource, pace: int) -> PacedSource:
    """A source at this pace, which is an `EmbeddingSource` if the source is one."""
    if embeds_pictures(source):
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
        successes=cut(batch.successes),
        mask=cut(batch.mask),
        frame_steps=None,
        length=len(steps),
    )
