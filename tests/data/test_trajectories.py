"""Trajectory files: lossless, whole or absent, and honest about what they cannot read."""

import os
import resource
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import h5py
import jaxtyping
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.data.episodes_by_hand import assert_same, episode

from vlfeedback.data.trajectories import (
    HDF5Frames,
    PictureFormat,
    count_trajectories,
    iter_trajectories,
    read_trajectories,
    write_trajectories,
)
from vlfeedback.errors import FileFormatError, NeedsError
from vlfeedback.types import ArrayFrames, Frames, Trajectory

# --- what is written comes back


def test_every_element_comes_back_in_order(tmp_path: Path) -> None:
    written = [
        episode(0),
        episode(1, length=1, terminated=True, truncated=False),
        episode(2, env_rewards=None, successes=None, frames=None, info={}),
    ] * 4  # more than ten, so that the order is not that of digits
    write_trajectories(tmp_path / "deep" / "er" / "all.h5", written)
    read = read_trajectories(tmp_path / "deep" / "er" / "all.h5")
    assert len(read) == len(written)
    for one, other in zip(read, written, strict=True):
        assert_same(one, other)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), length=st.integers(1, 5), flags=st.tuples(st.booleans(), st.booleans()))
def test_any_shape_and_dtype_comes_back(
    tmp_path: Path, data: st.DataObject, length: int, flags: tuple[bool, bool]
) -> None:
    def rows(n: int) -> np.ndarray:
        dtype = data.draw(st.sampled_from(["f4", "f8", "i8", "u1", "?"]))
        shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, max_side=3))
        numbers = st.floats(-9, 9, width=32) if dtype.startswith("f") else None
        return data.draw(hnp.arrays(dtype, (n, *shape), elements=numbers))

    times = sorted(data.draw(st.sets(st.integers(0, length), min_size=1)))
    pictures = data.draw(hnp.arrays(np.uint8, (len(times), 2, 3, 3)))
    json_values = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)
    written = Trajectory(
        observations=rows(length + 1),
        actions=rows(length),
        frames=ArrayFrames(np.array(times), pictures),
        terminated=flags[0],
        truncated=flags[1],
        info=data.draw(st.dictionaries(st.text(), json_values, max_size=3)),
    )
    write_trajectories(tmp_path / "any.h5", [written])
    (read,) = read_trajectories(tmp_path / "any.h5")
    assert_same(read, written)


def test_no_trajectories_are_a_file_too(tmp_path: Path) -> None:
    write_trajectories(tmp_path / "none.h5", [])
    assert read_trajectories(tmp_path / "none.h5") == []


def test_a_file_can_be_written_from_another_file(tmp_path: Path) -> None:
    write_trajectories(tmp_path / "a.h5", [episode()])
    write_trajectories(tmp_path / "b.h5", read_trajectories(tmp_path / "a.h5"))
    assert_same(read_trajectories(tmp_path / "b.h5")[0], episode())


# --- pictures stay on disk


@pytest.mark.parametrize("times", [[15], [15, 0, 15], [1, 8, 0, 15], []])
def test_pictures_are_read_in_the_order_asked(tmp_path: Path, times: list[int]) -> None:
    write_trajectories(tmp_path / "a.h5", [episode()])
    frames = read_trajectories(tmp_path / "a.h5")[0].frames
    assert isinstance(frames, HDF5Frames) and isinstance(frames, Frames)
    expected = episode().frames
    assert expected is not None
    np.testing.assert_array_equal(frames.read(times), expected.read(times))


def test_a_state_without_a_picture_is_named(tmp_path: Path) -> None:
    write_trajectories(tmp_path / "a.h5", [episode()])
    frames = read_trajectories(tmp_path / "a.h5")[0].frames
    assert frames is not None
    with pytest.raises(NeedsError, match="State 2 was not rendered"):
        frames.read([2])


def test_no_file_stays_open_and_a_vanished_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_trajectories(path, [episode()])
    frames = read_trajectories(path)[0].frames
    assert frames is not None
    frames.read([0])
    assert not any(path.samefile(f) for f in Path("/proc/self/fd").iterdir() if f.exists())
    path.unlink()
    with pytest.raises(FileNotFoundError, match=f"No trajectory file {path}"):
        frames.read([0])


