"""Policies that learn nothing: what a trained one has to beat.

They look at no observation, and have nothing that training could change: they are judged once,
whatever the number of gradient steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from vlfeedback.data.whole_files import read_json, write_json
from vlfeedback.errors import InvalidValueError, ShapeError
from vlfeedback.types import Report

__all__ = ["UniformActions", "UntrainedTraining"]

_ADVICE = "Delete it and train again, which takes no time."


class UniformActions:
    """A policy that draws each action uniformly between two bounds, whatever it sees.

    Args:
        size: numbers of an action.
        low: least action, a number or one for each entry.
        high: largest action; equal to `low` it is what is always done.
        seed: of the draws.

    Raises:
        InvalidValueError: `low` is above `high`, or one of them is not finite.
        ShapeError: there are other numbers of bounds than entries of an action.

    >>> UniformActions(2, low=0.0, high=0.0).predict(np.zeros((1, 5), np.float32))
    array([[0., 0.]], dtype=float32)
    """

    def __init__(
        self,
        size: int,
        *,
        low: float | Sequence[float] = -1.0,
        high: float | Sequence[float] = 1.0,
        seed: int = 0,
    ) -> None:
        bounds = [np.asarray(bound, dtype=np.float64) for bound in (low, high)]
        if any(bound.shape not in ((), (size,)) for bound in bounds):
            raise ShapeError(f"low={low}, high={high}; expected a number each, or {size} of them.")
        self.low, self.high = (np.broadcast_to(bound, (size,)) for bound in bounds)
        if not np.all(np.isfinite(self.low) & np.isfinite(self.high) & (self.low <= self.high)):
            raise InvalidValueError(
                f"low={low}, high={high}; expected finite numbers, low at most high."
            )
        self.seed = seed
        self._rng = np.random.default_rng(seed)

    def predict(self, x: Float[np.ndarray, "B ..."]) -> Float32[np.ndarray, "B A"]:
        """Draw an action for each observation."""
        shape = (len(x), len(self.low))
        return self._rng.uniform(self.low, self.high, shape).astype(np.float32)

    def save(self, path: str | Path) -> None:
        """Write the bounds and the seed as JSON; a file that is there is replaced."""
        bounds = {"low": self.low.tolist(), "high": self.high.tolist()}
        write_json(Path(path), {"size": len(self.low), **bounds, "seed": self.seed})

    @classmethod
    def load(cls, path: str | Path) -> UniformActions:
        """Read what `save` wrote; the draws begin anew.

        Raises:
            FileFormatError: it cannot be read.
        """
        return cls(**read_json(Path(path), advice=_ADVICE))


class UntrainedTraining:
    """The training of a policy that learns nothing: one evaluation, at the end."""

    def __init__(self, policy: UniformActions) -> None:
        self.policy: Any = policy
        self.notes: dict[str, Any] = {}
        self.files: dict[str, Callable[[Path], None]] = {"policy.json": policy.save}

    def run(
        self, n_steps: int, every: int, judge: Callable[[int], None], report: Report | None
    ) -> None:
        """See `Training.run`."""
        if report is not None:
            report("train", n_steps, n_steps, float("nan"))
        judge(n_steps)
