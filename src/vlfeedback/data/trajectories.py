"""Trajectories to and from HDF5, without loss; pictures are read lazily.

A file holds one group a trajectory and is whole or absent (`vlfeedback.data.hdf5_files`). Its
pictures are compressed losslessly: one by one (LZF), or as a video, which is far smaller.
Checksums and a digest of each header are compared when they are read; files of earlier releases
have none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from jaxtyping import Float32, Int64, UInt8

from vlfeedback.data.foreign_files import reading
from vlfeedback.data.hdf5_files import new_hdf5, open_hdf5, write_array
from vlfeedback.data.hdf5_groups import HDF5Group
from vlfeedback.data.trajectory_checks import (
    check_arrays,
    check_header,
    check_stored_pictures,
    check_times,
)
from vlfeedback.data.video_frames import decode_pictures, encode_pictures, has_encoder
from vlfeedback.errors import FileFormatError, ShapeError
from vlfeedback.types import ArrayFrames, Trajectory, rows_of

__all__ = [
    "HDF5Frames",
    "PictureFormat",
    "count_trajectories",
    "is_trajectory_file",
    "iter_ids",
    "iter_trajectories",
    "pictures_are",
    "read_trajectories",
    "with_pictures_in_memory",
    "write_rewards",
    "write_trajectories",
]

PictureFormat = Literal["lzf", "video"]
"""How pictures are kept; both without loss."""

_FORMAT = "vlfeedback-trajectories"
_VERSIONS = (1, 2)  # 2 where a file has videos; without any it is written as 1
_ARRAYS = ("observations", "actions", "env_rewards", "rewards", "successes")
_WHAT, _ADVICE = (
    "trajectory file",
    "It is truncated, damaged or of another format: delete it and collect it again, or take a "
    "whole copy.",
)
_HEADER, _DIGEST = "header", "header_sha256"


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
            group = file[self.group]
            if "video" in group:
                video = group["video"][:].tobytes()
                with reading(self.path, "file of pictures kept as video", advice=_ADVICE):
                    return decode_pictures(video, rows)[inverse]
            pictures = group["pictures"]
            check_stored_pictures(pictures, len(self.times))
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
    path: str | Path, trajectories: Iterable[Trajectory], *, pictures: PictureFormat = "lzf"
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
        InvalidValueError: a number is NaN or infinite.
        ShapeError: rewards or successes are not (L,).
        DtypeError: an array holds no numbers.
        OSError: the disk is full or not writable; what was at `path` before is untouched.
    """
    video = pictures == "video" and has_encoder()
    with new_hdf5(path) as new:
        with new.open() as file:
            file.attrs.update(format=_stored(_FORMAT), version=2 if video else 1)
        n_trajectories = 0
        for trajectory in trajectories:
            with new.open() as file:
                _write_one(file.create_group(_group(n_trajectories)), trajectory, video)
            n_trajectories += 1
        with new.open() as file:
            file.attrs["n_trajectories"] = n_trajectories
    return n_trajectories


def read_trajectories(path: str | Path) -> list[Trajectory]:
    """Read all trajectories of a file; their pictures stay on disk until asked for.

    ``env_rewards`` that are all NaN are not known.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: the file is truncated, damaged, foreign, or of a newer version.
        InvalidValueError: a number is NaN or infinite.
    """
    return list(iter_trajectories(path))


def iter_trajectories(path: str | Path) -> Iterator[Trajectory]:
    """Read the trajectories of a file one at a time; see `read_trajectories`."""
    path = Path(path)
    for number in range(count_trajectories(path)):
        with _open(path) as file:
            trajectory = _read_one(path, file[_group(number)])
        yield trajectory


def iter_ids(path: str | Path) -> Iterator[tuple[str, int]]:
    """Each trajectory's id and number of steps; see `read_trajectories` for what is raised."""
    path = Path(path)
    for number in range(count_trajectories(path)):
        with _open(path) as file:
            group = file[_group(number)]
            identity = (str(_read_header(group).get("id", "")), len(group["actions"]))
        yield identity


def count_trajectories(path: str | Path) -> int:
    """How many trajectories a file has; see `read_trajectories` for what is raised."""
    path = Path(path)
    with _open(path) as file:
        _check(path, file)
        return _count(file)


def pictures_are(path: str | Path) -> PictureFormat:
    """How the pictures of a file are kept, if it has any; see `read_trajectories` for errors."""
    path = Path(path)
    with _open(path) as file:
        _check(path, file)
        return "video" if int(file.attrs["version"]) == 2 else "lzf"


def is_trajectory_file(file: HDF5Group) -> bool:
    """Whether an opened file is one of these, sound or not."""
    return _format(file) == _FORMAT


