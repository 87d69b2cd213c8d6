"""One way to name a dataset of any known format, to read it, and to copy it with other rewards.

- a path that ends in ``.h5`` or ``.hdf5``: trajectories of vlfeedback, D4RL's flat arrays, or a
  file of robomimic or ManiSkill; its contents tell which
- a path that ends in ``.npz``: flat arrays
- a folder of `vlfeedback collect`, of all its tasks, of one (``mtvlp/drawer-close``) or of a level
  of one (``mtvlp/drawer-close/expert``); scattered scenes are no episodes and left out
- ``minari:ID``: a local dataset of Minari
- ``lerobot:FOLDER``: a LeRobotDataset v3.0
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

from vlfeedback.adapters import trajectory_copies
from vlfeedback.adapters.relabelled_copies import refuse_more
from vlfeedback.data.hdf5_files import open_hdf5
from vlfeedback.data.locks import LOCK
from vlfeedback.data.trajectories import (
    count_trajectories,
    is_trajectory_file,
    iter_trajectories,
)
from vlfeedback.data.unfinished import tell_unfinished
from vlfeedback.data.whole_files import (
    delete_partials,
    is_partial,
    new_folder,
    read_json,
    write_json,
)
from vlfeedback.errors import InvalidValueError, UnknownNameError
from vlfeedback.scoring.reward_store import RewardStore
from vlfeedback.setting_types import checked_settings
from vlfeedback.types import SCATTERED, Trajectory

__all__ = ["Dataset", "NewCopy", "finished_rewards", "open_dataset"]

_SUFFIXES = (".h5", ".hdf5", ".npz")


@dataclass(frozen=True, slots=True)
class Dataset:
    """An opened dataset: its trajectories are read from disk at each iteration.

    Attributes:
        name: what it was opened by.
        format: "trajectories", "collection", "hdf5", "npz", "robomimic", "maniskill", "minari" or
            "lerobot".
        reading: settings of the format's adapter.
        total: trajectories, where that is known at once.
        read: yields the trajectories in order; few are held at a time. Raises what the format's
            adapter raises for what is damaged.
        new_copy: where a copy with other rewards is to be, of the same format; see `NewCopy`.
            Raises UnknownNameError for a name of another format, FileExistsError where there is
            something.
    """

    name: str
    format: str
    reading: Mapping[str, Any]
    total: int | None
    read: Callable[[], Iterator[Trajectory]]
    new_copy: Callable[[str], NewCopy]


@dataclass(frozen=True, slots=True)
class NewCopy:
    """A copy with other rewards that is to be written.

    Attributes:
        path: file or folder that will hold it.
        finished: folder beside it, for rewards until the copy is whole (`relabel`'s ``resume``).
        write: takes what `Dataset.read` yielded, all of it and in order, relabelled, and what is
            to be recorded with it: ``source``, as `vlfeedback.rewards.source_to_json` gives it, and
            ``instruction``. The copy is whole, or absent after an error.
    """

    path: Path
    finished: Path
    write: Callable[[Iterable[Trajectory], Mapping[str, Any]], object]

    def clean(self) -> None:
        """Delete the rewards that were kept, and what killed processes left of the copy.

        Files of others that lie among them stay.
        """
        RewardStore.remove(self.finished)
        delete_partials(self.path)


def open_dataset(name: str | Path, reading: Mapping[str, Any] | None = None) -> Dataset:
    """Find a dataset and what reads it; no trajectory is read yet.

    Args:
        name: a path, ``"minari:ID"`` or ``"lerobot:FOLDER"``; see above.
        reading: settings of the format's adapter, such as ``{"camera": "top"}``: the keyword
            arguments of ``read`` in `vlfeedback.adapters.hdf5`, ``npz``, ``robomimic``,
            ``maniskill``, ``minari`` or ``lerobot``.

    Raises:
        UnknownNameError: no known format, or an unknown setting.
        InvalidTypeError: a setting is of another type than the adapter takes.
        FileNotFoundError: there is no such dataset.
        FileFormatError: it is damaged.

    Example:
        >>> dataset = open_dataset("mtvlp/drawer-close")  # doctest: +SKIP
        >>> trajectories = list(dataset.read())  # doctest: +SKIP
    """
    kind, _, address = str(name).rpartition(":")
    openers = {"": _open_path, "minari": _open_minari, "lerobot": _open_lerobot}
    if kind not in openers:
        raise UnknownNameError(
            f"{name} is of no known format; expected a path, minari:ID or lerobot:FOLDER."
        )
    return openers[kind](address, dict(reading or {}))


def _open_path(name: str, reading: dict[str, Any]) -> Dataset:
    path = Path(name)
    level = path.with_name(f"{path.name}.h5")
    if path.is_dir():
        return _open_collection(path, reading)
    if not path.exists() and level.is_file():
        path = level
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file.")
    if path.suffix not in _SUFFIXES:
        raise UnknownNameError(
            f"{path} is of no known format; expected it to end in one of {', '.join(_SUFFIXES)}."
        )
    kind = "npz" if path.suffix == ".npz" else _kind_of_hdf5(path)
    if kind == "trajectories":
        return _open_trajectories(path, reading)
    adapter = _adapter(kind)
    reading = checked_settings(adapter.read, reading, of=f"reading {path}")
    adapter.read(path, **reading)

    def new_copy(out: str) -> NewCopy:
        to = _new_file(path, out)
        return NewCopy(
            to,
            finished_rewards(to),
            lambda relabelled, _: adapter.write_relabelled(to, relabelled, origin=path, **reading),
        )

    return Dataset(
        name=str(path),
        format=kind,
        reading=reading,
        total=None,
        read=lambda: adapter.read(path, **reading),
        new_copy=new_copy,
    )


def _kind_of_hdf5(path: Path) -> str:
    """The format of a file, by what is in it."""
    from vlfeedback.adapters import maniskill, robomimic

    with open_hdf5(path) as file:
        if is_trajectory_file(file):
            return "trajectories"
        if robomimic.is_robomimic(file):
            return "robomimic"
        return "maniskill" if maniskill.is_maniskill(file) else "hdf5"


def _adapter(kind: str) -> ModuleType:
    from vlfeedback.adapters import hdf5, maniskill, npz, robomimic

    return {"hdf5": hdf5, "npz": npz, "robomimic": robomimic, "maniskill": maniskill}[kind]


def _open_trajectories(path: Path, reading: dict[str, Any]) -> Dataset:
    _refuse(reading, path)

    def new_copy(out: str) -> NewCopy:
        to = _new_file(path, out)
        return NewCopy(
            to,
            finished_rewards(to),
            lambda relabelled, _: trajectory_copies.write_relabelled(to, relabelled, origin=path),
        )

    return Dataset(
        name=str(path),
        format="trajectories",
        reading=reading,
        total=count_trajectories(path),
        read=lambda: iter_trajectories(path),
        new_copy=new_copy,
    )


def _open_collection(path: Path, reading: dict[str, Any]) -> Dataset:
    tell_unfinished(path)
    _refuse(reading, path)
    files = [file for file in sorted(path.rglob("*.h5")) if file.stem != SCATTERED]
    if not files:
        raise UnknownNameError(
            f"{path} is a folder without episodes (*.h5); name a folder of `vlfeedback collect`, "
            f"or write lerobot:{path} if LeRobot made it."
        )
    counts = {file: count_trajectories(file) for file in files}

    def new_copy(out: str) -> NewCopy:
        to = _new_folder(path, _same_kind("", str(path), out))
        if to.suffix in _SUFFIXES:
            raise UnknownNameError(f"{path} is a folder and so is its copy; {to} names a file.")
        return NewCopy(
            to,
            finished_rewards(to),
            lambda relabelled, record: _copy_collection(path, to, counts, relabelled, record),
        )

    return Dataset(
        name=str(path),
        format="collection",
        reading=reading,
        total=sum(counts.values()),
        read=lambda: (t for file in files for t in iter_trajectories(file)),
        new_copy=new_copy,
    )


def _copy_collection(
    root: Path,
    to: Path,
    counts: Mapping[Path, int],
    relabelled: Iterable[Trajectory],
    record: Mapping[str, Any],
) -> None:
    remaining = iter(relabelled)
    with new_folder(to) as partial:
        # Links stay links: what they lead to is not the collection's.
        shutil.copytree(root, partial, symlinks=True, ignore=_left_out(counts), dirs_exist_ok=True)
        for file, count in counts.items():
            copy = partial / file.relative_to(root)
            trajectory_copies.write_relabelled(copy, islice(remaining, count), origin=file)
        refuse_more(remaining, str(root))
        if (root / "collection.json").is_file():
            settings = read_json(root / "collection.json", advice="Restore it.")
            write_json(partial / "collection.json", {**settings, "relabelled": dict(record)})


def _left_out(files: Iterable[Path]) -> Callable[[str, list[str]], set[str]]:
    """What is not copied as it is: files that get other rewards, and what is being written."""

    def ignore(folder: str, names: list[str]) -> set[str]:
        paths = {name: Path(folder) / name for name in names}
        return {n for n, p in paths.items() if p in files or is_partial(p) or n == LOCK}

    return ignore


def _open_minari(name: str, reading: dict[str, Any]) -> Dataset:
    from vlfeedback.adapters import minari

    reading = checked_settings(minari.read, reading, of=f"reading minari:{name}")
    minari.read(name, **reading)

    def new_copy(out: str) -> NewCopy:
        new_id = _same_kind("minari", name, out)
        folder = minari.check_new_id(new_id)
        return NewCopy(
            folder,
            finished_rewards(f"minari:{new_id}"),
            lambda relabelled, record: minari.write_relabelled(
                new_id, relabelled, origin=name, **record
            ),
        )

    return Dataset(
        name=f"minari:{name}",
        format="minari",
        reading=reading,
        total=None,
        read=lambda: minari.read(name, **reading),
        new_copy=new_copy,
    )


def _open_lerobot(name: str, reading: dict[str, Any]) -> Dataset:
    from vlfeedback.adapters import lerobot

    path = Path(name)
    reading = checked_settings(lerobot.read, reading, of=f"reading lerobot:{name}")
    lerobot.read(path, **reading)

    def new_copy(out: str) -> NewCopy:
        to = _new_folder(path, _same_kind("lerobot", name, out))
        return NewCopy(
            to,
            finished_rewards(to),
            lambda relabelled, _: lerobot.write_relabelled(to, relabelled, origin=path),
        )

    return Dataset(
        name=f"lerobot:{name}",
        format="lerobot",
        reading=reading,
        total=None,
        read=lambda: lerobot.read(path, **reading),
        new_copy=new_copy,
    )


def _refuse(reading: dict[str, Any], path: Path) -> None:
    if reading:
        raise UnknownNameError(f"{json.dumps(reading)}: {path} has nothing to choose in reading.")


def _same_kind(kind: str, name: str, out: str) -> str:
    """What follows ``"kind:"`` in the name of a copy."""
    out_kind, _, address = out.rpartition(":")
    if out_kind != kind:
        expected = f"{kind}:{address}" if kind else address
        origin = f"{kind}:{name}" if kind else name
        raise UnknownNameError(f"{out} and {origin} differ in format; write {expected}.")
    return address


def _new_file(path: Path, out: str) -> Path:
    to = Path(_same_kind("", str(path), out))
    if to.suffix != path.suffix:
        raise UnknownNameError(
            f"{path} and {to}: expected both to end in the same one of {', '.join(_SUFFIXES)}."
        )
    if to.exists():
        raise FileExistsError(f"{to} is there already; choose another name.")
    return to


def _new_folder(path: Path, out: str) -> Path:
    to = Path(out)
    if to.exists():
        raise FileExistsError(f"{to} is there already; choose another folder.")
    if path.resolve() in to.resolve().parents:
        raise InvalidValueError(f"{to} lies in {path}, of which it is to be a copy; name another.")
    return to


def finished_rewards(out: str | Path) -> Path:
    """Where the rewards for a copy of this name are kept until it is whole."""
    kind, _, address = str(out).rpartition(":")
    path = Path(address.replace("/", "-") if kind == "minari" else address)
    return path.with_name(f"{path.name}.rewards")
