"""Labels and rewards of a sweep are those that were made, when a policy is trained on them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.errors import FileFormatError
from vlfeedback.sweeps.data import load_task
from vlfeedback.sweeps.feedback import make_feedback, read_labels, read_rewards
from vlfeedback.sweeps.folder import SweepFolder
from vlfeedback.sweeps.runs import Feedback, expand
from vlfeedback.sweeps.specification import Sweep, parse_sweep
from vlfeedback.types import Trajectory


def episode(number: int) -> Trajectory:
    rng = np.random.default_rng(number)
    return Trajectory(
        observations=rng.normal(size=(13, 2)).astype(np.float32),
        actions=rng.normal(size=(12, 1)).astype(np.float32),
        env_rewards=rng.normal(size=12).astype(np.float32),
        task="drawer-close",
        id=f"e{number}",
    )


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    return SweepFolder(tmp_path / "sweep")


def one_source(tmp_path: Path, folder: SweepFolder, **sources: Any) -> tuple[Sweep, Feedback]:
    """A sweep of one source whose labels or rewards are there."""
    write_trajectories(tmp_path / "data.h5", [episode(number) for number in range(4)])
    table = {
        "claim": "x",
        "tasks": ["drawer-close"],
        "seeds": [0],
        "data": str(tmp_path / "data.h5"),
        "pairs": {"length": 5, "count": 8, "sampler": "uniform"},
        "learners": {"iql" if "rewards" in sources else "cpl": {}},
    }
    sweep = parse_sweep(table | sources, name="x", where="x.toml")
    (run,) = expand(sweep)
    assert run.feedback is not None
    row = make_feedback(sweep, run.feedback, folder)
    folder.write_row("feedback", run.feedback.id, row)
    return sweep, run.feedback


def test_labels_that_were_replaced_are_refused(tmp_path: Path, folder: SweepFolder) -> None:
    sweep, feedback = one_source(tmp_path, folder, labels={"teacher": {}})
    trajectories = load_task(sweep, "drawer-close")
    labels = read_labels(feedback, folder, trajectories)
    assert len(labels) == 8
    path = folder.path("feedback", feedback.id, ".parquet")
    labels.take(slice(7)).save(path)
    with pytest.raises(FileFormatError, match=r"\.parquet has changed since it was made\. Delete"):
        read_labels(feedback, folder, trajectories)


def test_a_flipped_bit_in_rewards_is_noticed(tmp_path: Path, folder: SweepFolder) -> None:
    sweep, feedback = one_source(tmp_path, folder, rewards={"random": {}})
    trajectories = load_task(sweep, "drawer-close")
    first, *_ = read_rewards(feedback, folder, trajectories)
    assert first.rewards is not None and first.rewards.shape == (12,)
    path = folder.path("feedback", feedback.id, ".npy")
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(FileFormatError, match=r"\.npy has changed since it was made\. Delete it"):
        read_rewards(feedback, folder, trajectories)


def test_rewards_of_an_earlier_release_which_noted_no_digest_are_read(
    tmp_path: Path, folder: SweepFolder
) -> None:
    sweep, feedback = one_source(tmp_path, folder, rewards={"random": {}})
    row = folder.find("feedback", feedback.id)
    assert row is not None
    folder.write_row("feedback", feedback.id, {k: v for k, v in row.items() if k != "file"})
    trajectories = load_task(sweep, "drawer-close")
    assert len(read_rewards(feedback, folder, trajectories)) == 4
    folder.path("feedback", feedback.id, ".npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(FileFormatError, match="is no readable file of rewards"):
        read_rewards(feedback, folder, trajectories)
