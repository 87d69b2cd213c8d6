"""Batches and pairs of segments, which sources and models take, and what a source reads of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float32, Int64, Shaped, UInt8

from vlfeedback.errors import InvalidTypeError, InvalidValueError, NeedsError, ShapeError
from vlfeedback.types.trajectories import Segment, check_length, check_pictures

__all__ = ["Granularity", "SegmentBatch", "SegmentPairs", "SourceNeeds"]

Granularity = Literal["step", "window", "episode"]

_PER_STEP = ("actions", "observations", "env_rewards", "successes", "mask")  # arrays (N, T, ...)
_PER_PICTURE = ("frames", "embeddings")  # arrays (N, F, ...)
_PER_SEGMENT = ("first_frames", "first_embeddings", "shows_reset")  # arrays (N, ...)


@dataclass(frozen=True, slots=True)
class SourceNeeds:
    """What a source reads, and how often: wrappers render and store nothing else.

    Attributes:
        frames: pictures taken after actions.
        first_frame: also the picture of the reset that the episode began with; needs `frames`.
        observations: the environment's observations before each action.
        actions: the actions.
        instruction: a text for each segment.
        env_rewards: the environment's own rewards; only scripted teachers and the source `env` may
            ask for them.
        successes: whether the task is done after each action; only the source `success` may ask,
            and only recordings say.
        granularity: a score for each step, for a window of the last steps, or for an episode; the
            scores of windows and episodes sit at a segment's last step, zeros before.
        context: steps of the past that one score looks at, its own step included; 1 or more, and
            1 where each step has a score.
        frame_stride: steps from one picture that is read to the next, 1 or more.

    Raises:
        InvalidValueError: one of them is out of its range, or two contradict each other.

    >>> needs = SourceNeeds(frames=True, granularity="window", context=50, frame_stride=7)
    >>> needs.context_frames
    8
    """

    frames: bool = False
    first_frame: bool = False
    observations: bool = False
    actions: bool = False
    instruction: bool = False
    env_rewards: bool = False
    successes: bool = False
    granularity: Granularity = "step"
    context: int = 1
    frame_stride: int = 1

    def __post_init__(self) -> None:
        if self.context < 1 or self.frame_stride < 1:
            raise InvalidValueError(
                f"context={self.context} and frame_stride={self.frame_stride} count steps; "
                "both must be at least 1."
            )
        if self.granularity == "step" and self.context != 1:
            raise InvalidValueError(
                f"granularity 'step' scores one picture, but context={self.context}. "
                "Use granularity='window' for a score over several steps."
            )
        if self.first_frame and not self.frames:
            raise InvalidValueError(
                "first_frame=True is a picture more, but frames=False reads none; set frames=True."
            )

    @property
    def context_frames(self) -> int:
        """How many pictures one score reads: 8 for a context of 50 steps and a stride of 7."""
        return (self.context - 1) // self.frame_stride + 1

    def picture_steps(self, length: int) -> Int64[np.ndarray, " F"]:
        """Steps of a segment after which pictures are read: 0, stride, 2 stride ...

        >>> SourceNeeds(frames=True, frame_stride=7).picture_steps(20)
        array([ 0,  7, 14])
        """
        return np.arange(0, length, self.frame_stride, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SegmentBatch:
    """N segments of equal length T as arrays: what sources and models take.

    Only what the source needs has to be there; at least one of frames, embeddings, observations,
    actions, env_rewards, successes and mask.

    Attributes:
        frames: pictures (N, F, H, W, 3), uint8 0-255, RGB, in the order of their steps.
        observations: (N, T, ...), the environment's before each action.
        actions: (N, T, ...).
        env_rewards: (N, T) float32, the environment's own.
        successes: (N, T) bool, whether the task is done after each action.
        embeddings: (N, F, ...) float32, what `EmbeddingSource.embed` gave for the pictures, where
            a wrapper keeps them in place of `frames`.
        first_frames: (N, H, W, 3) uint8, the picture of the reset that each segment's episode
            began with, which may lie before the segment.
        first_embeddings: (N, ...) float32, embeddings of `first_frames` in place of them.
        shows_reset: (N,) bool, False where the reset is unknown and `first_frames` has the
            segment's own first picture; by default `first_frames` are of the reset.
        instructions: N texts.
        frame_steps: (F,) int64, ascending: after which steps of the segment the pictures were
            taken; by default after each, and then F is T.
        mask: (N, T) bool, True on each segment's steps, False on the padding after its end; by
            default there is no padding.
        length: T; needed only where pictures are sparse and nothing else tells.

    Raises:
        ShapeError: the arrays do not belong to N segments of T steps, or there is none.
        DtypeError: pictures are not uint8.
        InvalidTypeError: instructions is one string.

    >>> batch = SegmentBatch(
    ...     frames=np.zeros((2, 2, 64, 64, 3), np.uint8),  # after the steps 0 and 3
    ...     frame_steps=np.array([0, 3]),
    ...     actions=np.zeros((2, 5, 4), np.float32),
    ...     instructions=["close the drawer"] * 2,
    ... )
    >>> batch
    SegmentBatch(N=2, T=5, frames=(2, 64, 64, 3) uint8, actions=(5, 4) float32)
    >>> batch.newest_pictures(), batch.last_steps
    (array([0, 0, 0, 1, 1]), array([4, 4]))
    """

    frames: UInt8[np.ndarray, "N F H W 3"] | None = None
    observations: Shaped[np.ndarray, "N T ..."] | None = None
    actions: Shaped[np.ndarray, "N T ..."] | None = None
    env_rewards: Float32[np.ndarray, "N T"] | None = None
    successes: Bool[np.ndarray, "N T"] | None = None
    embeddings: Float32[np.ndarray, "N F ..."] | None = None
    first_frames: UInt8[np.ndarray, "N H W 3"] | None = None
    first_embeddings: Float32[np.ndarray, "N ..."] | None = None
    shows_reset: Bool[np.ndarray, " N"] | None = None
    instructions: Sequence[str] | None = None
    frame_steps: Int64[np.ndarray, " F"] | None = None
    mask: Bool[np.ndarray, "N T"] | None = None
    length: int | None = None

    def __post_init__(self) -> None:
        if self.frames is not None:
            check_pictures(self.frames, 5, "frames", "(N, F, H, W, 3)")
        if self.first_frames is not None:
            check_pictures(self.first_frames, 4, "first_frames", "(N, H, W, 3)")
        object.__setattr__(self, "length", self._infer_length())
        n, t, f = len(self), self.n_steps, len(self.picture_steps)
        for name in _PER_STEP + _PER_PICTURE:
            array, length = getattr(self, name), t if name in _PER_STEP else f
            if array is not None and array.shape[:2] != (n, length):
                raise ShapeError(
                    f"{name} has shape {array.shape}; expected ({n}, {length}, ...) for {n} "
                    f"segments of {t} steps. Pictures of some steps only need frame_steps."
                )
        for name in _PER_SEGMENT:
            check_length(name, getattr(self, name), n, "segment")
        if f and (self.picture_steps.min() < 0 or self.picture_steps.max() >= t):
            raise ShapeError(
                f"frame_steps run from {self.picture_steps.min()} to {self.picture_steps.max()}; "
                f"expected steps of a segment of length {t}."
            )
        if self.mask is not None:
            steps = np.maximum(self.mask.sum(axis=1, keepdims=True), 1)
            if np.any(self.mask != (np.arange(t) < steps)):
                raise ShapeError("mask must be True for each segment's steps (one or more) first.")
        if isinstance(self.instructions, str):
            raise InvalidTypeError(
                f"instructions is one string; expected {n} of them: "
                f"instructions=[{self.instructions!r}] * {n}."
            )
        check_length("instructions", self.instructions, n, "segment")

    def _first(self, names: tuple[str, ...]) -> np.ndarray | None:
        return next((a for name in names if (a := getattr(self, name)) is not None), None)

    def _infer_length(self) -> int:
        array = self._first(_PER_STEP + _PER_PICTURE)
        if array is None:
            raise ShapeError("An empty SegmentBatch: give frames, embeddings or actions.")
        if self.length is not None:
            return self.length
        if self._first(_PER_STEP) is None and self.frame_steps is not None:
            return int(max(self.frame_steps, default=-1)) + 1
        return int(array.shape[1])

    def __len__(self) -> int:
        array = self._first(_PER_STEP + _PER_PICTURE)
        return 0 if array is None else len(array)

    @property
    def n_steps(self) -> int:
        """T, the steps of each segment."""
        return self.length or 0

    @property
    def picture_steps(self) -> Int64[np.ndarray, " F"]:
        """Steps after which the pictures, or their embeddings, were taken."""
        if self.frame_steps is not None:
            return self.frame_steps
        has_pictures = self.frames is not None or self.embeddings is not None
        return np.arange(self.n_steps if has_pictures else 0, dtype=np.int64)

    @property
    def last_steps(self) -> Int64[np.ndarray, " N"]:
        """Index of each segment's last real step: where window and episode scores are put."""
        if self.mask is None:
            return np.full(len(self), self.n_steps - 1, dtype=np.int64)
        return np.asarray(self.mask.sum(axis=1) - 1, dtype=np.int64)

    @property
    def has_reset(self) -> Bool[np.ndarray, " N"]:
        """Whether it is known how the episode of each segment began."""
        given = self.first_frames is not None or self.first_embeddings is not None
        shown = np.full(len(self), given)
        return shown if self.shows_reset is None else shown & self.shows_reset

    def newest_pictures(self) -> Int64[np.ndarray, " T"]:
        """Which picture is the newest at each step: between pictures the last one is held.

        Raises:
            NeedsError: the first picture comes after the first step.
        """
        steps = self.picture_steps
        if not len(steps) or steps[0] > 0:
            raise NeedsError(
                "Each step is scored by its newest picture, and pictures were taken after the "
                f"steps {steps.tolist()}; take one after step 0 as well."
            )
        newest = np.searchsorted(steps, np.arange(self.n_steps), side="right") - 1
        return np.asarray(newest, dtype=np.int64)

    def spread_pictures(self, n: int) -> Int64[np.ndarray, "N n"]:
        """Which pictures show each segment with `n` of them: evenly over its real steps.

        Raises:
            NeedsError: a segment has no picture up to its last step.
        """
        steps = self.picture_steps
        last = np.searchsorted(steps, self.last_steps, side="right") - 1
        if np.any(last < 0):
            raise NeedsError(
                f"Pictures are read, and a segment that ends at step {self.last_steps.min()} has "
                f"none up to there: they were taken after the steps {steps[:4].tolist()} ... Take "
                "one after step 0 as well."
            )
        return np.rint(np.linspace(0, last, n)).astype(np.int64).T

    def __repr__(self) -> str:
        parts = [f"N={len(self)}", f"T={self.n_steps}"]
        for name in ("frames", "embeddings", "observations", "actions"):
            array = getattr(self, name)
            if array is not None:
                parts.append(f"{name}={array.shape[1:]} {array.dtype}")
        return f"SegmentBatch({', '.join(parts)})"

    def take(self, rows: Sequence[int] | slice | np.ndarray) -> SegmentBatch:
        """The segments at these positions, as a batch of their own; a slice copies nothing."""
        index = np.arange(len(self))[rows]
        arrays = {name: getattr(self, name) for name in _PER_STEP + _PER_PICTURE + _PER_SEGMENT}
        cut = {name: array[rows] for name, array in arrays.items() if array is not None}
        texts = None if self.instructions is None else [self.instructions[i] for i in index]
        return replace(self, instructions=texts, **cut)

    @classmethod
    def from_segments(
        cls,
        segments: Sequence[Segment],
        instructions: Sequence[str] | None = None,
        *,
        needs: SourceNeeds,
    ) -> SegmentBatch:
        """Gather what `needs` asks for from segments of equal length.

        Raises:
            ShapeError: the segments differ in length, or there are none.
            NeedsError: a trajectory lacks what the source needs.
        """
        lengths = {segment.length for segment in segments}
        if len(lengths) != 1:
            raise ShapeError(
                f"Segments of a batch must be equally long; got lengths {sorted(lengths)}."
            )
        (length,) = lengths
        wanted = {
            "frames": needs.frames,
            "observations": needs.observations,
            "actions": True,
            "env_rewards": needs.env_rewards,
            "successes": needs.successes,
        }
        arrays: dict[str, Any] = {
            name: np.stack([s.read(name, stride=needs.frame_stride) for s in segments])
            for name, is_wanted in wanted.items()
            if is_wanted
        }
        if needs.first_frame:
            arrays["first_frames"] = np.stack([s.first_frame() for s in segments])
        steps = needs.picture_steps(length) if needs.frames else None
        return cls(instructions=instructions, frame_steps=steps, **arrays)


@dataclass(frozen=True, slots=True, eq=False)
class SegmentPairs:
    """N pairs of segments to compare: row i of `first` with row i of `second`.

    Attributes:
        first: N segments; a label of 0 prefers this one.
        second: as many; a label of 1 prefers this one.

    Raises:
        ShapeError: one has more segments than the other.

    >>> one = SegmentBatch(actions=np.zeros((3, 5, 4), np.float32))
    >>> len(SegmentPairs(first=one, second=one))
    3
    """

    first: SegmentBatch
    second: SegmentBatch

    def __post_init__(self) -> None:
        if len(self.first) != len(self.second):
            raise ShapeError(
                f"{len(self.first)} first and {len(self.second)} second segments; "
                "a pair needs one of each."
            )

    def __len__(self) -> int:
        return len(self.first)