def test_memory_holds_only_the_pictures_asked_for(tmp_path: Path) -> None:
    size, length = 64, 280  # 41 pictures of 12 kB each, in each of eight trajectories
    write_trajectories(tmp_path / "a.h5", [episode(i, length, size) for i in range(8)])

    def read_two_of_each() -> None:
        for trajectory in read_trajectories(tmp_path / "a.h5"):
            assert trajectory.frames is not None
            assert len(trajectory.frames.read([1, 8])) == 2

    read_two_of_each()  # imports, once and for all
    tracemalloc.start()
    try:
        read_two_of_each()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 41 * size * size * 3  # one trajectory's pictures


def test_reading_and_writing_hold_one_trajectory_at_a_time(tmp_path: Path) -> None:
    size, length, n = 64, 50, 20  # 51 pictures of 12 kB in each

    def many() -> Iterator[Trajectory]:
        for seed in range(n):
            times, shape = np.arange(length + 1), (length + 1, size, size, 3)
            frames = ArrayFrames(times, np.full(shape, seed, np.uint8))
            yield episode(seed, length, frames=frames)

    def copy() -> None:
        assert write_trajectories(tmp_path / "a.h5", many()) == n
        write_trajectories(tmp_path / "b.h5", iter_trajectories(tmp_path / "a.h5"))

    tracemalloc.start()
    try:
        copy()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * length * size * size * 3
    assert count_trajectories(tmp_path / "b.h5") == n


# --- pictures as video


