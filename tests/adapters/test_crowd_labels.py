"""Crowd labels by start rows: of which steps, under which convention, from which files.

The rule of rows is D4RL's ``qlearning_dataset``, written out here as the loop that it is.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlfeedback.adapters import crowd_labels
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.errors import FileFormatError, InvalidValueError, NeedsError, ShapeError
from vlfeedback.types import Trajectory

# Steps of each episode, and whether it terminated; the last one of the file is open.
EPISODES = [(5, False), (4, True), (6, False), (7, True), (5, None)]


@pytest.fixture
def trajectories() -> list[Trajectory]:
    """Each step observes its row in the file."""
    made, first = [], 0
    for k, (n, terminated) in enumerate(EPISODES):
        made.append(
            Trajectory(
                np.arange(first, first + n + 1, dtype=np.float32)[:, None],
                np.zeros((n, 1), np.float32),
                terminated=terminated is True,
                truncated=terminated is False,
                id=str(k),
            )
        )
        first += n
    return made


def rows_of_d4rl() -> list[int]:
    """The row in the file of each row of ``qlearning_dataset``."""
    timeouts = [t is False and i == n - 1 for n, t in EPISODES for i in range(n)]
    return [row for row in range(len(timeouts) - 1) if not timeouts[row]]


def starts_in_file(dataset: PreferenceDataset) -> list[list[float]]:
    return [[float(s.read("observations")[0, 0]) for s in pair] for pair in dataset.pairs]


def test_rows_count_what_d4rls_qlearning_dataset_leaves(trajectories: list[Trajectory]) -> None:
    rows = rows_of_d4rl()
    assert len(rows) == 27 - 3  # two episodes were cut off, and the file's last row is lost
    every = list(range(len(rows)))
    dataset = crowd_labels.from_start_rows(
        every, every[::-1], [1] * len(rows), trajectories, length=1
    )
    assert starts_in_file(dataset) == [
        [float(a), float(b)] for a, b in zip(rows, rows[::-1], strict=True)
    ]


def test_other_files_count_other_rows(trajectories: list[Trajectory]) -> None:
    for rows, expected in (("d4rl", 5), ("robomimic", 5), ("all", 4)):
        dataset = crowd_labels.from_start_rows(
            [4],
            [0],
            [0],
            trajectories,
            length=1,
            rows=rows,
        )
        assert starts_in_file(dataset) == [[expected, 0]]
    row = [9]  # of the third episode under "d4rl" (4 and 4 before it), the fourth step of robomimic
    for rows, expected in (("d4rl", 10), ("robomimic", 11), ("all", 9)):
        dataset = crowd_labels.from_start_rows(
            row,
            [0],
            [0],
            trajectories,
            length=1,
            rows=rows,
        )
        assert starts_in_file(dataset) == [[expected, 0]]
    with pytest.raises(InvalidValueError, match="rows='flat'; expected one of d4rl, robomimic"):
        crowd_labels.from_start_rows(
            [0],
            [0],
            [0],
            trajectories,
            length=1,
            rows="flat",
        )


@pytest.mark.parametrize(
    "labels",
    [[0, 1, -1], np.array([[0], [1], [-1]], np.int32), [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]],
)
def test_zero_is_the_first_and_minus_one_a_tie_that_is_trained_on(
    trajectories: list[Trajectory], labels: Any
) -> None:
    dataset = crowd_labels.from_start_rows([0] * 3, [4] * 3, labels, trajectories, length=2)
    assert dataset.labels.prefer_second.tolist() == [0, 1, 0.5]
    assert dataset.labels.answered.all()


def test_segments_that_leave_their_episode_are_left_out_and_counted(
    trajectories: list[Trajectory],
) -> None:
    with pytest.warns(UserWarning, match="2 of 3 pairs are left out: one of their segments of 4"):
        dataset = crowd_labels.from_start_rows(
            [0, 1, 0], [4, 4, 5], [0, 1, 1], trajectories, length=4
        )
    assert starts_in_file(dataset) == [[0, 5]]
    with pytest.raises(InvalidValueError, match="None of 1 pairs has both of its segments"):
        crowd_labels.from_start_rows([1], [4], [0], trajectories, length=4)


def test_rows_that_are_not_there_are_refused(trajectories: list[Trajectory]) -> None:
    for row in (24, -1, 0.5):
        match = rf"Start row {row:g} of pair 1 is none of the 24 rows of these 5 trajectories"
        with pytest.raises(InvalidValueError, match=match):
            crowd_labels.from_start_rows([0, row], [0, 0], [0, 0], trajectories, length=1)
    with pytest.raises(ShapeError, match="2 and 2 start rows and 1 labels"):
        crowd_labels.from_start_rows([0, 0], [0, 0], [0], trajectories, length=1)


NAMES = {
    "preference-transformer": ("indices_num3_q2", "indices_2_num3_q2", "label_human"),
    "uni-rlhf": tuple(
        f"{kind}_domain_mujoco_env_hopper-medium-v2_num_3_len_2_56a43ce2.pkl"
        for kind in ("indices_1", "indices_2", "human_label")
    ),
    "scripted": tuple(
        f"{kind}_domain_mujoco_env_hopper_num_3_len_2_5d.pkl"
        for kind in ("indices_1", "indices_2", "fake_label")
    ),
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_the_files_of_both_projects_are_read(
    names: tuple[str, str, str], tmp_path: Path, trajectories: list[Trajectory]
) -> None:
    values = (np.array([0, 1, 9]), np.array([4, 5, 6], np.int32), [0, 1, -1])
    for name, value in zip(names, values, strict=True):
        (tmp_path / name).write_bytes(pickle.dumps(value))
    dataset = crowd_labels.read(tmp_path, trajectories)
    assert starts_in_file(dataset) == [[0, 5], [1, 6], [10, 7]]
    assert dataset.length == 2
    assert dataset.labels.prefer_second.tolist() == [0, 1, 0.5]
    assert dataset.labelled_by[0].source == f"file {tmp_path.name}/{names[2]}"
    saved = tmp_path / "labels.parquet"
    dataset.save(saved)
    assert PreferenceDataset.load(saved, trajectories).digest() == dataset.digest()


def test_a_length_that_no_name_says_has_to_be_given(
    tmp_path: Path, trajectories: list[Trajectory]
) -> None:
    for name in ("indices_num1", "indices_2_num1"):
        np.save(tmp_path / f"{name}.npy", np.zeros(1, np.int64))
    np.save(tmp_path / "label_human.npy", np.ones(1, np.int64))
    with pytest.raises(NeedsError, match=r"pass length\. PreferenceTransformer's .* 100 steps"):
        crowd_labels.read(tmp_path, trajectories)
    assert crowd_labels.read(str(tmp_path), trajectories, length=3).length == 3


def test_a_folder_without_one_file_of_each_kind_is_refused(
    tmp_path: Path, trajectories: list[Trajectory]
) -> None:
    with pytest.raises(FileFormatError, match="has none: expected one file with start rows of the"):
        crowd_labels.read(tmp_path, trajectories)
    for name in ("indices_num1", "indices_2_num1", "label_human", "label_other"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(FileFormatError, match="has label_human, label_other: expected one file"):
        crowd_labels.read(tmp_path, trajectories)
    (tmp_path / "label_other").unlink()
    with pytest.raises(FileFormatError, match="indices_num1 is no readable pickle of numbers"):
        crowd_labels.read(tmp_path, trajectories, length=1)
