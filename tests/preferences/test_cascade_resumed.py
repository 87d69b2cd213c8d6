"""A cascade that was stopped goes on, and asks nobody twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.preferences.cascades import (
    EPISODES,
    Speaks,
    cascade,
)

from vlfeedback import label_pairs
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.sampling import sample_segment_pairs
from vlfeedback.errors import FileFormatError
from vlfeedback.types import (
    PreferenceLabels,
    SegmentPairs,
)

STAGES: list[dict[str, Any]] = [
    {"sure_from": 0.9, "calibration": "temperature", "calibration_pairs": 6},
    {"max_pairs": 16},
    {"max_pairs": 6},
]


class Stops(Speaks):
    def __init__(self, place: int, after: int) -> None:
        super().__init__(place)
        self.after = after

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        if len(self.asked) >= self.after:
            raise TimeoutError("the person went home")
        return super().label(pairs)


@pytest.mark.parametrize("after", [1, 4])
def test_after_a_stop_the_same_pairs_go_the_same_ways(tmp_path: Path, after: int) -> None:
    pairs = sample_segment_pairs(EPISODES, 24, 1, rng=np.random.default_rng(0))

    def run(last: Speaks, name: str) -> PreferenceDataset:
        source = cascade(Speaks(0), Speaks(1), last, stages=STAGES)
        return label_pairs(pairs, source, batch_size=4, save_to=tmp_path / name)

    unbroken = run(Stops(2, 100), "unbroken.parquet")
    with pytest.raises(TimeoutError, match="went home"):
        run(Stops(2, after), "stopped.parquet")
    last = Stops(2, 100)
    resumed = run(last, "stopped.parquet")
    assert resumed.to_rows() == unbroken.to_rows()
    assert 0 < len(last.asked) < 6  # the answers before the stop were not asked again
    assert (tmp_path / "stopped.parquet").read_bytes() == (
        tmp_path / "unbroken.parquet"
    ).read_bytes()


def test_a_finished_file_asks_nobody(tmp_path: Path) -> None:
    pairs = sample_segment_pairs(EPISODES, 40, 1, rng=np.random.default_rng(0))
    three = [Speaks(0), Speaks(1), Speaks(2)]
    for _ in range(2):
        made = label_pairs(pairs, cascade(*three, stages=STAGES), save_to=tmp_path / "l.parquet")
    assert len(made) == 40 and len(three[0].asked) == 40


def test_more_pairs_would_share_a_budget_otherwise_and_are_refused(tmp_path: Path) -> None:
    pairs = sample_segment_pairs(EPISODES, 40, 1, rng=np.random.default_rng(0))
    path = tmp_path / "labels.parquet"
    label_pairs(pairs[:30], cascade(*(Speaks(k) for k in range(3)), stages=STAGES), save_to=path)
    with pytest.raises(FileFormatError, match="labeller 3 config"):
        label_pairs(pairs, cascade(*(Speaks(k) for k in range(3)), stages=STAGES), save_to=path)
    free = cascade(Speaks(0), Speaks(1))  # a threshold is of each pair alone
    label_pairs(pairs[:30], free, save_to=tmp_path / "free.parquet")
    assert len(label_pairs(pairs, free, save_to=tmp_path / "free.parquet")) == 40