def moving(n: int, height: int, width: int) -> np.ndarray:
    """A square that moves over a shaded background, as in a rendering."""
    y, x = np.mgrid[:height, :width]
    shade = np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], axis=2).astype(np.uint8)
    pictures = np.repeat(shade[None], n, axis=0)
    for i in range(n):
        pictures[i, height // 3 : height // 2, i : i + width // 4] = [255, 30, i]
    return pictures


@pytest.fixture
def pictured() -> Trajectory:
    frames = ArrayFrames(np.arange(31), moving(31, 48, 47))
    return episode(0, 30, frames=frames, rewards=np.arange(30, dtype=np.float32))


def test_a_video_gives_every_bit_back(tmp_path: Path, pictured: Trajectory) -> None:
    pytest.importorskip("av")
    noisy = episode(1)
    write_trajectories(tmp_path / "a.h5", [pictured, noisy], pictures="video")
    for read, written in zip(read_trajectories(tmp_path / "a.h5"), [pictured, noisy], strict=True):
        assert_same(read, written)


@pytest.mark.parametrize("times", [[17], [30, 0, 30], [11, 12, 13], [25, 3], []])
def test_single_pictures_of_a_video_are_read(
    tmp_path: Path, pictured: Trajectory, times: list[int]
) -> None:
    pytest.importorskip("av")
    write_trajectories(tmp_path / "a.h5", [pictured], pictures="video")
    (read,) = read_trajectories(tmp_path / "a.h5")
    assert read.frames is not None and pictured.frames is not None
    expected = pictured.frames.read(times)
    np.testing.assert_array_equal(read.frames.read(times), expected)


def test_a_video_is_smaller(tmp_path: Path, pictured: Trajectory) -> None:
    pytest.importorskip("av")
    formats: tuple[PictureFormat, ...] = ("lzf", "video")
    for pictures in formats:
        write_trajectories(tmp_path / pictures, [pictured], pictures=pictures)
    assert (tmp_path / "video").stat().st_size < (tmp_path / "lzf").stat().st_size / 1.5


def test_without_a_video_library_pictures_are_packed_one_by_one(
    tmp_path: Path, pictured: Trajectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlfeedback.data.trajectories.has_encoder", lambda: False)
    write_trajectories(tmp_path / "a.h5", [pictured], pictures="video")
    assert_same(read_trajectories(tmp_path / "a.h5")[0], pictured)
    with h5py.File(tmp_path / "a.h5") as file:
        assert "video" not in file["000000"]


def test_only_files_with_videos_need_this_release(tmp_path: Path, pictured: Trajectory) -> None:
    """A file without is of version 1, which older releases read."""
    pytest.importorskip("av")
    for version, pictures in enumerate(("lzf", "video"), start=1):
        write_trajectories(tmp_path / pictures, [pictured], pictures=pictures)  # type: ignore[arg-type]
        with h5py.File(tmp_path / pictures) as file:
            assert file.attrs["version"] == version


def test_a_damaged_video_is_called_so(tmp_path: Path, pictured: Trajectory) -> None:
    pytest.importorskip("av")
    write_trajectories(tmp_path / "a.h5", [pictured], pictures="video")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["000000"]["video"][:] = 0
    (read,) = read_trajectories(tmp_path / "a.h5")
    assert read.frames is not None
    with pytest.raises(FileFormatError, match="no readable file of pictures kept as video"):
        read.frames.read([3])


# --- files that cannot be read


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    write_trajectories(tmp_path / "whole.h5", [episode(0), episode(1)])
    return tmp_path / "whole.h5"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"No trajectory file {tmp_path / 'no.h5'}"):
        read_trajectories(tmp_path / "no.h5")


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_called_so(whole: Path, kept: float) -> None:
    os.truncate(whole, int(whole.stat().st_size * kept))
    with pytest.raises(FileFormatError, match=r"whole.h5 is no readable .*truncated.*again"):
        read_trajectories(whole)


def test_foreign_bytes_are_called_so(tmp_path: Path) -> None:
    (tmp_path / "notes.h5").write_bytes(b"not HDF5 at all" * 100)
    with pytest.raises(FileFormatError, match="another format"):
        read_trajectories(tmp_path / "notes.h5")


def test_foreign_hdf5_is_sent_to_its_own_adapter(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "d4rl.h5", "w") as file:
        file["observations"] = np.zeros((5, 3))
    with pytest.raises(FileFormatError, match=r"no trajectory file of vlfeedback.*adapter"):
        read_trajectories(tmp_path / "d4rl.h5")


def test_a_newer_version_asks_for_an_upgrade(whole: Path) -> None:
    with h5py.File(whole, "a") as file:
        file.attrs["version"] = 3
    with pytest.raises(FileFormatError, match=r"has version 3; .*up to 2. Upgrade"):
        read_trajectories(whole)


def test_a_lost_trajectory_is_counted(whole: Path) -> None:
    with h5py.File(whole, "a") as file:
        del file["000001"]
    with pytest.raises(FileFormatError, match="holds 1 of 2 trajectories"):
        read_trajectories(whole)


@pytest.mark.parametrize("part", ["actions", "observations"])
def test_a_lost_array_is_damage(whole: Path, part: str) -> None:
    with h5py.File(whole, "a") as file:
        del file["000001"][part]
    with pytest.raises(FileFormatError, match=rf"whole.h5 is no readable .*{part}"):
        read_trajectories(whole)


def test_arrays_that_no_longer_fit_are_damage(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as for a user
    with h5py.File(whole, "a") as file:
        del file["000001"]["actions"]
        file["000001"]["actions"] = np.zeros((3, 2), np.float32)
    with pytest.raises(FileFormatError, match="3 actions and 21 observations"):
        read_trajectories(whole)


def test_a_lost_header_is_damage(whole: Path) -> None:
    with h5py.File(whole, "a") as file:
        file["000000"].attrs["header"] = "{"
    with pytest.raises(FileFormatError, match="header of /000000 is not what was written"):
        read_trajectories(whole)


def test_lost_pictures_are_damage_once_they_are_read(whole: Path) -> None:
    frames = read_trajectories(whole)[0].frames
    assert frames is not None
    with h5py.File(whole, "a") as file:
        del file["000000"]["pictures"]
    with pytest.raises(FileFormatError, match=r"is no readable .*pictures"):
        frames.read([0])


def test_what_the_system_refuses_is_not_called_damage(whole: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (held[0] + 1, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            read_trajectories(whole)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        os.close(held[0])
    assert len(read_trajectories(whole)) == 2


def test_a_header_of_any_length_comes_back(tmp_path: Path) -> None:
    trajectory = episode(info={"notes": "close the drawer " * 20_000})
    write_trajectories(tmp_path / "long.h5", [trajectory])
    assert read_trajectories(tmp_path / "long.h5")[0].info == trajectory.info
