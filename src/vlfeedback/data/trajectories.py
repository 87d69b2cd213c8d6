"""Trajectories to and from HDF5, without loss; pictures are read lazily.

A file is written beside its final name and renamed when whole, so a reader finds all of it or
nothing; what a killed process leaves is a `*.partial`, which nothing reads. A file holds one
group a trajectory; pictures are compressed losslessly (LZF).
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from json import JSONDecodeError
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Int64, UInt8

from vlfeedback.errors import FileFormatError, ShapeError
from vlfeedback.types import Trajectory, rows_of

__all__ = ["HDF5Frames", "read_trajectories", "write_trajectories"]

_FORMAT = "vlfeedback-trajectories"
_VERSION = 1
_ARRAYS = ("observations", "actions", "env_rewards", "rewards", "successes")


@dataclass(frozen=True, slots=True, eq=False)
class HDF5Frames:
    """Pictures of one trajectory in a file; opened only while reading."""

    path: Path
    group: str
    times: Int64[np.ndarray, " F"]

    def read(self, times: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "K H W 3"]:
        """Pictures of these states; see `vlfeedback.types.Frames.read`."""
        rows, inverse = np.unique(rows_of(self.times, times), return_inverse=True)
        with _open(self.path) as file:
            pictures = file[self.group]["pictures"]
            whole = len(rows) * 2 > len(self.times)  # one sweep beats many small reads
            return np.asarray((pictures[:][rows] if whole else pictures[rows])[inverse])


def write_trajectories(path: Path, trajectories: Sequence[Trajectory]) -> None:
    """Write trajectories to one file, whole or not at all; it is put together in memory.

    Raises:
        OSError: the disk is full or not writable; what was at `path` before is untouched.
    """
    image = io.BytesIO()  # HDF5 takes the whole process down when it meets a full disk itself
    with h5py.File(image, "w") as file:
        file.attrs.update(format=_FORMAT, version=_VERSION, n_trajectories=len(trajectories))
        for index, trajectory in enumerate(trajectories):
            _write_one(file.create_group(f"{index:06d}"), trajectory)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as disk:
            disk.write(image.getbuffer())
            os.fsync(disk.fileno())
        partial.replace(path)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full; free some space" if full else str(error)
        raise OSError(
            f"Could not write {path}: {reason}. Nothing of this file was kept and files finished "
            "earlier are whole; run the same command again to go on."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def read_trajectories(path: Path) -> list[Trajectory]:
    """Read all trajectories of a file; their pictures stay on disk until asked for.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: the file is truncated, foreign, or of a newer version.
    """
    with _open(path) as file:
        if file.attrs.get("format") != _FORMAT:
            raise FileFormatError(
                f"{path} is HDF5 but no trajectory file of vlfeedback (format="
                f"{file.attrs.get('format')!r}); convert it with the adapter of its own format."
            )
        if int(file.attrs["version"]) > _VERSION:
            raise FileFormatError(
                f"{path} has version {file.attrs['version']}; this release reads up to "
                f"{_VERSION}. Upgrade vlfeedback."
            )
        groups = sorted(file)
        if len(groups) != int(file.attrs["n_trajectories"]):
            raise FileFormatError(
                f"{path} holds {len(groups)} of {file.attrs['n_trajectories']} trajectories; "
                "it was damaged. Delete it and collect it again."
            )
        return [_read_one(path, file[name]) for name in groups]


@contextlib.contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading; whatever its contents break on is a `FileFormatError`."""
    if not path.is_file():
        raise FileNotFoundError(f"No trajectory file {path}.")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, RuntimeError, TypeError, ShapeError, JSONDecodeError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the system's own, such as too many open files: the contents may be sound
        raise FileFormatError(
            f"{path} cannot be read ({error}): truncated, damaged, or of another format. "
            "Delete it and collect it again."
        ) from error


def _write_one(group: h5py.Group, trajectory: Trajectory) -> None:
    header = {
        "id": trajectory.id,
        "task": trajectory.task,
        "terminated": trajectory.terminated,
        "truncated": trajectory.truncated,
        "info": trajectory.info,
    }
    group.attrs["header"] = json.dumps(header)
    for name in _ARRAYS:
        array = getattr(trajectory, name)
        if array is not None:
            group.create_dataset(name, data=array)
    if trajectory.frames is not None:
        times = np.asarray(trajectory.frames.times, dtype=np.int64)
        pictures = trajectory.frames.read(times)
        group.create_dataset("times", data=times)
        group.create_dataset(
            "pictures",
            data=pictures,
            chunks=(min(8, len(pictures)), *pictures.shape[1:]),
            compression="lzf",
        )


def _read_one(path: Path, group: h5py.Group) -> Trajectory:
    fields: dict[str, Any] = json.loads(group.attrs["header"])
    for name in _ARRAYS:
        if name in group:
            fields[name] = np.asarray(group[name])
    if "times" in group:
        fields["frames"] = HDF5Frames(path, group.name, np.asarray(group["times"]))
    return Trajectory(**fields)
