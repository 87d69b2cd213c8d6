"""What a sweep reads of its data."""

from pathlib import Path

import numpy as np
import pytest

from vlfeedback.data.collection import Collection
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.errors import FileFormatError, UnknownNameError
from vlfeedback.sweeps.data import check_data, describe_data, draw_pairs, load_task
from vlfeedback.sweeps.runs import expand
from vlfeedback.sweeps.specification import Sweep, parse_sweep
from vlfeedback.types import Trajectory


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A script that stops at once, one that stops late, and one that says nothing."""
    path = tmp_path / "data.h5"
    write_trajectories(
        path,
        [
            Trajectory(
                np.zeros((31, 2)), np.zeros((30, 1)), task="drawer-close", id=name, info=info
            )
            for name, info in (("early", {"stop": 4}), ("late", {"stop": 20}), ("unknown", {}))
        ],
    )
    return path


def sweep(file: Path, **changes: object) -> Sweep:
    table = {
        "claim": "x",
        "tasks": ["drawer-close"],
        "seeds": [0],
        "data": str(file),
        "pairs": {"length": 10},
        "labels": {"teacher": {}},
        "learners": {"cpl": {}},
    }
    return parse_sweep({**table, **changes}, name="x", where="x.toml")


def test_trajectories_are_whole_unless_the_rest_after_their_scripts_is_left_out(file: Path) -> None:
    assert [len(t) for t in load_task(sweep(file), "drawer-close")] == [30, 30, 30]
    cut = load_task(sweep(file, rest=False), "drawer-close")
    assert [len(t) for t in cut] == [10, 20, 30]  # one segment fits into each


@pytest.mark.parametrize(
    ("collected", "message"),
    [
        ({"horizon": 200}, r"was collected with horizon=150, and x asks for 200"),
        ({"medium": "near-object"}, r"collected with medium='half-way', and x asks for 'near-obj"),
        ({"env_options": {"hand_starts": "jittered"}}, r"with env_options=\{\}, and x asks for"),
        ({"horizn": 150}, r"no setting 'horizn'\. Did you mean 'horizon'"),
    ],
)
def test_data_that_were_collected_otherwise_are_refused(
    tmp_path: Path, collected: dict[str, object], message: str
) -> None:
    Collection.create(tmp_path / "data", {"horizon": 150, "random_actions": "u01"})
    asking = sweep(tmp_path / "data", collected=collected)
    with pytest.raises((FileFormatError, UnknownNameError), match=message):
        check_data(asking)


def test_data_of_a_protocol_are_asked_for_by_its_command(tmp_path: Path) -> None:
    Collection.create(tmp_path / "data", {"episodes": 32, "horizon": 150, "random_actions": "u01"})
    with pytest.raises(FileFormatError, match="vlfeedback collect --protocol vlp --tasks drawer-c"):
        check_data(sweep(tmp_path / "data", protocol="vlp"))


def test_a_result_depends_on_whether_it_is_left_out(file: Path) -> None:
    whole, cut = (describe_data(sweep(file, rest=rest), "drawer-close") for rest in (True, False))
    assert whole != cut


def test_a_result_depends_on_the_contents_of_the_files_of_its_task(tmp_path: Path) -> None:
    collection = Collection.create(tmp_path / "data", {"episodes": 1})
    for task in ("drawer-close", "door-close"):
        path = collection.path(task, "expert")
        path.parent.mkdir()
        path.write_text("one")
    described = sweep(tmp_path / "data", levels=["expert"])

    def contents() -> list[object]:
        return [
            describe_data(described, task)["contents"] for task in ("drawer-close", "door-close")
        ]

    before = contents()
    assert before[0] == {"expert.h5": "7692c3ad3540bb80"}  # sha256 of "one"
    collection.path("door-close", "expert").write_text("two")
    assert contents()[0] == before[0] and contents()[1] != before[1]


def test_pairs_keep_the_gap_that_is_asked_for_and_rows_name_it(file: Path) -> None:
    pairs = {"length": 1, "count": 60, "sampler": "uniform"}
    loose, apart = sweep(file, pairs=pairs), sweep(file, pairs={**pairs, "min_gap": 20})
    trajectories = load_task(loose, "drawer-close")
    for described, least in ((loose, 0), (apart, 20)):
        drawn = draw_pairs(described, "drawer-close", 0, trajectories)
        gaps = [abs(a.start - b.start) for a, b in drawn if a.trajectory is b.trajectory]
        assert least <= min(gaps) < least + 4
        settings = expand(described)[0].settings(described, {})
        assert settings["pairs"].get("min_gap", "as before") == (least or "as before")
