"""What adapters are trained on: features of pairs, and of pictures before and after actions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from vlfeedback.errors import NeedsError
from vlfeedback.types import EmbedsTexts, Segment, Trajectory

__all__ = ["PicturedPairs", "PicturedSteps", "actions_between_pictures"]


@dataclass(frozen=True, slots=True, eq=False)
class PicturedPairs:
    """Pairs that a person compared, as the frozen encoder's features.

    Attributes:
        first: (N, F, D) float32, pictures of the first segments.
        second: (N, F, D) float32, of the second ones.
        texts: (N, D) float32, of the instructions.
        prefer_second: (N,) float32 in [0, 1], the person's labels; 0.5 is a tie.
        shares: (F,) float32, the share of a segment's steps that each picture stands for; sum 1.
    """

    first: Float32[np.ndarray, "N F D"]
    second: Float32[np.ndarray, "N F D"]
    texts: Float32[np.ndarray, "N D"]
    prefer_second: Float32[np.ndarray, " N"]
    shares: Float32[np.ndarray, " F"]

    @classmethod
    def none(cls, *, length: int, stride: int, width: int) -> PicturedPairs:
        """No pairs, of segments of `length` steps with a picture after every `stride`-th."""
        starts = np.arange(0, length, stride)
        shares = (np.diff(np.append(starts, length)) / length).astype(np.float32)
        pictures = np.zeros((0, len(starts), width), np.float32)
        texts, labels = np.zeros((0, width), np.float32), np.zeros(0, np.float32)
        return cls(pictures, pictures, texts, labels, shares)

    def append(
        self,
        pairs: Sequence[tuple[Segment, Segment]],
        instructions: Sequence[str],
        prefer_second: Float32[np.ndarray, " n"],
        *,
        encoder: EmbedsTexts,
    ) -> PicturedPairs:
        """These pairs, then others, which are encoded.

        Raises:
            NeedsError: a trajectory lacks a picture that the encoder reads.
        """
        if not len(pairs):
            return self
        stride = encoder.needs.frame_stride
        first, second = (
            np.stack([encoder.embed(segment.read("frames", stride=stride)) for segment in side])
            for side in zip(*pairs, strict=True)
        )
        texts = np.stack([encoder.embed_text(text) for text in instructions])
        return PicturedPairs(
            np.concatenate([self.first, first]),
            np.concatenate([self.second, second]),
            np.concatenate([self.texts, texts]),
            np.concatenate([self.prefer_second, prefer_second]),
            self.shares,
        )

    def __len__(self) -> int:
        return len(self.prefer_second)


@dataclass(frozen=True, slots=True, eq=False)
class PicturedSteps:
    """Pictures of episodes one after the other, and the actions between neighbours.

    Attributes:
        features: (P, D) float32, the frozen encoder's.
        before: (B,) int64, rows of the pictures before an action; the one after is the next row.
        actions: (B, A) float32, in [-1, 1].
    """

    features: Float32[np.ndarray, "P D"]
    before: Int64[np.ndarray, " B"]
    actions: Float32[np.ndarray, "B A"]

    @classmethod
    def of(
        cls,
        episodes: Sequence[tuple[Trajectory, Float32[np.ndarray, "_F D"]]],
        *,
        scale: Callable[[Float32[np.ndarray, "B A"]], np.ndarray],
    ) -> PicturedSteps:
        """All neighbouring pictures of episodes.

        Args:
            episodes: at least one, with features of all its pictures.
            scale: actions as environments take them to [-1, 1].

        Raises:
            NeedsError: an episode has no pictures.
        """
        lengths = [len(features) for _, features in episodes]
        starts = np.cumsum([0, *lengths[:-1]])
        before = [
            start + np.arange(n - 1, dtype=np.int64)
            for start, n in zip(starts, lengths, strict=True)
        ]
        actions = np.concatenate([actions_between_pictures(episode) for episode, _ in episodes])
        return cls(
            np.concatenate([features for _, features in episodes]),
            np.concatenate(before),
            np.asarray(scale(actions), dtype=np.float32),
        )

    def __len__(self) -> int:
        return len(self.before)


def actions_between_pictures(trajectory: Trajectory) -> Float32[np.ndarray, "B A"]:
    """What was done from each picture to the next one, flat.

    With a picture of every state this is the action; where pictures are further apart, the mean of
    the actions between them: the number that says most of where they led together, and of the
    scale of one action. (Our choice; the paper has a picture of every step.)

    Raises:
        NeedsError: the trajectory has no pictures.

    >>> from vlfeedback.types import ArrayFrames
    >>> frames = ArrayFrames(np.array([0, 1, 3]), np.zeros((3, 8, 8, 3), np.uint8))
    >>> trajectory = Trajectory(np.zeros((4, 1)), np.float32([[1], [2], [4]]), frames=frames)
    >>> actions_between_pictures(trajectory).tolist()
    [[1.0], [3.0]]
    """
    if trajectory.frames is None:
        raise NeedsError(
            f"Inverse dynamics reads pictures and trajectory {trajectory.id!r} has none; record it "
            "with frames, or pass PrefVLMConfig(inverse_dynamics=False)."
        )
    times = np.asarray(trajectory.frames.times)
    actions = trajectory.actions.reshape(len(trajectory), -1).astype(np.float64)
    sums = np.concatenate([np.zeros((1, actions.shape[1])), actions.cumsum(axis=0)])
    means = (sums[times[1:]] - sums[times[:-1]]) / np.diff(times)[:, None]
    return np.asarray(means, dtype=np.float32)
