"""Gymnasium environments whose reward comes from a source."""

from vlfeedback.wrappers.end_at_success import EndAtSuccess
from vlfeedback.wrappers.flat_observations import FlatObservations
from vlfeedback.wrappers.frames import CaptureFrames
from vlfeedback.wrappers.reward import RewardFromSource
from vlfeedback.wrappers.vector import VectorRewardFromSource

__all__ = [
    "CaptureFrames",
    "EndAtSuccess",
    "FlatObservations",
    "RewardFromSource",
    "VectorRewardFromSource",
]
