"""Evaluations of a policy during training: every episode of each, and the figures reported.

Papers report the maximum over training of a running mean, which is optimistic: the last
evaluations stand beside it. Nothing but raw episodes is stored, so that any figure can be made
later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64

from vlfeedback.errors import InvalidValueError, ShapeError
from vlfeedback.offline.evaluation import PolicyEvaluation

__all__ = ["EvaluationCurve"]

Figure = Literal["success", "return"]

_WINDOW = 8
"""Evaluations a reported figure is the mean of (CPL's and the VLP paper's protocol)."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class EvaluationCurve:
    """E evaluations, each of the same P episodes.

    Attributes:
        steps: gradient steps before each evaluation, rising.
        successes: 1 where the episode succeeded at any time, else 0.
        returns: of the environment's own reward.
    """

    steps: tuple[int, ...]
    successes: Float64[np.ndarray, "E P"]
    returns: Float64[np.ndarray, "E P"]

    def __post_init__(self) -> None:
        expected = (len(self.steps), *self.successes.shape[1:])
        if self.successes.ndim != 2 or not (self.successes.shape == self.returns.shape == expected):
            raise ShapeError(
                f"{len(self.steps)} steps, successes {self.successes.shape} and returns "
                f"{self.returns.shape}; expected (E, P) for both, a row for each step."
            )
        if np.any(np.diff(self.steps) <= 0):
            raise InvalidValueError(f"steps are {self.steps}; expected them to rise.")

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        if not len(self):
            return "EvaluationCurve(E=0)"
        return (
            f"EvaluationCurve(E={len(self)}, P={self.successes.shape[1]}, last success "
            f"{self.last():.3f}, return {self.last('return'):.4g})"
        )

    @classmethod
    def from_evaluations(
        cls, evaluations: Sequence[tuple[int, PolicyEvaluation]]
    ) -> EvaluationCurve:
        """Stack evaluations, each with the steps before it."""
        if not evaluations:
            return cls((), np.zeros((0, 0)), np.zeros((0, 0)))
        return cls(
            tuple(step for step, _ in evaluations),
            np.stack([e.successes for _, e in evaluations]).astype(np.float64),
            np.stack([e.returns for _, e in evaluations]).astype(np.float64),
        )

    def means(self, of: Figure = "success") -> Float64[np.ndarray, " E"]:
        """The mean over the episodes of each evaluation."""
        episodes = self.successes if of == "success" else self.returns
        return np.asarray(episodes.mean(axis=1) if len(episodes) else np.zeros(0))

    def neighbour_mean(
        self, window: int = _WINDOW, of: Figure = "success"
    ) -> Float64[np.ndarray, " W"]:
        """The mean over each `window` evaluations in a row: 13 of them where there are 20.

        Where there are fewer than `window` evaluations, one mean over all of them.

        Source: VLP paper, section 5.1, after CPL: "the average over 8 neighbouring evaluations".
        """
        means = self.means(of)
        window = min(window, len(means))
        if not window:
            return np.zeros(0)
        return np.asarray(np.lib.stride_tricks.sliding_window_view(means, window).mean(axis=1))

    def best(self, window: int = _WINDOW, of: Figure = "success") -> float:
        """The largest neighbour mean: what the papers report. NaN without evaluations."""
        means = self.neighbour_mean(window, of)
        return float(means.max()) if len(means) else float("nan")

    def last(self, of: Figure = "success", window: int = _WINDOW) -> float:
        """The mean of the last evaluations: what a user gets who stops when training ends."""
        means = self.neighbour_mean(window, of)
        return float(means[-1]) if len(means) else float("nan")

    def to_json(self) -> dict[str, Any]:
        """Plain numbers; `from_json` reads them back unchanged."""
        return {
            "steps": list(self.steps),
            "successes": self.successes.astype(int).tolist(),
            "returns": self.returns.tolist(),
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> EvaluationCurve:
        """Read what `to_json` wrote."""
        shape = (len(raw["steps"]), -1) if raw["steps"] else (0, 0)
        successes, returns = (
            np.array(raw[name], dtype=np.float64).reshape(shape)
            for name in ("successes", "returns")
        )
        return cls(tuple(raw["steps"]), successes, returns)
