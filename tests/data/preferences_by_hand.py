"""Small datasets of preferences, and whether one is another."""

import dataclasses
from typing import Any

import numpy as np

from vlfeedback.data.preferences import LabelRecord, PreferenceDataset
from vlfeedback.data.sampling import SegmentPairList, sample_segment_pairs
from vlfeedback.types import PreferenceLabels, Trajectory

__all__ = [
    "TRAJECTORIES",
    "assert_equal",
    "dataset",
    "draw",
    "ends",
    "labels",
    "mixed",
    "trajectory",
]


def trajectory(name: str, length: int = 20, **changes: Any) -> Trajectory:
    rng = np.random.default_rng(sum(name.encode()))
    fields: dict[str, Any] = {
        "observations": rng.normal(size=(length + 1, 3)).astype(np.float32),
        "actions": rng.normal(size=(length, 2)).astype(np.float32),
        "env_rewards": rng.normal(size=length).astype(np.float32),
        "id": name,
    }
    return Trajectory(**(fields | changes))


TRAJECTORIES = [trajectory(f"t{n}") for n in range(30)]


def draw(n_pairs: int, seed: int = 0) -> SegmentPairList:
    return sample_segment_pairs(TRAJECTORIES, n_pairs, 5, rng=np.random.default_rng(seed))


def labels(*values: float, answered: list[bool] | None = None) -> PreferenceLabels:
    return PreferenceLabels(
        np.array(values, np.float32), np.array(answered or [True] * len(values))
    )


def dataset(n_pairs: int = 4, seed: int = 0, **changes: Any) -> PreferenceDataset:
    made = PreferenceDataset(
        draw(n_pairs, seed),
        PreferenceLabels(
            np.resize(np.array([0, 1, 0.5, 0.25], np.float32), n_pairs),
            np.resize(np.array([True, True, True, False]), n_pairs),
        ),
        tuple(f"go {n}" for n in range(n_pairs)),
        (LabelRecord("a:A", '{"seed": 1}', "gpt", "rl-vlm-f/1"), LabelRecord("b:B")),
        np.resize(np.array([1, 0], np.int64), n_pairs),
        np.linspace(0, 0.3, n_pairs),
    )
    return dataclasses.replace(made, **changes)


def mixed() -> PreferenceDataset:
    """Six pairs with all six outcomes, by two labellers."""
    return PreferenceDataset(
        draw(6),
        PreferenceLabels(
            np.array([0.5, 0.5, np.nan, 0, 0, 1], np.float32),
            np.array([1, 2, 3, 4, 5, 0], np.uint8),
            cost_usd=np.array([0.5, 0.25, 0.25, 0, 0, 1.5]),
            tokens=np.array([900, 100, 100, 0, 0, 0]),
            seconds=np.array([2, 2, 2, 60, 0, 8.0]),
            labeller=np.array([0, 0, 0, 0, 0, 1]),
        ),
        ("go",) * 6,
        (LabelRecord("a:A", model="gpt"), LabelRecord("a person")),
    )


def ends(pairs: SegmentPairList) -> list[list[tuple[str, int, int]]]:
    return [[(s.trajectory.id, s.start, s.length) for s in pair] for pair in pairs]


def assert_equal(one: PreferenceDataset, other: PreferenceDataset) -> None:
    assert ends(one.pairs) == ends(other.pairs)
    for name in ("prefer_second", "outcome", "cost_usd", "tokens", "seconds"):
        np.testing.assert_array_equal(getattr(one.labels, name), getattr(other.labels, name))
    assert one.instructions == other.instructions
    said = [[d.labelled_by[k] for k in d.labels.labeller] for d in (one, other)]
    assert said[0] == said[1]
