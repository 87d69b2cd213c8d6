"""What a source scores, as figures draw it: along an episode, and of clips seen by two cameras."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

from vlfeedback.types import Trajectory

__all__ = ["CameraScores", "ScoreCurve"]


@dataclass(frozen=True, slots=True, eq=False)
class ScoreCurve:
    """Scores along one episode, in the source's unit."""

    trajectory: Trajectory
    steps: Int64[np.ndarray, " E"]  # that were scored, ascending
    scores: Float32[np.ndarray, " E"]
    backwards: Float32[np.ndarray, " B"] | None = None  # of the first B steps, played backwards


@dataclass(frozen=True, slots=True, eq=False)
class CameraScores:
    """Scores of the same N clips seen by two cameras, in the source's unit."""

    ours: Float64[np.ndarray, " N"]  # the camera that the episodes were recorded by
    other: Float64[np.ndarray, " N"]
