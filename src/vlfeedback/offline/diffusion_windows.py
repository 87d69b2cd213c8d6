"""Demonstrations cut into windows: what was observed, and the actions from there on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from vlfeedback.data.discrete import check_continuous
from vlfeedback.data.learning_checks import check_finite
from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.types import Trajectory

__all__ = ["Range", "Windows"]


@dataclass(frozen=True, slots=True, eq=False)
class Range:
    """The least and the greatest of each dimension, which become -1 and 1."""

    low: Float32[Tensor, " D"]
    high: Float32[Tensor, " D"]

    @classmethod
    def of(cls, rows: Float32[Tensor, "M D"]) -> Range:
        """The range of these rows."""
        return cls(rows.amin(0), rows.amax(0))

    def to(self, device: torch.device) -> Range:
        """The same on a device."""
        return Range(self.low.to(device), self.high.to(device))

    def scale(self, rows: Float32[Tensor, "*B D"]) -> Float32[Tensor, "*B D"]:
        """Into [-1, 1]; a dimension that never varied is 0."""
        half = (self.high - self.low) / 2
        return (rows - (self.high + self.low) / 2) / torch.where(half > 0, half, 1)

    def unscale(self, rows: Float32[Tensor, "*B D"]) -> Float32[Tensor, "*B D"]:
        """Back from [-1, 1]; a dimension that never varied is what it always was."""
        return rows * (self.high - self.low) / 2 + (self.high + self.low) / 2


class Windows:
    """Windows of `horizon` steps, from each of which the first `n_observations` are observed.

    A window may begin before its episode and end after it, as far as a policy that acts for
    `n_action_steps` may need it; the steps that are missing repeat the first or the last one.

    Args:
        trajectories: observations (L + 1, D), actions (L, A); all of it is kept, as float32.
        n_observations: steps that are observed.
        horizon: steps of a window.
        n_action_steps: actions to be carried out of each window.

    Raises:
        NeedsError: there is no trajectory.
        ShapeError: observations or actions are no vectors, or differ in size.
        InvalidValueError: a number is NaN or infinite, or actions are discrete.
    """

    observations: Float32[Tensor, "M D"]
    actions: Float32[Tensor, "M A"]

    def __init__(
        self,
        trajectories: Iterable[Trajectory],
        *,
        n_observations: int,
        horizon: int,
        n_action_steps: int,
    ) -> None:
        observations, actions, windows = [], [], []
        total = 0
        for trajectory in trajectories:
            check_continuous([trajectory], learner="Diffusion Policy")
            _check_vectors(trajectory)
            length = len(trajectory)
            observations.append(np.asarray(trajectory.observations[:-1], dtype=np.float32))
            actions.append(np.asarray(trajectory.actions, dtype=np.float32))
            first = 1 - n_observations
            last = max(first, length - horizon + n_action_steps - 1)
            starts = np.arange(first, last + 1) + total
            ends = np.full_like(starts, total), np.full_like(starts, total + length - 1)
            windows.append(np.stack([starts, *ends]))
            total += length
        if not actions:
            raise NeedsError("There is no demonstration to imitate; pass at least one trajectory.")
        for name, arrays in (("observations", observations), ("actions", actions)):
            sizes = sorted({array.shape[1] for array in arrays})
            if len(sizes) > 1:
                raise ShapeError(f"{name} have sizes {sizes}; expected one size in all episodes.")
        self.observations = torch.from_numpy(np.concatenate(observations))
        self.actions = torch.from_numpy(np.concatenate(actions))
        self._starts, self._firsts, self._lasts = torch.from_numpy(np.concatenate(windows, axis=1))
        self._n_observations = n_observations
        self._offsets = torch.arange(horizon)

    def __len__(self) -> int:
        return len(self._starts)

    def rows(self, windows: Int64[Tensor, " N"]) -> Int64[Tensor, "N H"]:
        """The steps of these windows, as rows of `actions` and `observations`."""
        steps = self._starts[windows, None] + self._offsets
        return torch.clamp(steps, self._firsts[windows, None], self._lasts[windows, None])

    def read(
        self, windows: Int64[Tensor, " N"]
    ) -> tuple[Float32[Tensor, "N O D"], Float32[Tensor, "N H A"]]:
        """What is observed in these windows, and their actions."""
        rows = self.rows(windows)
        return self.observations[rows[:, : self._n_observations]], self.actions[rows]


def _check_vectors(trajectory: Trajectory) -> None:
    for name in ("observations", "actions"):
        array = getattr(trajectory, name)
        if array.ndim != 2:
            raise ShapeError(
                f"{name} of {trajectory.id!r} have shape {array.shape}; expected one vector a "
                "step. Diffusion Policy as it is here reads states, not pictures."
            )
        check_finite(array, name=name, where=f"Trajectory {trajectory.id!r}", first=0)
