"""HDF5 files of others hand over nothing else of the machine; those of ours notice damage."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from vlfeedback.data.hdf5_files import new_hdf5, open_hdf5, write_array
from vlfeedback.data.trajectories import count_trajectories, read_trajectories, write_trajectories
from vlfeedback.errors import FileFormatError, InvalidValueError
from vlfeedback.types import ArrayFrames, Trajectory


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the machine that no dataset may hand over."""
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["numbers"] = np.arange(6.0)
    (tmp_path / "secret.txt").write_bytes(np.arange(6.0).tobytes())
    return tmp_path / "secret.h5"


def external_link(file: h5py.File, secret: Path) -> None:
    file["numbers"] = h5py.ExternalLink(str(secret), "/numbers")


def link_through_a_link(file: h5py.File, secret: Path) -> None:
    file["other"] = h5py.ExternalLink(str(secret), "/")
    file["numbers"] = h5py.SoftLink("/other/numbers")


def external_storage(file: h5py.File, secret: Path) -> None:
    where = [(str(secret.with_suffix(".txt")), 0, 48)]
    file.create_dataset("numbers", (6,), "f8", external=where)


def virtual_dataset(file: h5py.File, secret: Path) -> None:
    layout = h5py.VirtualLayout((6,), "f8")
    layout[:] = h5py.VirtualSource(str(secret), "numbers", (6,))
    file.create_virtual_dataset("numbers", layout)


WAYS_OUT = [external_link, link_through_a_link, external_storage, virtual_dataset]


