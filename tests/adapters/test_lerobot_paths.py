"""Paths that a LeRobot dataset names lie in its folder, or nothing is read and nothing written."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlfeedback.adapters import lerobot as adapter
from vlfeedback.errors import FileFormatError, InvalidValueError, VLFeedbackError
from vlfeedback.types import Trajectory

pytest.importorskip("av")
pq = pytest.importorskip("pyarrow.parquet")

from tests.adapters.lerobot_by_hand import CAMERA, PATHS, lay_out  # noqa: E402


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "robot")


def state(root: Path) -> dict[str, Any]:
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def change_info(root: Path, **changes: Any) -> None:
    path = root / "meta" / "info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def relabelled(root: Path, value: float = 3.0) -> list[Trajectory]:
    rewards = [np.full(len(t), value, np.float32) for t in adapter.read(root, camera="")]
    return [
        replace(t, rewards=r) for t, r in zip(adapter.read(root, camera=""), rewards, strict=True)
    ]


@pytest.mark.parametrize("key", ["data_path", "video_path"])
@pytest.mark.parametrize("form", ["climbs", "climbs back", "absolute", "nul"])
def test_a_template_that_leads_out_is_refused_and_a_neighbour_stays_as_it_was(
    dataset: Path, tmp_path: Path, key: str, form: str
) -> None:
    victim = lay_out(tmp_path / "victim")
    template = {
        "climbs": f"../victim/{PATHS[key]}",
        "climbs back": f"data/../../victim/{PATHS[key]}",
        "absolute": f"{victim}/{PATHS[key]}",
        "nul": f"{PATHS[key]}\0",
    }[form]
    whole = relabelled(dataset)
    change_info(dataset, **{key: template})
    before = state(tmp_path)
    with pytest.raises(InvalidValueError, match=r"lies outside of .*robot; nothing there is read"):
        adapter.read(dataset)
    with pytest.raises(InvalidValueError, match="lies outside of"):
        adapter.write_relabelled(tmp_path / "copy", whole, origin=dataset)
    assert state(tmp_path) == before


def test_a_camera_whose_name_climbs_is_refused(dataset: Path) -> None:
    path = dataset / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
    table = pq.read_table(path)
    eye = "../../other/eye"
    names = [name.replace(CAMERA, eye) for name in table.column_names]
    pq.write_table(table.rename_columns(names), path)
    features = json.loads((dataset / "meta" / "info.json").read_text())["features"]
    features[eye] = features.pop(CAMERA)
    change_info(dataset, features=features)
    with pytest.raises(InvalidValueError, match="lies outside of"):
        adapter.read(dataset)


@pytest.mark.parametrize(
    "template",
    [
        "data/{chunk_index.__class__}/{file_index}.parquet",
        "data/{chunk_index!r}/{file_index}.parquet",
        "data/{0}/{file_index}.parquet",
        "data/{chunk_index:{file_index}d}.parquet",
        "data/{chunk_index:999999999d}.parquet",
        "data/{episode}.parquet",
        ["data"],
        None,
    ],
)
def test_a_template_is_filled_with_numbers_and_nothing_in_it_is_evaluated(
    dataset: Path, template: Any
) -> None:
    change_info(dataset, data_path=template)
    with pytest.raises(FileFormatError, match=r"path template .* is none of LeRobot's"):
        adapter.read(dataset)


@pytest.mark.parametrize("part", ["meta/info.json", "meta/episodes", "data", "videos"])
def test_a_link_that_leads_out_is_not_followed(dataset: Path, tmp_path: Path, part: str) -> None:
    whole = relabelled(dataset)
    inside, outside = dataset / part, tmp_path / "elsewhere"
    inside.rename(outside)
    inside.symlink_to(outside)
    with pytest.raises(VLFeedbackError, match="lies outside of"):
        list(adapter.read(dataset))
    with pytest.raises(VLFeedbackError, match="lies outside of"):
        adapter.write_relabelled(tmp_path / "copy", whole, origin=dataset)
    assert not (tmp_path / "copy").exists()


def test_a_copy_takes_nothing_that_a_link_fetches_from_outside(
    dataset: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("mine")
    (dataset / "notes.txt").symlink_to(tmp_path / "secret")
    whole = relabelled(dataset)
    with pytest.raises(InvalidValueError, match=r"'notes.txt', which lies outside of"):
        adapter.write_relabelled(tmp_path / "copy", whole, origin=dataset)
    assert not (tmp_path / "copy").exists()


def test_the_cache_of_the_hub_is_read_and_copied(dataset: Path, tmp_path: Path) -> None:
    repository = tmp_path / "datasets--ada--robot"
    snapshot = repository / "snapshots" / "0a1b"
    (repository / "blobs").mkdir(parents=True)
    for number, path in enumerate(p for p in sorted(dataset.rglob("*")) if p.is_file()):
        blob, link = repository / "blobs" / str(number), snapshot / path.relative_to(dataset)
        link.parent.mkdir(parents=True, exist_ok=True)
        path.rename(blob)
        link.symlink_to(os.path.relpath(blob, link.parent))
    before = state(repository)
    adapter.write_relabelled(tmp_path / "copy", relabelled(snapshot), origin=snapshot)
    copies = list(adapter.read(tmp_path / "copy"))
    assert [t.rewards.sum() for t in copies if t.rewards is not None] == [15, 90, 12]
    assert copies[1].frames is not None and copies[1].frames.read([29]).shape == (1, 16, 32, 3)
    assert state(repository) == before
    assert not [path for path in (tmp_path / "copy").rglob("*") if path.is_symlink()]


def test_a_copy_writes_into_no_file_that_it_shares_with_its_origin(tmp_path: Path) -> None:
    # Videos are linked: rows that pose as one would be written through the link.
    paths = PATHS | {"data_path": "rows/{chunk_index}-{file_index:02d}.mp4"}
    origin = lay_out(tmp_path / "robot", paths=paths, cameras=())
    before = state(origin)
    adapter.write_relabelled(tmp_path / "copy", relabelled(origin), origin=origin)
    assert state(origin) == before
    assert [float(t.rewards[0]) for t in adapter.read(tmp_path / "copy") if t.rewards is not None]


def test_a_copy_keeps_files_that_only_look_like_data(tmp_path: Path) -> None:
    origin = lay_out(tmp_path / "robot", cameras=("data",))
    (origin / "data" / "README").write_text("of the rows")
    adapter.write_relabelled(tmp_path / "copy", relabelled(origin), origin=origin)
    assert (tmp_path / "copy" / "data" / "README").read_text() == "of the rows"
    (_, read, _) = adapter.read(tmp_path / "copy", camera="data")
    assert read.frames is not None and len(read.frames.read([0, 29])) == 2
