"""Inputs of a reward model: tensors read from segments, alike in training and in prediction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional

from vlfeedback.data.discrete import are_discrete, count_values
from vlfeedback.errors import InvalidValueError, NeedsError, ShapeError
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.scoring.pictures import embed_stack
from vlfeedback.types import (
    EmbeddingSource,
    Report,
    Segment,
    SegmentBatch,
    SourceNeeds,
    class_and_settings,
)

__all__ = [
    "SegmentSteps",
    "embed_frames",
    "needs_of",
    "read_steps",
    "with_discrete",
    "with_encoder",
]

_CACHE_BYTES = 2**30  # of what is read of segments; beyond that they are read again when needed
_PICTURES = 64  # embedded at a time
_COUNTS = {"observations": "n_states", "actions": "n_actions"}


def needs_of(config: RewardModelConfig) -> SourceNeeds:
    """`SourceNeeds` of a model with this config."""
    if config.inputs in ("frames", "embeddings"):
        return SourceNeeds(frames=True, frame_stride=config.frame_stride)
    return SourceNeeds(observations=True, actions=config.inputs == "state-action")


def read_steps(batch: SegmentBatch, config: RewardModelConfig) -> Tensor:
    """Network inputs of each step of N segments.

    Returns:
        (N, F, *shape): for states (N, T, D) float32, flattened, actions after observations, each
        one-hot where the config says of how many discrete values it is one; for pictures
        (N, F, H, W, 3) uint8 of the size the config says; for embeddings (N, F, D) float32; for
        clouds of points (N, T, P, C) float32.

    Raises:
        NeedsError: the batch has no such array.
        ShapeError: observations are no clouds of points, or no single number where they are to be
            discrete.
        ValueError: a number is NaN or infinite, or none of the discrete values.
    """
    if config.inputs == "frames":
        return _pictures(batch, config.picture_size)
    if config.inputs == "embeddings":
        return _numbers(batch, "embeddings").flatten(2)
    observations = _numbers(batch, "observations")
    if config.inputs == "points":
        if observations.ndim != 4 or observations.shape[-1] < 3:
            raise ShapeError(
                f"observations has shape {tuple(observations.shape)}; expected clouds of points, "
                "(N, T, P, 3 + classes), x, y and z first."
            )
        return observations
    steps = _vectors(observations, config.n_states, "observations")
    if config.inputs == "state":
        return steps
    actions = _vectors(_numbers(batch, "actions"), config.n_actions, "actions")
    return torch.cat([steps, actions], dim=-1)


def with_discrete(config: RewardModelConfig, segments: Iterable[Segment]) -> RewardModelConfig:
    """The config with the numbers of discrete states and actions that these trajectories show.

    Numbers that it has already stay: an environment may have values that no trajectory shows.

    Raises:
        InvalidValueError: a value is negative, or too many are told apart.
    """
    if config.inputs not in ("state", "state-action"):
        return config
    trajectories = {id(s.trajectory): s.trajectory for s in segments}.values()
    counts: dict[str, Any] = {}
    for name, key in _COUNTS.items():
        is_read = name == "observations" or config.inputs == "state-action"
        arrays = [getattr(trajectory, name) for trajectory in trajectories] if is_read else []
        if arrays and not getattr(config, key) and are_discrete(arrays):
            counts[key] = count_values(arrays, name)
    return replace(config, **counts) if counts else config


def with_encoder(config: RewardModelConfig, encoder: EmbeddingSource | None) -> RewardModelConfig:
    """The config with the class and settings of the encoder.

    Raises:
        NeedsError: it is missing, or not used.
    """
    if (encoder is not None) != (config.inputs == "embeddings"):
        raise NeedsError(
            f"inputs={config.inputs!r} and encoder={encoder!r}: embeddings need an encoder, such "
            "as encoder=make_reward_source('vlp'), and nothing else reads one."
        )
    if encoder is None:
        return config
    source, settings = class_and_settings(encoder)
    return replace(config, encoder={"source": source, "config": settings})


def embed_frames(batch: SegmentBatch, encoder: EmbeddingSource) -> SegmentBatch:
    """The batch with embeddings instead of pictures.

    Raises:
        NeedsError: it has neither.
    """
    if batch.embeddings is not None:
        return batch
    if batch.frames is None:
        raise NeedsError("The reward model reads pictures: give frames (N, F, H, W, 3).")
    embeddings = embed_stack(batch.frames, encoder.embed)
    return replace(batch, frames=None, embeddings=embeddings, length=batch.n_steps)


class SegmentSteps:
    """Network inputs of many segments, in minibatches.

    All are read once at the start, which finds what is wrong with them. Of pictures and states
    the first GiB is kept in memory and the rest read again when needed; embeddings are all kept.

    Args:
        segments: of equal length.
        config: what is read.
        encoder: embeds pictures, for ``inputs="embeddings"``.
        report: called after the first reading of each segment.

    Raises:
        NeedsError: a trajectory lacks what is read.
        ShapeError: segments show steps of different shapes.
        ValueError: a number is NaN or infinite.
    """

    def __init__(
        self,
        segments: Sequence[Segment],
        config: RewardModelConfig,
        *,
        encoder: EmbeddingSource | None = None,
        report: Report | None = None,
    ) -> None:
        self._segments = segments
        self._config = config
        self._encoder = encoder
        self._cache: list[Tensor | None] = []
        needs = needs_of(config)
        at_once = 1
        if encoder is not None:
            at_once = max(1, _PICTURES // len(segments[0].frame_times(needs.frame_stride)))
        free = _CACHE_BYTES
        for start in range(0, len(segments), at_once):
            steps = self._read(segments[start : start + at_once])
            if start == 0:
                self.shape = tuple(steps.shape[2:])
            self._check_shape(tuple(steps.shape[2:]), segments[start])
            for one in steps:
                free -= one.nbytes
                self._cache.append(one.clone() if free >= 0 or encoder is not None else None)
            if report is not None:
                report("reading segments", len(self._cache), len(segments), float("nan"))

    def take(self, rows: np.ndarray) -> Tensor:
        """Network inputs of these segments, (n, F, *shape); see `read_steps`."""
        entries = [(self._cache[row], self._segments[row]) for row in rows]
        return torch.stack([self._read([s])[0] if one is None else one for one, s in entries])

    def _read(self, segments: Sequence[Segment]) -> Tensor:
        batch = SegmentBatch.from_segments(segments, needs=needs_of(self._config))
        if self._encoder is not None:
            batch = embed_frames(batch, self._encoder)
        try:
            return read_steps(batch, self._config)
        except ValueError as error:
            error.add_note(f"This was read of {segments[0]!r}.")
            raise

    def _check_shape(self, shape: tuple[int, ...], segment: Segment) -> None:
        if shape != self.shape:
            raise ShapeError(
                f"{segment!r} shows {shape} at each step and the first segment {self.shape}; a "
                "model reads steps of one shape. Label trajectories of one environment, or give "
                "picture_size where only the pictures' sizes differ."
            )


def _pictures(batch: SegmentBatch, size: int | None) -> Tensor:
    if batch.frames is None:
        raise NeedsError("The reward model reads pictures: give frames (N, F, H, W, 3).")
    frames = torch.from_numpy(np.ascontiguousarray(batch.frames))
    n, f, height, width, _ = frames.shape
    if size is None or (height, width) == (size, size):
        return frames
    pixels = frames.flatten(0, 1).permute(0, 3, 1, 2)
    scaled = functional.interpolate(pixels, size=(size, size), mode="bilinear", antialias=True)
    return scaled.permute(0, 2, 3, 1).reshape(n, f, size, size, 3)


def _vectors(numbers: Tensor, n_values: int, name: str) -> Float32[Tensor, "N T D"]:
    """Numbers of each step in a row, or one-hot where they are one of some discrete values."""
    rows = numbers.flatten(2) if numbers.ndim > 2 else numbers[..., None]
    if not n_values:
        return rows
    if rows.shape[-1] != 1:
        raise ShapeError(
            f"{name} have {rows.shape[-1]} numbers a step; the reward model reads one of "
            f"{n_values} discrete values."
        )
    values = rows[..., 0].long()
    outside = (values < 0) | (values >= n_values) | (values != rows[..., 0])
    if outside.any():
        raise InvalidValueError(
            f"{name} hold {rows[..., 0][outside][0]:g}, and the reward model was made for the "
            f"values 0 to {n_values - 1}, which its trajectories showed. Train it with "
            f"RewardModelConfig({_COUNTS[name]}=...), the number that the environment has."
        )
    return functional.one_hot(values, n_values).float()


def _numbers(batch: SegmentBatch, name: str) -> Float32[Tensor, "N T ..."]:
    array = getattr(batch, name)
    if array is None:
        raise NeedsError(f"The reward model reads {name} and this batch has none.")
    numbers = np.asarray(array, dtype=np.float32)
    if not np.isfinite(numbers).all():
        place = np.argwhere(~np.isfinite(numbers))[0]
        raise InvalidValueError(
            f"{name} hold {numbers[tuple(place)]} in step {place[1]} of segment {place[0]}; a "
            "reward model reads finite numbers alone. Leave such trajectories out."
        )
    return torch.from_numpy(np.ascontiguousarray(numbers))
