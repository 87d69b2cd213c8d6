"""Cascades of labellers that read their answers off the pairs themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vlfeedback import label_pairs
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.sampling import SegmentPairList
from vlfeedback.preferences.cascade import Cascade, CascadeConfig
from vlfeedback.types import (
    CostForecast,
    Outcome,
    PreferenceLabels,
    PreferenceSource,
    Segment,
    SegmentBatch,
    SegmentPairs,
    SourceNeeds,
    Trajectory,
)

WORDS = {float(10 + outcome): outcome for outcome in Outcome}


@dataclass(frozen=True)
class SpeaksConfig:
    name: str = ""
    limit: int = field(default=0, metadata={"recorded": False})


class Speaks:
    """Reads its answer from the pair itself: entry `place` of the first segment's actions.

    A number from 0 to 1 is P[second preferred]; 10 + an outcome is that outcome, and no number.
    """

    needs = SourceNeeds(actions=True)

    def __init__(self, place: int, name: str = "", cost: float = 0.0, limit: int = 0) -> None:
        self.config = SpeaksConfig(name or f"number {place}", limit)
        self.place = place
        self.cost = cost
        self.asked: list[float] = []  # number of each pair it was asked about, the last action

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        assert pairs.first.actions is not None
        said = pairs.first.actions[:, 0, self.place].astype(np.float64)
        self.asked += pairs.first.actions[:, 0, -1].tolist()
        outcome = [WORDS.get(value, Outcome.ANSWERED) for value in said.tolist()]
        return PreferenceLabels(
            np.where(said > 10, np.nan, np.where(said > 1, 0.5, said.clip(0, 1))).astype(
                np.float32
            ),
            outcome,
            cost_usd=np.full(len(pairs), self.cost),
            seconds=np.full(len(pairs), 1.0),
        )


class Priced(Speaks):
    cost_per_pair = 0.5


class Foresees(Speaks):
    def foresee(self, pairs: SegmentPairs) -> CostForecast:
        return CostForecast(questions=3.0, tokens=10.0, cost_usd=0.5).times(float(len(pairs)))


Said = Sequence[float] | np.ndarray


def pair_of(said: Sequence[float], number: int) -> tuple[Segment, Segment]:
    """A pair that labeller k says ``said[k]`` about."""
    actions = np.zeros((1, 4), np.float32)
    actions[0, : len(said)] = said
    actions[0, -1] = number
    first, second = (
        Trajectory(
            observations=np.zeros((2, 1), np.float32),
            actions=actions if side == "a" else np.zeros_like(actions),
            env_rewards=np.array([number], np.float32),
            id=f"{number}{side}",
        ).segment(0, 1)
        for side in "ab"
    )
    return first, second


def pairs_of(*said: Said) -> SegmentPairList:
    """A pair for each column: what the first labeller says of all, then the second ..."""
    return [pair_of(column, n) for n, column in enumerate(zip(*said, strict=True))]


def cascade(
    *labellers: PreferenceSource, stages: Sequence[dict[str, Any]] | None = None, **config: Any
) -> Cascade:
    return Cascade(CascadeConfig(stages or [{} for _ in labellers], **config), labellers=labellers)


def labelled(
    said: Sequence[Said],
    *stages: dict[str, Any],
    labellers: Sequence[PreferenceSource] = (),
    batch_size: int = 10,
    **config: Any,
) -> PreferenceDataset:
    source = cascade(*(labellers or [Speaks(k) for k in range(len(said))]), stages=stages, **config)
    return label_pairs(pairs_of(*said), source, batch_size=batch_size)


def gathered(pairs: SegmentPairList) -> SegmentPairs:
    first, second = zip(*pairs, strict=True)
    return SegmentPairs(
        *(SegmentBatch.from_segments(side, needs=Speaks.needs) for side in (first, second))
    )


DOUBTS: list[Said] = [
    [0.55, 0.9, 0.35, 0.8, 0.6, 0.98],
    [0, 0, 1, 0, 0, 0],
]  # sureness .55 .9 .65 .8 .6 .98


def trajectory(seed: int) -> Trajectory:
    rng = np.random.default_rng(seed)
    return Trajectory(
        observations=rng.normal(size=(21, 3)).astype(np.float32),
        actions=rng.random(size=(20, 4)).astype(np.float32),
        env_rewards=rng.random(20).astype(np.float32),
        id=f"t{seed}",
    )


EPISODES = [trajectory(seed) for seed in range(12)]