def with_pictures_in_memory(trajectory: Trajectory) -> Trajectory:
    """The same episode, whose pictures need no file."""
    frames = trajectory.frames
    if frames is None:
        return trajectory
    times = np.asarray(frames.times)
    return replace(trajectory, frames=ArrayFrames(times, frames.read(times)))


def write_rewards(file: h5py.File, number: int, rewards: Float32[np.ndarray, " L"]) -> None:
    """Set the rewards of one trajectory of a file that is open for writing."""
    group = file[_group(number)]
    if group.get("rewards", getlink=True) is not None:  # also one that leads nowhere
        del group["rewards"]
    write_array(group, "rewards", rewards)


def _open(path: Path) -> AbstractContextManager[HDF5Group]:
    return open_hdf5(path, _WHAT, advice=_ADVICE)


def _group(number: int) -> str:
    return f"{number:06d}"


def _count(file: HDF5Group) -> int:
    return sum(name.isdigit() for name in file)


def _check(path: Path, file: HDF5Group) -> None:
    if _format(file) != _FORMAT:
        raise FileFormatError(
            f"{path} is HDF5 but no trajectory file of vlfeedback (format="
            f"{_format(file)!r}); convert it with the adapter of its own format."
        )
    version = int(file.attrs["version"])
    if version > max(_VERSIONS):
        raise FileFormatError(
            f"{path} has version {version}; this release reads up to {max(_VERSIONS)}. Upgrade "
            "vlfeedback."
        )
    if version not in _VERSIONS:
        raise FileFormatError(f"{path} has version {version}, of which there is none. {_ADVICE}")
    if _count(file) != int(file.attrs["n_trajectories"]):
        raise FileFormatError(
            f"{path} holds {_count(file)} of {file.attrs['n_trajectories']} trajectories; "
            "it was damaged. Delete it and collect it again."
        )


def _write_one(group: h5py.Group, trajectory: Trajectory, video: bool) -> None:
    arrays = {name: getattr(trajectory, name) for name in _ARRAYS}
    arrays = {name: np.asarray(array) for name, array in arrays.items() if array is not None}
    check_arrays(arrays, where=f"Trajectory {trajectory.id!r}")
    header = json.dumps(
        {
            "id": trajectory.id,
            "task": trajectory.task,
            "terminated": trajectory.terminated,
            "truncated": trajectory.truncated,
            "info": trajectory.facts(),
        }
    )
    group.attrs[_HEADER], group.attrs[_DIGEST] = _stored(header), _stored(_digest(header))
    for name, array in arrays.items():
        write_array(group, name, array)
    if trajectory.frames is not None:
        times = np.asarray(trajectory.frames.times, dtype=np.int64)
        pictures = trajectory.frames.read(times)
        check_stored_pictures(pictures, len(times))
        write_array(group, "times", times)
        if video and len(pictures):
            write_array(group, "video", np.frombuffer(encode_pictures(pictures), np.uint8))
            return
        chunk = (min(8, len(pictures)), *pictures.shape[1:])
        write_array(group, "pictures", pictures, chunks=chunk, compression="lzf")


def _read_one(path: Path, group: HDF5Group) -> Trajectory:
    fields = _read_header(group)
    arrays: dict[str, Any] = {n: np.asarray(group[n]) for n in _ARRAYS if n in group}
    where = f"{path}, trajectory {group.name}"
    check_arrays(arrays, where=where)
    if "env_rewards" in arrays and np.isnan(arrays["env_rewards"]).all():
        del arrays["env_rewards"]
    if "times" in group:
        times = np.asarray(group["times"])
        check_times(times, where=where)
        if "pictures" in group:
            check_stored_pictures(group["pictures"], len(times))
        fields["frames"] = HDF5Frames(path, group.name, times)
    try:
        return Trajectory(**arrays, **fields)
    except ShapeError as error:
        raise FileFormatError(f"{where}: {error} {_ADVICE}") from error


def _read_header(group: HDF5Group) -> dict[str, Any]:
    text = _text(group.attrs[_HEADER])
    if _DIGEST in group.attrs and _text(group.attrs[_DIGEST]) != _digest(text):
        raise ValueError(f"the header of {group.name} is not what was written")
    header = json.loads(text)
    check_header(header)
    return dict(header)


def _format(file: HDF5Group) -> object:
    value = file.attrs.get("format")
    return _text(value) if isinstance(value, str | bytes) else value


def _stored(text: str) -> np.bytes_:
    """A text of fixed length, which HDF5 keeps where it has checksums.

    Others it keeps elsewhere, and never ends reading some that are damaged.
    """
    return np.bytes_(text.encode())


def _text(stored: str | bytes) -> str:
    return stored.decode() if isinstance(stored, bytes) else stored


def _digest(header: str) -> str:
    return sha256(header.encode()).hexdigest()
