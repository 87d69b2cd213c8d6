"""Trajectories to and from HDF5, without loss; pictures are read lazily.

A file holds one group a trajectory and is whole or absent (`vlfeedback.data.hdf5_files`). Its
pictures are compressed losslessly: one by one (LZF), or as a video, which is far smaller.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from jaxtyping import Int64, UInt8

from vlfeedback.data.hdf5_files import new_hdf5, open_hdf5
from vlfeedback.data.video_frames import decode_pictures, encode_pictures, has_encoder
from vlfeedback.errors import FileFormatError
from vlfeedback.types import Trajectory, rows_of

__all__ = [
    "HDF5Frames",
    "PictureFormat",
    "count_trajectories",
    "iter_trajectories",
    "pictures_are",
    "read_trajectories",
    "write_trajectories",
]

PictureFormat = Literal["lzf", "video"]
"""How pictures are kept; both without loss."""

_FORMAT = "vlfeedback-trajectories"
_VERSION = 2  # 2 where a file has videos; without any it is written as 1
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
        with open_hdf5(self.path) as file:
            group = file[self.group]
            if "video" in group:
                return decode_pictures(group["video"][:].tobytes(), rows)[inverse]
            pictures = group["pictures"]
            whole = len(rows) * 2 > len(self.times)  # one sweep beats many small reads
            return np.asarray((pictures[:][rows] if whole else pictures[rows])[inverse])

    def digest(self) -> bytes:
        """Of the pictures as they are packed; see `vlfeedback.data.contents.DigestedFrames`."""
        digest = sha256()
        with open_hdf5(self.path) as file:
            group = file[self.group]
            packed = group["video" if "video" in group else "pictures"]
            for number in range(packed.id.get_num_chunks() if packed.chunks else 0):
                where = packed.id.get_chunk_info(number).chunk_offset
                digest.update(packed.id.read_direct_chunk(where)[1])
            if not packed.chunks:
                digest.update(np.ascontiguousarray(packed[()]).data)
        return digest.digest()


def write_trajectories(
    path: Path, trajectories: Iterable[Trajectory], *, pictures: PictureFormat = "lzf"
) -> int:
    """Write trajectories to one file, whole or not at all; one is held at a time.

    Args:
        path: where to.
        trajectories: any number, such as what `vlfeedback.relabel` yields.
        pictures: "lzf" packs them one by one; reading any of them is fast. "video" packs them as
            lossless H.264: an eighth of that for a picture of every step of a Meta-World episode,
            a quarter where they are 7 steps apart, and 4 to 9 times as long to read all of them;
            reading a single one decodes up to 12. Where PyAV is not installed, "lzf" is used.

    Returns:
        How many were written.

    Raises:
        OSError: the disk is full or not writable; what was at `path` before is untouched.
    """
    video = pictures == "video" and has_encoder()
    with new_hdf5(path) as new:
        with new.open() as file:
            file.attrs.update(format=_FORMAT, version=2 if video else 1)
        n_trajectories = 0
        for trajectory in trajectories:
            with new.open() as file:
                _write_one(file.create_group(f"{n_trajectories:06d}"), trajectory, video)
            n_trajectories += 1
        with new.open() as file:
            file.attrs["n_trajectories"] = n_trajectories
    return n_trajectories


def read_trajectories(path: Path) -> list[Trajectory]:
    """Read all trajectories of a file; their pictures stay on disk until asked for.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: the file is truncated, foreign, or of a newer version.
    """
    return list(iter_trajectories(path))


def iter_trajectories(path: Path) -> Iterator[Trajectory]:
    """Read the trajectories of a file one at a time; see `read_trajectories`."""
    with open_hdf5(path) as file:
        _check(path, file)
        names = sorted(file)
    for name in names:
        with open_hdf5(path) as file:
            trajectory = _read_one(path, file[name])
        yield trajectory


def count_trajectories(path: Path) -> int:
    """How many trajectories a file has; see `read_trajectories` for what is raised."""
    with open_hdf5(path) as file:
        _check(path, file)
        return len(file)


def pictures_are(path: Path) -> PictureFormat:
    """How the pictures of a file are kept, if it has any; see `read_trajectories` for errors."""
    with open_hdf5(path) as file:
        _check(path, file)
        return "video" if int(file.attrs["version"]) == 2 else "lzf"


def _check(path: Path, file: h5py.File) -> None:
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
    if len(file) != int(file.attrs["n_trajectories"]):
        raise FileFormatError(
            f"{path} holds {len(file)} of {file.attrs['n_trajectories']} trajectories; "
            "it was damaged. Delete it and collect it again."
        )


def _write_one(group: h5py.Group, trajectory: Trajectory, video: bool) -> None:
    header = {
        "id": trajectory.id,
        "task": trajectory.task,
        "terminated": trajectory.terminated,
        "truncated": trajectory.truncated,
        "info": trajectory.facts(),
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
        if video and len(pictures):
            group.create_dataset("video", data=np.frombuffer(encode_pictures(pictures), np.uint8))
            return
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
