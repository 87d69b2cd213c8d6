"""What the files of every kind are made of."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from tests.behaviour.pinned_data import noise_episodes

import vlfeedback


def episodes(pictures: int = 0) -> list[vlfeedback.Trajectory]:
    return noise_episodes(2, picture_size=pictures, length=6)


def pairs() -> list[tuple[vlfeedback.Segment, vlfeedback.Segment]]:
    rng = np.random.default_rng(0)
    return vlfeedback.sample_segment_pairs(episodes(), 6, length=4, rng=rng)


def labelled() -> vlfeedback.PreferenceDataset:
    return vlfeedback.label_pairs(pairs(), vlfeedback.make_preference_source("teacher"))


def relabelled(folder: Path) -> Any:
    source = vlfeedback.make_reward_source("random")
    return vlfeedback.relabel(episodes(), source, batch_size=1, resume=folder / "a.rewards")


class StopsAfter:
    """A teacher that is interrupted after some batches."""

    def __init__(self, n_batches: int) -> None:
        self._teacher = vlfeedback.make_preference_source("teacher")
        self.needs = self._teacher.needs
        self._left = n_batches

    def label(self, pairs: vlfeedback.SegmentPairs) -> vlfeedback.PreferenceLabels:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        return self._teacher.label(pairs)


class minari_in:  # noqa: N801  (used like a function)
    """Minari's datasets in this folder meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        os.environ["MINARI_DATASETS_PATH"] = str(self._folder)

    def __exit__(self, *_: object) -> None:
        del os.environ["MINARI_DATASETS_PATH"]
