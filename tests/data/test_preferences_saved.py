"""Datasets of preferences come back from their files, and damaged ones are refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.preferences_by_hand import (
    TRAJECTORIES,
    assert_equal,
    dataset,
    labels,
    mixed,
    trajectory,
)

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.errors import FileFormatError, NeedsError
from vlfeedback.types import Outcome


def test_a_file_brings_everything_back(tmp_path: Path) -> None:
    dataset(10).save(tmp_path / "new folder" / "labels.parquet")
    read = PreferenceDataset.load(tmp_path / "new folder" / "labels.parquet", TRAJECTORIES)
    assert_equal(read, dataset(10))
    assert read.digest() == dataset(10).digest()
    assert read.labelled_by == dataset().labelled_by
    assert read.pairs[0][0].trajectory in TRAJECTORIES
    assert [p.name for p in (tmp_path / "new folder").iterdir()] == ["labels.parquet"]


def test_a_dataset_without_pairs_is_a_file_as_well(tmp_path: Path) -> None:
    dataset().take(slice(0)).save(tmp_path / "labels.parquet")
    assert len(PreferenceDataset.load(tmp_path / "labels.parquet", [])) == 0


def test_anybody_can_read_the_rows(tmp_path: Path) -> None:
    import pyarrow.parquet as parquet

    made = dataset()
    made.save(tmp_path / "labels.parquet")
    table = parquet.read_table(tmp_path / "labels.parquet")
    first, second = made.pairs[0]
    assert table.slice(0, 1).to_pylist() == [
        {
            "first_id": first.trajectory.id,
            "first_start": first.start,
            "second_id": second.trajectory.id,
            "second_start": second.start,
            "length": 5,
            "prefer_second": 0.0,
            "outcome": "answered",
            "instruction": "go 0",
            "record": 1,
            "cost_usd": 0.0,
            "tokens": 0,
            "seconds": 0.0,
        }
    ]
    header = json.loads(table.schema.metadata[b"vlfeedback"])
    assert (header["format"], header["version"]) == ("vlfeedback-preferences", 2)
    assert header["labelled_by"][0]["config"] == '{"seed": 1}'


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    dataset(10).save(tmp_path / "labels.parquet")
    return tmp_path / "labels.parquet"


def test_a_missing_trajectory_is_named(saved: Path) -> None:
    gone = dataset(10).pairs[0][0].trajectory
    others = [t for t in TRAJECTORIES if t is not gone]
    with pytest.raises(FileFormatError, match=rf"1 of them are not .* as '{gone.id}'\. Give all"):
        PreferenceDataset.load(saved, others)


def test_two_trajectories_of_one_id_are_refused(saved: Path) -> None:
    name = dataset(10).pairs[0][0].trajectory.id
    with pytest.raises(FileFormatError, match=f"trajectory '{name}', and two of those given have"):
        PreferenceDataset.load(saved, [*TRAJECTORIES, trajectory(name)])


def test_a_trajectory_that_ends_before_its_segment_is_another_one(saved: Path) -> None:
    short = [trajectory(t.id, 5) for t in TRAJECTORIES]
    with pytest.raises(FileFormatError, match=r"and the one given has 5\. It is not the one that"):
        PreferenceDataset.load(saved, short)


def test_a_missing_file_is_no_damaged_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No file of preferences .*none\.parquet"):
        PreferenceDataset.load(tmp_path / "none.parquet", TRAJECTORIES)


def test_a_truncated_file_is_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-20])
    with pytest.raises(FileFormatError, match=r"labels\.parquet is no readable file of prefer"):
        PreferenceDataset.load(saved, TRAJECTORIES)


def test_parquet_of_another_kind_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    parquet.write_table(pa.table({"label": [1]}), tmp_path / "labels.parquet")
    with pytest.raises(FileFormatError, match=r"no file of preferences \(format=None, columns"):
        PreferenceDataset.load(tmp_path / "labels.parquet", TRAJECTORIES)


def rewrite(path: Path, header: dict[str, Any], **columns: list[Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    table = parquet.read_table(path)
    old = json.loads(table.schema.metadata[b"vlfeedback"])
    del old["sha256"]  # as in files that others write
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    meta = {b"vlfeedback": json.dumps(old | header).encode()}
    parquet.write_table(table.replace_schema_metadata(meta), path)


def test_a_newer_file_is_refused(saved: Path) -> None:
    rewrite(saved, {"version": 3})
    with pytest.raises(FileFormatError, match="has version 3; this release reads up to 2"):
        PreferenceDataset.load(saved, TRAJECTORIES)


def test_a_file_with_impossible_labels_is_damaged(saved: Path) -> None:
    rewrite(saved, {}, prefer_second=[2.0] * 10)
    with pytest.raises(FileFormatError, match=r"is damaged \(prefer_second must lie in"):
        PreferenceDataset.load(saved, TRAJECTORIES)


def test_a_file_with_an_unknown_outcome_is_damaged(saved: Path) -> None:
    rewrite(saved, {}, outcome=["forgotten"] * 10)
    with pytest.raises(FileFormatError, match=r"is damaged \('FORGOTTEN'\)"):
        PreferenceDataset.load(saved, TRAJECTORIES)


def test_every_outcome_and_cost_comes_back_from_a_file(tmp_path: Path) -> None:
    mixed().save(tmp_path / "labels.parquet")
    read = PreferenceDataset.load(tmp_path / "labels.parquet", TRAJECTORIES)
    assert_equal(read, mixed())
    assert read.labels.outcome.tolist() == [1, 2, 3, 4, 5, 0]
    assert read.labelled_by == mixed().labelled_by


def test_a_file_of_version_1_says_the_same_as_ever() -> None:
    path = Path(__file__).with_name("preferences_version_1.parquet")  # dataset(6) of release 0.1.0
    read = PreferenceDataset.load(str(path), TRAJECTORIES)
    assert_equal(read, dataset(6))
    assert read.digest() == "0aa7143a6e7d0ce0eda6114d9d46c587dcb4530afc5586a36da0e2756d416269"
    assert read.labels.outcome.tolist() == [0, 0, 0, Outcome.SKIPPED, 0, 0]
    np.testing.assert_allclose(read.labels.cost_usd, [0, 0.06, 0.12, 0.18, 0.24, 0.3])
    assert not read.labels.tokens.any() and not read.labels.seconds.any()


def test_a_file_of_version_1_becomes_one_of_version_2(tmp_path: Path) -> None:
    old = Path(__file__).with_name("preferences_version_1.parquet")
    PreferenceDataset.load(old, TRAJECTORIES).save(str(tmp_path / "new.parquet"))
    assert_equal(PreferenceDataset.load(tmp_path / "new.parquet", TRAJECTORIES), dataset(6))


def test_trajectories_without_an_id_cannot_be_referred_to(tmp_path: Path) -> None:
    nameless = [trajectory("", 20), trajectory("", 21)]
    made = PreferenceDataset([(nameless[0].segment(0, 5), nameless[1].segment(0, 5))], labels(1))
    with pytest.raises(NeedsError, match="refers to trajectories by id, and one has none"):
        made.save(tmp_path / "labels.parquet")


def test_two_different_trajectories_of_one_id_are_not_written(tmp_path: Path) -> None:
    twins = [trajectory("t", 20), trajectory("t", 21)]
    made = PreferenceDataset([(twins[0].segment(0, 5), twins[1].segment(0, 5))], labels(1))
    with pytest.raises(NeedsError, match=r"two have the id 't'; give each its own"):
        made.save(tmp_path / "labels.parquet")
    assert not list(tmp_path.iterdir())


def test_a_trajectory_that_was_read_twice_is_still_one(tmp_path: Path) -> None:
    again = [trajectory("t", 20), trajectory("t", 20)]
    made = PreferenceDataset([(again[0].segment(0, 5), again[1].segment(3, 5))], labels(1))
    made.save(tmp_path / "labels.parquet")
    assert len(PreferenceDataset.load(tmp_path / "labels.parquet", again[:1])) == 1


def test_a_write_that_fails_leaves_the_old_file(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        dataset(4).save(saved)
    assert saved.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["labels.parquet"]
