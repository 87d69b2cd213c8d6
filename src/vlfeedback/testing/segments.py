"""Random segments that hold what a source needs: the input of the contract tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int64

from vlfeedback.data.sampling import SegmentPairList
from vlfeedback.types import ArrayFrames, Segment, SegmentBatch, SourceNeeds, Trajectory

__all__ = ["random_segment_pairs", "random_segments", "with_padding"]


def random_segments(
    needs: SourceNeeds,
    rng: np.random.Generator,
    *,
    n: int = 4,
    picture_size: int = 64,
    observation_size: int = 39,
    action_size: int = 4,
    instructions: Sequence[str] = ("close the drawer", "open the window"),
) -> SegmentBatch:
    """Segments of noise with everything `needs` asks for, and actions.

    They are as long as the source's context, and have at least two pictures.

    Args:
        needs: of the source.
        rng: what draws them.
        n: how many segments.
        picture_size: side of the square pictures, in pixels.
        observation_size: numbers of one observation.
        action_size: numbers of one action.
        instructions: given to the rows in turn.
    """
    steps = _steps(needs)
    frame_steps = np.arange(0, steps, needs.frame_stride, dtype=np.int64)
    pictures = (n, len(frame_steps), picture_size, picture_size, 3)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal((n, steps, *shape)).astype(np.float32)

    return SegmentBatch(
        frames=rng.integers(0, 256, pictures, dtype=np.uint8) if needs.frames else None,
        first_frames=(
            rng.integers(0, 256, (n, *pictures[2:]), dtype=np.uint8) if needs.first_frame else None
        ),
        observations=normal(observation_size) if needs.observations else None,
        actions=normal(action_size).clip(-1, 1),
        env_rewards=normal() if needs.env_rewards else None,
        successes=normal() > 0 if needs.successes else None,
        instructions=[instructions[i % len(instructions)] for i in range(n)],
        frame_steps=frame_steps if needs.frames else None,
    )


def random_segment_pairs(
    needs: SourceNeeds,
    rng: np.random.Generator,
    *,
    n: int = 4,
    picture_size: int = 64,
    observation_size: int = 39,
    action_size: int = 4,
) -> SegmentPairList:
    """Pairs of segments cut from trajectories of noise, each of another: what `label_pairs` takes.

    Their rewards lie in [0, 1), so that shares of a mean return are above 0. The arguments are
    those of `random_segments`, for `n` pairs.
    """
    steps = _steps(needs)

    def segment(name: str) -> Segment:
        shape = (steps + 1, picture_size, picture_size, 3)
        pictures = rng.integers(0, 256, shape if needs.frames else 0, dtype=np.uint8)
        trajectory = Trajectory(
            observations=rng.standard_normal((steps + 1, observation_size)).astype(np.float32),
            actions=rng.standard_normal((steps, action_size)).astype(np.float32).clip(-1, 1),
            env_rewards=rng.random(steps).astype(np.float32),
            successes=rng.random(steps) > 0.5 if needs.successes else None,
            frames=ArrayFrames(np.arange(steps + 1), pictures) if needs.frames else None,
            id=name,
        )
        return trajectory.segment(0, steps)

    return [(segment(f"noise-{2 * i}"), segment(f"noise-{2 * i + 1}")) for i in range(n)]


def _steps(needs: SourceNeeds) -> int:
    return max(needs.context, needs.frame_stride + 1, 4)


def with_padding(
    batch: SegmentBatch, ends: Int64[np.ndarray, " N"], rng: np.random.Generator
) -> SegmentBatch:
    """The batch with row i ending before step ``ends[i]``, and other values from there on."""
    mask = np.arange(batch.n_steps) < ends[:, None]
    changed: dict[str, np.ndarray] = {}
    for name in ("frames", "observations", "actions", "env_rewards", "successes"):
        array = getattr(batch, name)
        if array is None:
            continue
        real = mask[:, batch.picture_steps] if name == "frames" else mask
        shuffled = rng.permuted(array, axis=0)
        changed[name] = np.where(
            real.reshape(*real.shape, *[1] * (array.ndim - 2)), array, shuffled
        )
    return replace(batch, mask=mask, **changed)  # type: ignore[arg-type]
