"""One name for a dataset of any format: read it, and copy it with other rewards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from vlfeedback.adapters import hdf5, npz
from vlfeedback.adapters.formats import open_dataset
from vlfeedback.data.collection import Collection
from vlfeedback.data.trajectories import pictures_are, read_trajectories, write_trajectories
from vlfeedback.errors import (
    FileFormatError,
    InvalidTypeError,
    InvalidValueError,
    NeedsError,
    ShapeError,
    UnknownNameError,
)
from vlfeedback.types import SCATTERED, ArrayFrames, Trajectory


def episode(name: str, length: int = 4, *, pictures: bool = False) -> Trajectory:
    shown = np.zeros((length + 1, 8, 8, 3), np.uint8)
    return Trajectory(
        observations=np.full((length + 1, 2), len(name), np.float32),
        actions=np.zeros((length, 1), np.float32),
        env_rewards=np.arange(length, dtype=np.float32),
        frames=ArrayFrames(np.arange(length + 1), shown) if pictures else None,
        truncated=True,
        id=name,
    )


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    root = tmp_path / "mtvlp"
    made = Collection.create(root, {"episodes": 2})
    for task in ("reach", "push"):
        for level in ("random", "expert", SCATTERED):
            names = [f"{task}/{level}/{n}" for n in range(2)]
            write_trajectories(made.path(task, level), map(episode, names))
    return root


def ids(trajectories: Iterator[Trajectory]) -> list[str]:
    return [trajectory.id for trajectory in trajectories]


def paid(trajectories: Iterator[Trajectory]) -> Iterator[Trajectory]:
    for n, trajectory in enumerate(trajectories):
        yield replace(trajectory, rewards=np.full(len(trajectory), n, np.float32))


def test_a_collection_is_read_task_by_task_without_its_scattered_scenes(collection: Path) -> None:
    dataset = open_dataset(collection)
    assert (dataset.format, dataset.total) == ("collection", 8)
    assert ids(dataset.read()) == [
        f"{task}/{level}/{n}"
        for task in ("push", "reach")
        for level in ("expert", "random")
        for n in (0, 1)
    ]


def test_a_task_and_a_level_of_a_collection_have_names_of_their_own(collection: Path) -> None:
    assert open_dataset(collection / "reach").total == 4
    level = open_dataset(f"{collection}/reach/expert")
    assert (level.format, level.total) == ("trajectories", 2)
    assert ids(level.read()) == ["reach/expert/0", "reach/expert/1"]
    assert open_dataset(collection / "reach" / f"{SCATTERED}.h5").total == 2  # where it is named


def test_a_copy_of_a_collection_has_its_layout_and_says_what_gave_the_rewards(
    collection: Path, tmp_path: Path
) -> None:
    dataset, out = open_dataset(collection), tmp_path / "paid"
    copy = dataset.new_copy(str(out))
    copy.write(paid(dataset.read()), {"source": "vlp", "instruction": None})
    written = open_dataset(out)
    rewards = [float(t.rewards[0]) for t in written.read() if t.rewards is not None]
    assert rewards == [0, 1, 2, 3, 4, 5, 6, 7]
    assert ids(written.read()) == ids(dataset.read())
    assert ids(iter(Collection.open(out).load("push", ["random"]))) == [
        "push/random/0",
        "push/random/1",
    ]
    said = json.loads((out / "collection.json").read_text())
    assert said == {"episodes": 2, "relabelled": {"source": "vlp", "instruction": None}}
    with pytest.raises(FileFormatError, match="relabelled was"):  # no more is collected into it
        Collection.create(out, {"episodes": 2})


@pytest.mark.parametrize(("drop", "word"), [(1, "there is none"), (-1, "more")])
def test_a_copy_is_of_all_trajectories_or_there_is_none(
    collection: Path, tmp_path: Path, drop: int, word: str
) -> None:
    dataset = open_dataset(collection)
    copy = dataset.new_copy(str(tmp_path / "paid"))
    relabelled = list(paid(dataset.read()))
    given = relabelled[:-drop] if drop > 0 else [*relabelled, relabelled[0]]
    with pytest.raises(ShapeError, match=word):
        copy.write(given, {})
    assert {path.name for path in tmp_path.iterdir()} == {"mtvlp"}


def test_pictures_of_a_copy_are_packed_as_they_were(tmp_path: Path) -> None:
    pytest.importorskip("av")
    for kind in ("lzf", "video"):
        path = tmp_path / f"{kind}.h5"
        write_trajectories(path, [episode("a", pictures=True)], pictures=kind)
        dataset = open_dataset(path)
        dataset.new_copy(str(tmp_path / f"{kind}-copy.h5")).write(paid(dataset.read()), {})
        assert pictures_are(tmp_path / f"{kind}-copy.h5") == kind
        (copied,) = read_trajectories(tmp_path / f"{kind}-copy.h5")
        assert copied.frames is not None and copied.frames.read([0, 4]).sum() == 0


def test_flat_files_are_told_by_their_endings_and_contents(tmp_path: Path) -> None:
    hdf5.write(tmp_path / "d4rl.hdf5", [episode("a"), episode("b")])
    npz.write(tmp_path / "flat.npz", [episode("a"), episode("b")])
    for name, kind in (("d4rl.hdf5", "hdf5"), ("flat.npz", "npz")):
        dataset = open_dataset(tmp_path / name, {"trust_terminals": True})
        assert (dataset.format, dataset.total) == (kind, None)
        assert dataset.reading == {"trust_terminals": True}
        assert len(list(dataset.read())) == len(list(dataset.read())) == 2  # again and again


def test_what_killed_writers_left_is_cleaned_with_the_rewards_of_the_copy(tmp_path: Path) -> None:
    write_trajectories(tmp_path / "a.h5", [episode("a")])
    copy = open_dataset(tmp_path / "a.h5").new_copy(str(tmp_path / "b.h5"))
    (tmp_path / "b.h5.4194305-ab.partial").touch()
    (tmp_path / ".b.h5.4194305-ab.partial").mkdir()
    (tmp_path / "bb.h5.4194305-ab.partial").touch()  # of another
    copy.finished.mkdir()
    copy.clean()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5", "bb.h5.4194305-ab.partial"]


def test_names_of_no_dataset_are_refused(collection: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    for name, error, message in (
        ("hub:x", UnknownNameError, "of no known format; expected a path, minari:ID or lerobot"),
        (str(tmp_path / "no.h5"), FileNotFoundError, "there is no such file"),
        (str(tmp_path / "empty"), UnknownNameError, "without episodes .* lerobot:.*empty if"),
        (str(tmp_path / "notes.txt"), UnknownNameError, r"end in one of \.h5, \.hdf5, \.npz"),
        ("lerobot:" + str(tmp_path), FileNotFoundError, "has no meta/info.json"),
    ):
        with pytest.raises(error, match=message):
            open_dataset(name)
    with pytest.raises(UnknownNameError, match="has nothing to choose in reading"):
        open_dataset(collection, {"camera": "top"})
    npz.write(tmp_path / "flat.npz", [episode("a")])
    with pytest.raises(
        UnknownNameError, match=r"flat\.npz has no setting 'camera'\. It has: trust"
    ):
        open_dataset(tmp_path / "flat.npz", {"camera": "top"})
    for value in ("false", 0, None):
        with pytest.raises(
            InvalidTypeError, match=r"'trust_terminals' of reading .* expected bool\."
        ):
            open_dataset(tmp_path / "flat.npz", {"trust_terminals": value})


def test_copies_of_another_format_or_in_the_way_are_refused(
    collection: Path, tmp_path: Path
) -> None:
    dataset = open_dataset(collection)
    (tmp_path / "there").mkdir()
    for out, error, message in (
        (str(tmp_path / "there"), FileExistsError, "there already; choose another folder"),
        (str(collection / "copy"), InvalidValueError, "lies in .*mtvlp, of which"),
        ("lerobot:x", UnknownNameError, "differ in format; write x"),
        ("x.h5", UnknownNameError, "is a folder and so is its copy; x.h5 names a file"),
    ):
        with pytest.raises(error, match=message):
            dataset.new_copy(out)


def test_a_flat_copy_needs_rewards_of_all_or_none(tmp_path: Path) -> None:
    npz.write(tmp_path / "flat.npz", [episode("a"), episode("b")])
    dataset = open_dataset(tmp_path / "flat.npz")
    first, second = dataset.read()
    copy = dataset.new_copy(str(tmp_path / "copy.npz"))
    with pytest.raises(NeedsError):
        copy.write([replace(first, rewards=np.zeros(4, np.float32)), second], {})
    assert not (tmp_path / "copy.npz").exists()


def test_a_copy_of_a_collection_has_what_else_lies_in_it(collection: Path, tmp_path: Path) -> None:
    (collection / "reach" / "task.json").write_text("{}")
    (collection / "notes.txt").write_text("mine")
    (collection / "push" / "expert.h5.1-ab.partial").touch()
    (collection / ".lock").touch()
    (tmp_path / "secret").write_text("of the machine")
    (collection / "away").symlink_to(tmp_path / "secret")
    with h5py.File(collection / "push" / "expert.h5", "a") as file:
        file["000000"].attrs["unknown"], file["000000/extra"] = "kept", np.arange(3)
    dataset = open_dataset(collection)
    dataset.new_copy(str(tmp_path / "paid")).write(paid(dataset.read()), {"source": "vlp"})
    names = sorted(
        p.relative_to(tmp_path / "paid").as_posix()
        for p in (tmp_path / "paid").rglob("*")
        if not p.is_dir()
    )
    files = [f"{t}/{k}.h5" for t in ("push", "reach") for k in ("expert", "random", SCATTERED)]
    assert names == sorted([*files, "away", "collection.json", "notes.txt", "reach/task.json"])
    assert (tmp_path / "paid" / "away").is_symlink()
    with h5py.File(tmp_path / "paid" / "push" / "expert.h5") as file:
        assert file["000000"].attrs["unknown"] == "kept"
        assert file["000000/extra"][:].tolist() == [0, 1, 2]
        assert set(file["000000"]) == {"observations", "actions", "env_rewards", "extra", "rewards"}


def test_a_copy_of_a_copy_has_the_newest_rewards_alone(tmp_path: Path) -> None:
    write_trajectories(tmp_path / "a.h5", [episode("a", pictures=True)])
    for origin, out in (("a", "b"), ("b", "c")):
        dataset = open_dataset(tmp_path / f"{origin}.h5")
        given = [replace(t, rewards=np.full(4, ord(out), np.float32)) for t in dataset.read()]
        dataset.new_copy(str(tmp_path / f"{out}.h5")).write(given, {})
    (read,) = read_trajectories(tmp_path / "c.h5")
    assert read.rewards is not None and read.rewards.tolist() == [99.0] * 4
    assert read.env_rewards is not None and read.env_rewards.tolist() == [0, 1, 2, 3]
    assert read.frames is not None and read.frames.read([0, 4]).sum() == 0
