"""Minari's datasets that are damaged, or mean harm: refused in a sentence, and nothing runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import h5py
import numpy as np
import pytest

from vlfeedback.adapters import minari as adapter
from vlfeedback.errors import FileFormatError, InvalidValueError, NeedsError, VLFeedbackError

minari = pytest.importorskip("minari")

from tests.adapters.test_minari_forms import create  # noqa: E402

BOX = gym.spaces.Box(-9, 9, (3,))
DATA = Path("forms", "a-v0", "data")


@pytest.fixture(autouse=True)
def local_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    yield tmp_path / "minari"


def change_metadata(root: Path, **changes: Any) -> None:
    path = root / DATA / "metadata.json"
    metadata = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in metadata.items() if v is not None}))


def read_all() -> list[Any]:
    return list(adapter.read("forms/a-v0"))


@pytest.mark.parametrize("space", ["observation_space", "action_space"])
def test_no_environment_that_a_dataset_names_is_made(
    local_datasets: Path, tmp_path: Path, space: str
) -> None:
    create(BOX)
    spec = {
        "id": "Harm-v0",
        "entry_point": "os:makedirs",
        "kwargs": {"name": str(tmp_path / "touched")},
        "additional_wrappers": [],
    }
    change_metadata(local_datasets, env_spec=json.dumps(spec), **{space: None})
    with pytest.raises(NeedsError, match=rf"does not say its {space}.*minari\.load_dataset\("):
        adapter.read("forms/a-v0")
    with pytest.raises(NeedsError, match="runs whatever code the dataset names"):
        adapter.write_relabelled("forms/b-v0", [], origin="forms/a-v0")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("total", [10**12, 10**400, -1, 2.5, "2", [], None])
def test_a_number_of_episodes_that_is_none_is_refused(local_datasets: Path, total: Any) -> None:
    create(BOX)
    change_metadata(local_datasets, total_episodes=total)
    with pytest.raises(FileFormatError, match=r"metadata\.json"):
        read_all()


@pytest.mark.parametrize(
    "space",
    [
        {"type": "Box", "dtype": "float32", "shape": [10**6, 10**6], "low": 0, "high": 1},
        {"type": "Dict", "subspaces": {"a": {"type": "Box", "shape": [10**11], "dtype": "int8"}}},
        {"type": "Nothing"},
        [],
        None,
    ],
)
def test_a_space_that_is_none_or_would_not_fit_is_refused(local_datasets: Path, space: Any) -> None:
    create(BOX)
    change_metadata(local_datasets, observation_space=json.dumps(space))
    with pytest.raises(
        FileFormatError,
        match=r"get it again with: minari download|metadata\.json has .* a space has",
    ):
        read_all()


@pytest.mark.parametrize(
    "name", ["../a-v0", "/tmp/a-v0", "forms/../a-v0", "", "a b-v0", "forms//a"]
)
def test_an_id_that_climbs_is_none(name: str) -> None:
    create(BOX)
    with pytest.raises(InvalidValueError, match="is no id of Minari"):
        adapter.read(name)


@pytest.mark.parametrize("storage", ["hdf5", "arrow"])
def test_a_link_that_leads_out_is_not_followed(
    local_datasets: Path, tmp_path: Path, storage: str
) -> None:
    create(BOX, storage=storage)
    part = local_datasets / DATA / ("main_data.hdf5" if storage == "hdf5" else "1")
    part.rename(tmp_path / "elsewhere")
    part.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidValueError, match="lies outside of"):
        read_all()


@pytest.mark.parametrize("kind", ["link", "external", "virtual", "absurd"])
@pytest.mark.parametrize("name", ["observations", "rewards", "infos/goal"])
def test_an_array_that_lies_elsewhere_or_would_not_fit_is_not_read(
    local_datasets: Path, tmp_path: Path, kind: str, name: str
) -> None:
    create(BOX, infos=lambda n: {"goal": np.zeros((n, 3))})
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["secret"] = np.ones((5, 3), np.float32)
    np.ones(15, np.float32).tofile(tmp_path / "secret.bin")
    with h5py.File(local_datasets / DATA / "main_data.hdf5", "r+") as file:
        shape, place = file[f"episode_0/{name}"].shape, f"episode_0/{name}"
        del file[place]
        if kind == "link":
            file[place] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "secret")
        elif kind == "external":
            raw = [(str(tmp_path / "secret.bin"), 0, h5py.h5f.UNLIMITED)]
            file.create_dataset(place, shape, np.float32, external=raw)
        elif kind == "virtual":
            layout = h5py.VirtualLayout(shape, np.float32)
            source = h5py.VirtualSource(str(tmp_path / "secret.h5"), "secret", (5, 3))
            layout[...] = source[: shape[0]] if len(shape) == 2 else source[: shape[0], 0]
            file.create_virtual_dataset(place, layout)
        else:
            file.create_dataset(place, (10**11, *shape[1:]), np.float32, chunks=(64, *shape[1:]))
    with pytest.raises(FileFormatError, match=r"main_data\.hdf5"):
        read_all()


@pytest.mark.parametrize("key", ["rewards", "actions", "terminations", "truncations"])
def test_arrays_of_other_lengths_are_refused(local_datasets: Path, key: str) -> None:
    create(BOX)
    with h5py.File(local_datasets / DATA / "main_data.hdf5", "r+") as file:
        rows = file[f"episode_1/{key}"][:-1]
        del file[f"episode_1/{key}"]
        file[f"episode_1/{key}"] = rows
    with pytest.raises(FileFormatError, match="forms/a-v0/000001 has 3 steps"):
        read_all()


@pytest.mark.parametrize("storage", ["hdf5", "arrow", "parquet"])
def test_whatever_a_flipped_bit_does_is_a_sentence(local_datasets: Path, storage: str) -> None:
    create(BOX, storage=storage)
    files = sorted(p for p in local_datasets.rglob("*") if p.is_file() and p.stat().st_size)
    rng = np.random.default_rng(0)
    n_refused = 0
    for _ in range(60):
        path = files[rng.integers(len(files))]
        whole = path.read_bytes()
        contents = bytearray(whole)
        contents[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(contents)
        try:
            read_all()
        except VLFeedbackError as error:
            assert "forms/a-v0" in str(error) or "main_data" in str(error)
            n_refused += 1
        path.write_bytes(whole)
    assert n_refused > 5