@pytest.mark.parametrize("way_out", WAYS_OUT)
def test_nothing_outside_of_a_file_is_read(
    tmp_path: Path, secret: Path, way_out: Callable[[h5py.File, Path], None]
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        way_out(file, secret)
        assert file["numbers"][:].tolist() == [0, 1, 2, 3, 4, 5]  # HDF5 itself hands it over
    with (
        open_hdf5(tmp_path / "a.h5") as guarded,
        pytest.raises(FileFormatError, match=r"a\.h5: .*numbers.*; nothing outside of a file"),
    ):
        guarded["numbers"]


def test_links_inside_of_a_file_are_followed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["deep/numbers"] = np.arange(3.0)
        file["deep/beside"] = h5py.SoftLink("numbers")
        file["from the top"] = h5py.SoftLink("/deep/beside")
    with open_hdf5(tmp_path / "a.h5") as guarded:
        assert guarded["from the top"][:].tolist() == [0, 1, 2]
        assert guarded["deep"]["beside"][:].tolist() == [0, 1, 2]
        assert "deep/none" not in guarded and "deep/numbers/none" not in guarded


def test_links_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink("/a")
    with open_hdf5(tmp_path / "a.h5") as guarded, pytest.raises(FileFormatError, match="chain"):
        guarded["a"]


@pytest.mark.parametrize("options", [{"shape": (2**40, 3)}, {"shape": (3,), "chunks": (2**29,)}])
def test_an_array_that_the_file_cannot_hold_is_not_allocated(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset(
            "numbers",
            dtype="f4",
            maxshape=(None, 3)[: len(options["shape"])],
            **{"chunks": True, **options},
        )
    with (
        open_hdf5(tmp_path / "a.h5") as guarded,
        pytest.raises(FileFormatError, match=r"'numbers' has .* which no compression"),
    ):
        guarded["numbers"]


# --- damage of our own files


def episode(length: int = 5) -> Trajectory:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (length + 1, 4, 4, 3), dtype=np.uint8)
    return Trajectory(
        observations=rng.normal(size=(length + 1, 2)).astype(np.float32),
        actions=rng.normal(size=(length, 2)).astype(np.float32),
        env_rewards=rng.normal(size=length).astype(np.float32),
        frames=ArrayFrames(np.arange(length + 1), pictures),
        task="reach",
        id="reach/0",
        info={"note": "as it was"},
    )


def everything(path: Path) -> Any:
    read = read_trajectories(path)
    return [
        (
            t.observations.tobytes(),
            t.actions.tobytes(),
            None if t.env_rewards is None else t.env_rewards.tobytes(),
            None if t.frames is None else t.frames.read(t.frames.times).tobytes(),
            (t.id, t.task, t.terminated, t.truncated, t.facts()),
        )
        for t in read
    ]


def test_a_flipped_bit_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_trajectories(path, [episode(), episode(3)])
    whole, sound = path.read_bytes(), everything(path)
    rng, n_noticed = np.random.default_rng(0), 0
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            assert everything(path) == sound
        except FileFormatError:
            n_noticed += 1
    assert n_noticed > 40


@pytest.mark.parametrize("name", ["observations", "actions", "env_rewards", "pictures", "times"])
def test_a_number_that_has_changed_on_disk_is_noticed(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.h5"
    write_trajectories(path, [episode()])
    with h5py.File(path) as file:
        at = file[f"000000/{name}"].id.get_chunk_info(0).byte_offset
    damaged = bytearray(path.read_bytes())
    damaged[at + 3] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(FileFormatError, match="is no readable trajectory file"):
        everything(path)


def test_a_header_that_has_changed_is_noticed_and_one_without_digest_is_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.h5"
    write_trajectories(path, [episode()])
    with h5py.File(path, "a") as file:
        header = json.loads(file["000000"].attrs["header"])
        file["000000"].attrs["header"] = json.dumps(header | {"task": "push"})
    with pytest.raises(FileFormatError, match="header of /000000 is not what was written"):
        read_trajectories(path)
    with h5py.File(path, "a") as file:
        del file["000000"].attrs["header_sha256"]  # as earlier releases wrote it
    assert read_trajectories(path)[0].task == "push"


def test_files_of_earlier_releases_are_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs.update(format="vlfeedback-trajectories", version=1, n_trajectories=1)
        group = file.create_group("000000")
        group.attrs["header"] = json.dumps({"id": "old/0", "info": {"seed": 3}})
        group["observations"], group["actions"] = np.ones((3, 2)), np.ones((2, 1))
        group["times"] = np.array([0, 2])
        group.create_dataset("pictures", data=np.ones((2, 4, 4, 3), np.uint8), compression="lzf")
    (read,) = read_trajectories(tmp_path / "old.h5")
    assert (read.id, read.seed, len(read)) == ("old/0", 3, 2)
    assert read.frames is not None and read.frames.read([2]).sum() == 48


# --- contents that no learner can use


def change(path: Path, name: str, array: np.ndarray) -> None:
    with h5py.File(path, "a") as file:
        del file[f"000000/{name}"]
        file[f"000000/{name}"] = array


@pytest.mark.parametrize(
    ("name", "array", "error", "message"),
    [
        ("observations", np.full((6, 2), np.nan), InvalidValueError, "observations .* NaN"),
        ("actions", np.full((5, 2), np.inf), InvalidValueError, "actions .* in row 0"),
        ("env_rewards", np.array([0, 0, np.nan, 0, 0]), InvalidValueError, "in row 2"),
        ("env_rewards", np.zeros((5, 2)), ValueError, "env_rewards has shape"),
        ("actions", np.array([b"left"] * 5), TypeError, "actions is .*expected numbers"),
        ("times", np.zeros((6, 2), int), ValueError, "times are .*; expected each state once"),
        ("times", np.array([0, 1, 2, 3, 3, 4]), ValueError, "times are .*; expected each state"),
        ("times", np.arange(6) - 1, ValueError, "times are .*; expected each state"),
        ("pictures", np.zeros((6, 3, 4, 4), np.uint8), ValueError, "pictures has shape"),
        ("pictures", np.zeros((6, 4, 4, 3), np.float32), TypeError, "expected uint8"),
        ("pictures", np.zeros((5, 4, 4, 3), np.uint8), ValueError, r"expected \(6, H, W, 3\)"),
    ],
)
def test_arrays_that_are_not_what_they_should_be_are_named(
    tmp_path: Path, name: str, array: np.ndarray, error: type[Exception], message: str
) -> None:
    write_trajectories(tmp_path / "a.h5", [episode()])
    change(tmp_path / "a.h5", name, array)
    with pytest.raises(error, match=message):
        read_trajectories(tmp_path / "a.h5")


def test_rewards_that_are_all_nan_are_not_known(tmp_path: Path) -> None:
    write_trajectories(tmp_path / "a.h5", [episode()])
    change(tmp_path / "a.h5", "env_rewards", np.full(5, np.nan, np.float32))
    assert read_trajectories(tmp_path / "a.h5")[0].env_rewards is None


def test_what_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    broken = Trajectory(np.full((3, 2), np.nan), np.zeros((2, 1)), id="broken/0")
    with pytest.raises(InvalidValueError, match="'broken/0': observations has a number that is"):
        write_trajectories(tmp_path / "a.h5", [episode(), broken])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "header", ["null", "[]", '{"id": 3}', '{"info": []}', '{"info": {"seed": "x"}}', "[" * 9999]
)
def test_a_header_of_something_else_is_damage(tmp_path: Path, header: str) -> None:
    write_trajectories(tmp_path / "a.h5", [episode()])
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file["000000"].attrs["header_sha256"]
        file["000000"].attrs["header"] = header
    with pytest.raises(
        FileFormatError, match=r"a\.h5 is no readable trajectory file: .*header|nest"
    ):
        read_trajectories(tmp_path / "a.h5")


def test_groups_that_nobody_knows_are_left_alone(tmp_path: Path) -> None:
    write_trajectories(tmp_path / "a.h5", [episode()])
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["notes/mine"] = np.arange(3)
    assert count_trajectories(tmp_path / "a.h5") == 1


def test_a_copy_begins_bit_by_bit(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["numbers"] = np.arange(3.0)
    with new_hdf5(tmp_path / "b.h5", origin=tmp_path / "a.h5") as new:
        pass
    assert (tmp_path / "b.h5").read_bytes() == (tmp_path / "a.h5").read_bytes()
    with new_hdf5(tmp_path / "b.h5", origin=tmp_path / "a.h5") as new, new.open() as copy:
        write_array(copy, "more", np.arange(2.0))
    with h5py.File(io.BytesIO((tmp_path / "b.h5").read_bytes())) as copied:
        assert sorted(copied) == ["more", "numbers"] and copied["more"].fletcher32
