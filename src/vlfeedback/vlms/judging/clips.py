"""A batch's segments as models are shown them, and scores of their pictures as rewards of steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.types import SegmentBatch, SourceNeeds

__all__ = [
    "Clip",
    "ClipSettings",
    "Places",
    "Scores",
    "check_clip_settings",
    "clip_needs",
    "curves_of",
    "last_scores",
    "rewards_of_clips",
]

Places = Sequence[Int64[np.ndarray, " _"]]
"""Which pictures of each clip, ascending; clips differ in how many."""

Scores = Sequence[Float32[np.ndarray, " _"]]
"""Scores of each clip, one for each of its `Places`."""


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """Which part of an episode a model judges at a time, and by which pictures of it.

    Attributes:
        window: steps of the past that one score judges; there is one after every `frame_stride`
            steps. 0: the episode as a whole, with one score at its end.
        frame_stride: steps from one picture to the next; as many as in collected datasets.
        n_frames: most pictures that are shown of a clip, spread evenly, first and last included.
    """

    window: int = 0
    frame_stride: int = 7
    n_frames: int = 16


def clip_needs(settings: ClipSettings, *, first_frame: bool = False) -> SourceNeeds:
    """What a source with these settings reads, and how often a wrapper asks it.

    Args:
        settings: of the source.
        first_frame: also the picture of the reset.
    """
    return SourceNeeds(
        frames=True,
        first_frame=first_frame,
        instruction=True,
        granularity="window" if settings.window else "episode",
        context=settings.window or 1,
        frame_stride=settings.frame_stride,
    )


def check_clip_settings(settings: ClipSettings, *, fewest: int = 1) -> None:
    """Refuse settings out of range.

    Args:
        settings: of a source.
        fewest: pictures that the source shows at least.

    Raises:
        InvalidValueError: one is.
    """
    if settings.window < 0 or settings.frame_stride < 1:
        raise InvalidValueError(
            f"window={settings.window}, frame_stride={settings.frame_stride}; expected steps: at "
            "least 0, which is the whole episode, and at least 1."
        )
    if settings.n_frames < fewest:
        raise InvalidValueError(
            f"n_frames={settings.n_frames}; expected at least {fewest} to be shown."
        )


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One segment of a batch as a model is shown it.

    Pictures that stay the same at its beginning are shown once: those that fill a window which
    begins before its episode, and those of a world that has not moved yet.

    Attributes:
        instruction: what the task is.
        frames: all pictures of the batch's row, (F, H, W, 3) uint8.
        start: the first that is shown.
        end: the last, of the segment's last real step.
        first_frame: picture of the reset, (H, W, 3) uint8; None where the batch has none.
    """

    instruction: str
    frames: UInt8[np.ndarray, "F H W 3"]
    start: int
    end: int
    first_frame: UInt8[np.ndarray, "H W 3"] | None = None

    def places(self, n: int, *, end: int | None = None) -> Int64[np.ndarray, " K"]:
        """Which of its pictures are shown: at most `n`, spread evenly, each once.

        Args:
            n: at least 1; of one alone it is the last.
            end: the last one, for a prefix of the clip.
        """
        last = self.end if end is None else end
        spread = np.linspace(last, self.start, n)  # from the last, which n = 1 keeps
        return np.unique(np.rint(spread).astype(np.int64))

    @classmethod
    def all_of(cls, batch: SegmentBatch, *, source: str) -> list[Clip]:
        """The segments of a batch.

        Args:
            batch: with pictures and instructions.
            source: id of the source, for messages.

        Raises:
            NeedsError: pictures or instructions are missing, or an instruction is blank.
        """
        if batch.instructions is None:
            raise NeedsError(
                f"{source!r} needs an instruction for every segment: instructions=[...]."
            )
        if batch.frames is None:
            raise NeedsError(f"{source!r} shows pictures: give frames (N, F, H, W, 3).")
        ends = batch.spread_pictures(2)[:, 1]
        clips = []
        for row, (text, end) in enumerate(zip(batch.instructions, ends.tolist(), strict=True)):
            if not text.strip():
                raise NeedsError(f"{source!r} needs an instruction in words; got {text!r}.")
            frames = batch.frames[row]
            first = None if batch.first_frames is None else batch.first_frames[row]
            clips.append(cls(text.strip(), frames, _first_change(frames, end), end, first))
        return clips


def _first_change(frames: UInt8[np.ndarray, "F H W 3"], end: int) -> int:
    """The last of the equal pictures with which a clip begins."""
    for place in range(end):
        if not np.array_equal(frames[place], frames[place + 1]):
            return place
    return end


def rewards_of_clips(
    batches: Sequence[SegmentBatch], judge: Callable[[list[Clip]], Scores], *, source: str
) -> list[Float32[np.ndarray, "N T"]]:
    """The last score of each segment of several batches at its last real step, zeros before.

    Args:
        batches: with pictures and instructions.
        judge: scores the clips of all of them at once.
        source: id of the source, for messages.

    Raises:
        NeedsError: see `Clip.all_of`.
    """
    clips = [Clip.all_of(batch, source=source) for batch in batches]
    scores = iter(judge([clip for of_batch in clips for clip in of_batch]))
    return [last_scores(batch, [next(scores) for _ in range(len(batch))]) for batch in batches]


def last_scores(batch: SegmentBatch, scores: Scores) -> Float32[np.ndarray, "N T"]:
    """The last score of each segment at its last real step, zeros before."""
    rewards = np.zeros((len(batch), batch.n_steps), dtype=np.float32)
    rewards[np.arange(len(batch)), batch.last_steps] = [row[-1] for row in scores]
    return rewards


def curves_of(
    clips: Sequence[Clip],
    places: Places,
    scores: Scores,
) -> Float32[np.ndarray, "N F"]:
    """Scores of some pictures as scores of all: a straight line from one to the next.

    Those before the first have the first's, and those after a segment's end 0.

    Args:
        clips: N of them, of one batch.
        places: which of their F pictures have a score.
        scores: theirs.
    """
    curves = np.zeros((len(clips), len(clips[0].frames)), dtype=np.float32)
    for curve, clip, known, values in zip(curves, clips, places, scores, strict=True):
        steps = np.arange(clip.end + 1)
        curve[: clip.end + 1] = np.interp(steps, known, values)
    return curves
