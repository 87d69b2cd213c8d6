"""Pictures as a source reads them: each is read once, and encoded once if the source can."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeGuard

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from vlfeedback.errors import NeedsError
from vlfeedback.scoring.embedding_cache import picture_key
from vlfeedback.types import EmbeddingSource, Frames, RewardSource, Trajectory, rows_of

__all__ = [
    "EncodedStates",
    "embed_stack",
    "embeds_pictures",
    "encode_new",
    "encode_states",
    "pictures_of",
]

Embed = Callable[[UInt8[np.ndarray, "B H W 3"]], Float32[np.ndarray, "B ..."]]

_AT_ONCE = 512  # pictures: at most so many are encoded again after a sudden stop; our choice


def embeds_pictures(source: RewardSource) -> TypeGuard[EmbeddingSource]:
    """Whether embeddings of pictures are kept for this source, in place of the pictures."""
    return source.needs.frames and isinstance(source, EmbeddingSource)


def pictures_of(trajectory: Trajectory) -> Frames:
    """The trajectory's pictures, for a source that reads some.

    Raises:
        NeedsError: it has none.
    """
    if trajectory.frames is None:
        raise NeedsError(
            f"The source reads pictures and trajectory {trajectory.id!r} has no pictures; record "
            "it with frames, as `vlfeedback collect --frame-stride 7` does."
        )
    return trajectory.frames


@dataclass(frozen=True, slots=True, eq=False)
class EncodedStates:
    """Some states of one trajectory as an `EmbeddingSource` keeps them, in place of `Frames`."""

    times: Int64[np.ndarray, " F"]  # states, ascending
    embeddings: Float32[np.ndarray, "F ..."]

    def read(self, times: Sequence[int] | np.ndarray) -> Float32[np.ndarray, "K ..."]:
        """Embeddings of these states, in the order asked."""
        return np.asarray(self.embeddings[rows_of(self.times, times)])


def encode_states(
    source: EmbeddingSource,
    wanted: Sequence[tuple[Trajectory, np.ndarray]],
    *,
    batch_size: int,
) -> list[EncodedStates]:
    """Read and encode states of trajectories, each state once however often it is wanted.

    Pictures of short episodes go to the source together, those of long ones in parts.

    Args:
        source: encodes.
        wanted: trajectories, and (S,) int64 states of each, ascending; one may come again.
        batch_size: pictures that are read and encoded at a time.

    Returns:
        For each of `wanted`, what was encoded of its trajectory.

    Raises:
        NeedsError: a trajectory lacks pictures, or one of these states was never rendered.
    """
    union: dict[Trajectory, np.ndarray] = {}
    for trajectory, states in wanted:
        before = union.get(trajectory)
        union[trajectory] = states if before is None else np.union1d(before, states)
    rows = [(t, int(state)) for t, states in union.items() for state in states]
    parts = []
    for start in range(0, len(rows), batch_size):
        runs = groupby(rows[start : start + batch_size], key=lambda row: row[0])
        pictures = [pictures_of(t).read([state for _, state in run]) for t, run in runs]
        parts.append(source.embed(np.concatenate(pictures)))
    cuts = np.cumsum([len(states) for states in union.values()])[:-1]
    embeddings = np.split(np.concatenate(parts), cuts)
    encoded = {
        t: EncodedStates(states, rows)
        for (t, states), rows in zip(union.items(), embeddings, strict=True)
    }
    return [encoded[trajectory] for trajectory, _ in wanted]


def encode_new(
    frames: UInt8[np.ndarray, "B H W 3"],
    embed: Embed,
    *,
    find: Callable[[Iterable[bytes]], Mapping[bytes, np.ndarray]],
    keep: Callable[[Mapping[bytes, np.ndarray]], None],
) -> list[Float32[np.ndarray, "..."]]:
    """The embedding of each picture; those that are not known by content are encoded, and kept.

    Args:
        frames: at least one picture; equal ones are encoded once.
        embed: encodes pictures, independently of each other.
        find: known embeddings of these keys, see `picture_key`.
        keep: remembers new ones.
    """
    keys = [picture_key(frame) for frame in frames]
    first: dict[bytes, int] = {}
    for row, key in enumerate(keys):
        first.setdefault(key, row)
    known = dict(find(first))
    new = [key for key in first if key not in known]
    for start in range(0, len(new), _AT_ONCE):
        part = new[start : start + _AT_ONCE]
        embeddings = np.asarray(embed(frames[[first[key] for key in part]]), np.float32)
        encoded = {key: embeddings[i, ...] for i, key in enumerate(part)}
        keep(encoded)
        known |= encoded
    return [known[key] for key in keys]


def embed_stack(
    frames: UInt8[np.ndarray, "N F H W 3"], embed: Embed
) -> Float32[np.ndarray, "N F ..."]:
    """Embeddings of the pictures of N segments, all in one call."""
    n, f, *picture = frames.shape
    embeddings = embed(frames.reshape(n * f, *picture))
    return embeddings.reshape(n, f, *embeddings.shape[1:])
