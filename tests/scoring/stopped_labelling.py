"""Pairs, and a labeller that stops when it is told to."""

from pathlib import Path
from typing import Any

import numpy as np

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.sampling import SegmentPairList, sample_segment_pairs
from vlfeedback.scoring.labelling import label_pairs
from vlfeedback.testing import KnownLabeller
from vlfeedback.types import PreferenceLabels, SegmentPairs, Trajectory


def trajectory(name: str) -> Trajectory:
    rng = np.random.default_rng(sum(name.encode()))
    return Trajectory(
        observations=rng.normal(size=(21, 3)).astype(np.float32),
        actions=rng.normal(size=(20, 2)).astype(np.float32),
        env_rewards=rng.normal(size=20).astype(np.float32),
        id=name,
    )


TRAJECTORIES = [trajectory(f"t{n}") for n in range(30)]
TEXTS = ("go", "go unsure", "go refused", "go", "it failed", "go skipped", "go unparsable")


PAIRS = sample_segment_pairs(TRAJECTORIES, 1000, 5, rng=np.random.default_rng(0))


def draw(n_pairs: int) -> SegmentPairList:
    return PAIRS[:n_pairs]


def texts(n_pairs: int) -> list[str]:
    return [TEXTS[n % len(TEXTS)] for n in range(n_pairs)]


class Known(KnownLabeller):
    """A `KnownLabeller` that stops on request: in its batch number `stop_at`, from 0."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__()
        self._stop_at = stop_at

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        if len(self.batch_sizes) == self._stop_at:
            self.stop()
        return super().label(pairs)

    def stop(self) -> None:
        raise TimeoutError("no answer for 60 s")


def label(n_pairs: int, labeller: Any, path: Path | str, batch_size: int = 3) -> PreferenceDataset:
    return label_pairs(
        draw(n_pairs), labeller, instruction=texts(n_pairs), batch_size=batch_size, save_to=path
    )


def assert_equal(one: PreferenceDataset, other: PreferenceDataset) -> None:
    assert one.to_rows() == other.to_rows()
