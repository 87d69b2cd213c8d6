"""Collections for VLP's training in a folder that travels: lossy video, and the numbers it reads.

Pictures, the states in them, rewards and successes. States between pictures come back as those of
the picture before, and actions as zeros.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from jaxtyping import Shaped, UInt8
from rich.progress import track

from vlfeedback.data.collection import Collection
from vlfeedback.data.trajectories import read_trajectories, write_trajectories
from vlfeedback.data.whole_files import new_folder, read_json, write_json
from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.types import SCATTERED, ArrayFrames, Trajectory

MAX_BYTES = 64 * 2**20
RATE_FACTOR = 26  # of x264: 250 bytes a picture of an episode, 32 dB
_PRESENT, _GOAL = slice(0, 18), slice(-3, None)  # of a Meta-World observation, what is read of it
_SIZE = 39  # of a Meta-World observation
_MANIFEST = "collection.json"
_ORDER = "order.json"  # of the collections


def pack(roots: Sequence[Path], out: Path, *, rate_factor: int = RATE_FACTOR) -> int:
    """Write a folder that `unpack` makes collections of again; returns its bytes.

    Args:
        roots: collections with pictures; the first has scattered scenes.
        out: a new folder.
        rate_factor: of the video; more is smaller, and worse.

    Raises:
        InvalidValueError: it has 64 MiB or more, or `out` is there already.
        NeedsError: a trajectory has no pictures, or no rewards though it is an episode.
    """
    if out.exists():
        raise InvalidValueError(f"{out} is there already; choose a new folder.")
    with new_folder(out) as partial:
        write_json(partial / _ORDER, {"collections": [root.name for root in roots]})
        for root in roots:
            settings = read_json(root / _MANIFEST, advice="Collect it again.")
            (partial / root.name).mkdir()
            write_json(partial / root.name / _MANIFEST, settings)
            Collection.open(root)  # refuses what is none
            for file in track(sorted(root.glob("*/*.h5")), f"packing {root.name}"):
                target = partial / root.name / file.parent.name
                target.mkdir(exist_ok=True)
                _pack_level(file, target, rate_factor)
        size = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
        if size >= MAX_BYTES:
            raise InvalidValueError(
                f"The pack would have {size / 2**20:.1f} MiB, and may have less than "
                f"{MAX_BYTES / 2**20:.0f}. Pack fewer collections, or take a rate factor above "
                f"{rate_factor}."
            )
    return size


def unpack(folder: Path, out: Path) -> list[Collection]:
    """Collections of what `pack` wrote, in the order they were given there.

    Args:
        folder: of `pack`.
        out: where they are made, unless they were: a training that goes on needs the same files.
    """
    names = read_json(folder / _ORDER, advice="Pack it again.")["collections"]
    if not out.exists():
        with new_folder(out) as partial:
            for name in names:
                _unpack_collection(folder / name, partial / name)
    return [Collection.open(out / name) for name in names]


def _unpack_collection(folder: Path, out: Path) -> None:
    out.mkdir()
    write_json(out / _MANIFEST, read_json(folder / _MANIFEST, advice="Pack it again."))
    for file in track(sorted(folder.glob("*/*.npz")), f"unpacking {folder.name}"):
        (out / file.parent.name).mkdir(exist_ok=True)
        write_trajectories(out / file.parent.name / f"{file.stem}.h5", _unpack_level(file))


def _pack_level(file: Path, target: Path, rate_factor: int) -> None:
    trajectories = list(read_trajectories(file))
    times = [_times(trajectory) for trajectory in trajectories]
    pictures = (t.frames.read(at) for t, at in zip(trajectories, times, strict=True) if t.frames)
    _write_video(target / f"{file.stem}.mp4", pictures, rate_factor)
    is_episode = trajectories[0].level != SCATTERED
    numbers: dict[str, Any] = {
        "lengths": [len(t) for t in trajectories],
        "levels": [t.level for t in trajectories],
        "times": times[0],
        "states": [
            _read_entries(t.observations[at]) for t, at in zip(trajectories, times, strict=True)
        ],
    }
    if is_episode:
        numbers["rewards"] = np.concatenate([_given(t, "env_rewards") for t in trajectories])
        numbers["successes"] = np.concatenate([_given(t, "successes") for t in trajectories])
    np.savez_compressed(target / f"{file.stem}.npz", **numbers)


def _times(trajectory: Trajectory) -> Shaped[np.ndarray, " F"]:
    if trajectory.frames is None:
        raise NeedsError(f"{trajectory!r} has no pictures; collect it again.")
    return trajectory.frames.times


def _given(trajectory: Trajectory, name: str) -> np.ndarray:
    array = getattr(trajectory, name)
    if array is None:
        raise NeedsError(f"{trajectory!r} has no {name}; collect it again.")
    return np.asarray(array)


def _read_entries(observations: Shaped[np.ndarray, "F 39"]) -> Shaped[np.ndarray, "F 21"]:
    """To half a millimetre, which is what half precision leaves of a metre."""
    parts = [observations[:, _PRESENT], observations[:, _GOAL]]
    return np.concatenate(parts, axis=1).astype(np.float16)


def _unpack_level(file: Path) -> Iterator[Trajectory]:
    with np.load(file) as numbers:  # no pickle: numpy refuses it
        arrays = {name: numbers[name] for name in numbers.files}
    times, ends = arrays["times"], np.cumsum(arrays["lengths"])
    decoder = _read_video(file.with_suffix(".mp4"))
    for k, (length, end) in enumerate(zip(arrays["lengths"].tolist(), ends.tolist(), strict=True)):
        pictures = np.stack([next(decoder) for _ in times])
        states = arrays["states"][k].astype(np.float32)
        shown = np.searchsorted(times, np.arange(length + 1), side="right") - 1
        observations = np.zeros((length + 1, _SIZE), np.float32)
        observations[:, _PRESENT], observations[:, _GOAL] = states[shown, :-3], states[shown, -3:]
        of_episode = slice(end - length, end)
        yield Trajectory(
            observations,
            np.zeros((length, 4), np.float32),
            env_rewards=arrays["rewards"][of_episode] if "rewards" in arrays else None,
            successes=arrays["successes"][of_episode] if "successes" in arrays else None,
            truncated=True,
            frames=ArrayFrames(times, pictures),
            task=file.parent.name,
            level=str(arrays["levels"][k]),
            id=f"{file.parent.name}/{file.stem}/{k}",
        )


def _write_video(
    path: Path, stacks: Iterable[UInt8[np.ndarray, "F H W 3"]], rate_factor: int
) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.pix_fmt = "yuv444p"  # half a colour is much of a picture of 112 px
        stream.options = {"crf": str(rate_factor), "preset": "slow"}
        for k, picture in enumerate(itertools.chain.from_iterable(stacks)):
            if k == 0:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def _read_video(path: Path) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")
