"""The formats that `vlfeedback relabel` reads and writes, chosen by how a dataset is named."""

from __future__ import annotations

import glob
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlfeedback.errors import UnknownNameError

if TYPE_CHECKING:
    from vlfeedback.types import Trajectory

__all__ = ["RelabelJob", "open_job"]

_SUFFIXES = (".h5", ".hdf5", ".npz")


@dataclass(frozen=True)
class RelabelJob:
    """A dataset that is read, and the copy that is written."""

    read: Callable[[], Iterator[Trajectory]]
    total: int | None  # trajectories, where that is known at once
    write: Callable[[Iterable[Trajectory], dict[str, Any]], Any]  # with source and instruction
    finished: Path  # folder that keeps rewards until the copy is whole
    reader: str  # module and function that read the copy
    copy: str  # what that function takes, in Python

    def clean(self) -> None:
        """Delete the rewards that were kept, and what killed commands left of the copy."""
        shutil.rmtree(self.finished, ignore_errors=True)
        copy = self.finished.name.removesuffix(".rewards")
        for left in self.finished.parent.glob(f"{glob.escape(copy)}.*.partial"):
            left.unlink(missing_ok=True)


def open_job(data: str, out: str, reading: dict[str, Any]) -> RelabelJob:
    """What to read and write.

    Args:
        data: a path, ``minari:ID`` or ``lerobot:FOLDER``.
        out: the copy, named likewise.
        reading: settings of the format's adapter.

    Raises:
        UnknownNameError: no known format, two different ones, or an unknown setting.
        FileNotFoundError: there is no such dataset.
        FileExistsError: there is something at `out`.
    """
    kind, _, name = data.rpartition(":")
    out_kind, _, out_name = out.rpartition(":")
    formats = {"": _file, "minari": _minari, "lerobot": _lerobot}
    if kind not in formats:
        raise UnknownNameError(
            f"--data {data} is of no known format; expected a path, minari:ID or lerobot:FOLDER."
        )
    if out_kind != kind:
        raise UnknownNameError(
            f"--out {out} and --data {data} differ in format; write --out "
            f"{kind + ':' if kind else ''}{out_name}."
        )
    try:
        return formats[kind](name, out_name, reading)
    except TypeError as error:
        if "unexpected keyword" not in str(error):
            raise
        raise UnknownNameError(
            f"--reading {json.dumps(reading)}: {error}; see vlfeedback.adapters for what each "
            "format takes."
        ) from error


def _file(data: str, out: str, reading: dict[str, Any]) -> RelabelJob:
    path, to = Path(data), Path(out)
    if path.is_dir():
        example = min(path.rglob("*.h5"), default=path / "expert.h5")
        raise UnknownNameError(
            f"--data {path} is a folder; name one of its files, such as {example}, or write "
            f"lerobot:{path} if LeRobot made it."
        )
    if not path.is_file():
        raise FileNotFoundError(f"--data {path}: there is no such file.")
    if path.suffix not in _SUFFIXES or to.suffix != path.suffix:
        raise UnknownNameError(
            f"--data {path} and --out {to}: expected both to end in the same one of "
            f"{', '.join(_SUFFIXES)}."
        )
    if to.exists():
        raise FileExistsError(f"--out {to} is there already; choose another name.")
    if path.suffix != ".npz" and _is_ours(path):
        return _trajectories(path, to, reading)
    from vlfeedback.adapters import hdf5, npz

    adapter = npz if path.suffix == ".npz" else hdf5
    adapter.read(path, **reading)
    return RelabelJob(
        read=lambda: adapter.read(path, **reading),
        total=None,
        write=lambda trajectories, _: adapter.write(to, trajectories),
        finished=_beside(to),
        reader=f"{adapter.__name__}.read",
        copy=f"Path({out!r})",
    )


def _is_ours(path: Path) -> bool:
    from vlfeedback.data.hdf5_files import open_hdf5

    with open_hdf5(path) as file:
        return "format" in file.attrs


def _trajectories(path: Path, to: Path, reading: dict[str, Any]) -> RelabelJob:
    from vlfeedback.data import trajectories

    if reading:
        raise UnknownNameError(f"--reading {json.dumps(reading)}: {path} has nothing to choose.")
    return RelabelJob(
        read=lambda: trajectories.iter_trajectories(path),
        total=trajectories.count_trajectories(path),
        write=lambda relabelled, _: trajectories.write_trajectories(to, relabelled),
        finished=_beside(to),
        reader="vlfeedback.data.trajectories.read_trajectories",
        copy=f"Path({str(to)!r})",
    )


def _minari(data: str, out: str, reading: dict[str, Any]) -> RelabelJob:
    from vlfeedback.adapters import minari

    minari.check_new_id(out)
    minari.read(data, **reading)
    return RelabelJob(
        read=lambda: minari.read(data, **reading),
        total=None,
        write=lambda trajectories, record: minari.write_relabelled(
            out, trajectories, origin=data, **record
        ),
        finished=Path(out.replace("/", "-") + ".rewards"),
        reader="vlfeedback.adapters.minari.read",
        copy=repr(out),
    )


def _lerobot(data: str, out: str, reading: dict[str, Any]) -> RelabelJob:
    from vlfeedback.adapters import lerobot

    path, to = Path(data), Path(out)
    if to.exists():
        raise FileExistsError(f"--out {to} is there already; choose another folder.")
    lerobot.read(path, **reading)
    return RelabelJob(
        read=lambda: lerobot.read(path, **reading),
        total=None,
        write=lambda trajectories, _: lerobot.write_relabelled(to, trajectories, origin=path),
        finished=_beside(to),
        reader="vlfeedback.adapters.lerobot.read",
        copy=f"Path({out!r})",
    )


def _beside(to: Path) -> Path:
    return to.with_name(f"{to.name}.rewards")
