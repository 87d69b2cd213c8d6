"""Tasks that only the folder of their episodes knows, in the commands that come after."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from vlfeedback.cli.app import app
from vlfeedback.cli.one_task import task_of_data
from vlfeedback.data.collection import Collection
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.errors import UnknownNameError
from vlfeedback.tasks import get_task, own_task
from vlfeedback.types import Trajectory

TOWEL = own_task("lab:FoldTowel-v0", "fold the towel", success_key="folded")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two episodes, in one of which every step is worth 1."""
    collection = Collection.create(tmp_path / "towels", {"seed": 0})
    collection.note_task(TOWEL, {"expert": "lab:fold"})
    for level, reward in (("expert", 1.0), ("random", 0.0)):
        write_trajectories(
            collection.path("fold-towel", level),
            [
                Trajectory(
                    np.zeros((7, 2), np.float32),
                    np.zeros((6, 1), np.float32),
                    env_rewards=np.full(6, reward, np.float32),
                    truncated=True,
                    task="fold-towel",
                    id=level,
                    level=level,
                )
            ],
        )
    return collection.root


def test_a_folder_tells_what_its_own_task_is(data: Path) -> None:
    assert task_of_data("fold-towel", str(data)) == TOWEL
    assert task_of_data("reach", str(data)) == get_task("reach")
    for elsewhere in ("minari:D4RL/door", str(data / "fold-towel" / "expert.h5")):
        with pytest.raises(UnknownNameError, match="No task 'fold-towel'"):
            task_of_data("fold-towel", elsewhere)


def test_pairs_of_such_a_task_are_labelled_under_its_instruction(
    data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "labels.parquet"
    arguments = ["--data", str(data), "--labeller", "teacher", "--task", "fold-towel"]
    arguments += ["--pairs", "6", "--length", "3", "--out", str(out)]
    done = CliRunner().invoke(app, ["label", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    labelled = PreferenceDataset.load(out, Collection.open(data).load("fold-towel"))
    assert set(labelled.instructions) == {"fold the towel"}
