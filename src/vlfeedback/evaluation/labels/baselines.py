"""Baselines that need no model, reported beside every figure of a source's labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from vlfeedback.data.pairings import ShownSegment
from vlfeedback.evaluation.labels.answers import Scorer
from vlfeedback.rewards.picture_energy import PictureEnergyReward
from vlfeedback.rewards.random import RandomConfig, RandomReward
from vlfeedback.scoring.segments import SegmentScorer

__all__ = ["BASELINES", "baseline_scorers"]

BASELINES: Mapping[str, type | tuple[()]] = {
    "picture-energy": PictureEnergyReward,  # the more the picture changes, the better
    "still": (),  # the opposite
    "random": RandomReward,  # chance
    "prior": (),  # always the side that is right more often: see `PairAnswers.right`
}
"""By name the class, for `isinstance`, of a source that may be evaluated in its place."""


def baseline_scorers(stride: int | None, *, seed: int) -> dict[str, Scorer]:
    """Scorers of one task's segments for each of `BASELINES` but the prior.

    Args:
        stride: steps from one picture to the next; None: there are no pictures, and nothing that
            reads them.
        seed: of chance. Arms at rest share one action and its one random reward: each seed draws
            another.
    """
    scorers: dict[str, Scorer] = {}
    if stride is not None:
        energy = PictureEnergyReward()
        if energy.needs.frame_stride % stride:  # only the first and the last picture count
            energy.needs = replace(energy.needs, frame_stride=stride)
        scorers["picture-energy"] = SegmentScorer(energy)
        scorers["still"] = _Opposite(scorers["picture-energy"])
    return scorers | {"random": SegmentScorer(RandomReward(RandomConfig(seed=seed)))}


class _Opposite:
    """Prefers what another scorer does not."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def scores(self, segments: Sequence[ShownSegment]) -> Float64[np.ndarray, " N"]:
        """Minus the other's scores."""
        return -self._scorer.scores(segments)
