"""Flat files, HDF5 and npz: written and read element by element, and with h5py and numpy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from vlfeedback.adapters import hdf5, npz
from vlfeedback.errors import FileFormatError, InvalidValueError, NeedsError, ShapeError
from vlfeedback.types import Trajectory


def episode(seed: int, length: int, *, terminated: bool = False, **changes: Any) -> Trajectory:
    rng = np.random.default_rng(seed)
    fields: dict[str, Any] = {
        "observations": rng.normal(size=(length + 1, 3)),
        "actions": rng.uniform(-1, 1, size=(length, 2)).astype(np.float32),
        "env_rewards": rng.normal(size=length).astype(np.float32),
        "terminated": terminated,
        "truncated": not terminated,
    }
    return Trajectory(**(fields | changes))


EPISODES = [episode(0, 5), episode(1, 3, terminated=True), episode(2, 1)]
FORMATS = [(hdf5, "data.hdf5"), (npz, "data.npz")]
each_format = pytest.mark.parametrize(("adapter", "name"), FORMATS, ids=["hdf5", "npz"])


def save(path: Path, **arrays: Any) -> None:
    """As another project would: `a__b` is a/b."""
    arrays = {key.replace("__", "/"): array for key, array in arrays.items() if array is not None}
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            for key, array in arrays.items():
                file[key] = array


def load(path: Path) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    if path.suffix == ".npz":
        return dict(np.load(path))
    with h5py.File(path) as file:
        file.visititems(
            lambda key, item: (
                arrays.update({key: item[:]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    return arrays


def d4rl(**changes: Any) -> dict[str, Any]:
    """Two episodes of five and three rows: the first ran out of time, the second terminated."""
    rng = np.random.default_rng(0)
    rows = np.arange(8)
    arrays = {
        "observations": rng.normal(size=(8, 3)).astype(np.float32),
        "actions": rng.normal(size=(8, 2)).astype(np.float32),
        "rewards": rng.normal(size=8).astype(np.float32),
        "terminals": rows == 7,
        "timeouts": rows == 4,
    }
    return arrays | changes


# What is written comes back ---------------------------------------------------------------------


@each_format
@pytest.mark.parametrize("relabelled", [False, True])
def test_every_element_comes_back(
    tmp_path: Path, adapter: Any, name: str, relabelled: bool
) -> None:
    written = [
        episode(
            seed,
            4 + seed,
            terminated=seed == 1,
            successes=np.arange(4 + seed) > 2,
            rewards=np.arange(4 + seed, dtype=np.float32) if relabelled else None,
        )
        for seed in range(3)
    ]
    adapter.write(tmp_path / name, iter(written))
    for number, (one, other) in enumerate(zip(adapter.read(tmp_path / name), written, strict=True)):
        for field in ("observations", "actions", "env_rewards", "rewards", "successes"):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field), field)
            assert getattr(getattr(one, field), "dtype", None) == getattr(
                getattr(other, field), "dtype", None
            )
        assert (one.terminated, one.truncated) == (other.terminated, other.truncated)
        assert one.id == f"data/{number:06d}" and one.facts() == {}


@each_format
def test_others_read_what_is_written(tmp_path: Path, adapter: Any, name: str) -> None:
    rewards = np.array([7], dtype=np.float32)
    adapter.write(tmp_path / name, [episode(2, 1, rewards=rewards)])
    arrays = load(tmp_path / name)
    (written,) = [episode(2, 1)]
    assert arrays["rewards"] == 7 and arrays["infos/env_rewards"] == written.env_rewards
    np.testing.assert_array_equal(arrays["observations"], written.observations[:1])
    np.testing.assert_array_equal(arrays["next_observations"], written.observations[1:])
    assert arrays["timeouts"].tolist() == [True] and arrays["terminals"].tolist() == [False]


@each_format
def test_relabelled_rewards_without_the_environments_own(
    tmp_path: Path, adapter: Any, name: str
) -> None:
    rewards = np.arange(3, dtype=np.float32)
    adapter.write(tmp_path / name, [episode(0, 3, env_rewards=None, rewards=rewards)])
    (read,) = adapter.read(tmp_path / name)
    np.testing.assert_array_equal(read.rewards, rewards)
    assert read.env_rewards is None


@each_format
def test_a_dataset_without_rewards_is_one_too(tmp_path: Path, adapter: Any, name: str) -> None:
    save(tmp_path / name, **d4rl(rewards=None))
    assert all(t.rewards is t.env_rewards is None for t in adapter.read(tmp_path / name))


# Files of others --------------------------------------------------------------------------------


@each_format
@pytest.mark.parametrize("column", [False, True])
def test_a_d4rl_file_is_read(tmp_path: Path, adapter: Any, name: str, column: bool) -> None:
    arrays = d4rl()
    if column:  # as some write them
        arrays |= {k: arrays[k].astype(np.float32)[:, None] for k in ("rewards", "terminals")}
    save(tmp_path / name, **arrays, infos__qpos=np.zeros((8, 2)), metadata__seed=np.zeros(()))
    one, two = adapter.read(tmp_path / name)
    assert [(len(t), t.terminated, t.truncated) for t in (one, two)] == [
        (5, False, True),
        (3, True, False),
    ]
    np.testing.assert_array_equal(one.observations[:-1], arrays["observations"][:5])
    np.testing.assert_array_equal(two.env_rewards, arrays["rewards"][5:].reshape(-1))
    np.testing.assert_array_equal(one.observations[-1], one.observations[-2])
    assert one.facts() == {"last_observation": "repeated"}


@each_format
def test_next_observations_keep_the_last_one(tmp_path: Path, adapter: Any, name: str) -> None:
    arrays = d4rl()
    following = np.concatenate([arrays["observations"][1:], np.full((1, 3), 9, np.float32)])
    following[4] = 8
    save(tmp_path / name, **arrays, next_observations=following)
    one, two = adapter.read(tmp_path / name)
    assert one.observations[-1].tolist() == [8, 8, 8] and one.facts() == {}
    assert two.observations[-1].tolist() == [9, 9, 9]


@each_format
def test_rows_after_the_last_end_are_kept(tmp_path: Path, adapter: Any, name: str) -> None:
    save(tmp_path / name, **d4rl(terminals=np.zeros(8, bool)))
    _, two = adapter.read(tmp_path / name)
    assert len(two) == 3 and not two.terminated and not two.truncated


# Bad input --------------------------------------------------------------------------------------


@each_format
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"terminals": np.zeros(8), "timeouts": None}, "neither terminals nor timeouts"),
        ({"observations": None}, "has no observations"),
        ({"actions": np.zeros((7, 2))}, "actions has 7 rows and observations 8"),
        ({"timeouts": np.zeros(3)}, "timeouts has 3 rows and observations 8"),
        ({"next_observations": np.zeros((8, 3))}, "of row 0 is not the observation of row 1"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(
    tmp_path: Path, adapter: Any, name: str, changes: Any, message: str
) -> None:
    save(tmp_path / name, **d4rl(**changes))
    with pytest.raises(FileFormatError, match=f"{name}.*{message}"):
        list(adapter.read(tmp_path / name))


@each_format
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"rewards": np.array([0, 0, 0, 0, 0, 0, np.nan, 0])},
            "rewards has a number .* in row 6",
        ),
        ({"observations": np.full((8, 3), np.inf)}, "observations has a number .* in row 0"),
        (
            {"terminals": np.arange(8) % 4 == 3, "timeouts": None},
            "all 2 episodes terminate after exactly 4 steps",
        ),
    ],
)
def test_values_that_cannot_be_learnt_from_are_named(
    tmp_path: Path, adapter: Any, name: str, changes: Any, message: str
) -> None:
    save(tmp_path / name, **d4rl(**changes))
    with pytest.raises(InvalidValueError, match=f"{name}.*{message}"):
        list(adapter.read(tmp_path / name))


@each_format
def test_terminals_at_one_length_are_read_if_trusted(
    tmp_path: Path, adapter: Any, name: str
) -> None:
    save(tmp_path / name, **d4rl(terminals=np.arange(8) % 4 == 3, timeouts=None))
    read = list(adapter.read(tmp_path / name, trust_terminals=True))
    assert [t.terminated for t in read] == [True, True]


@each_format
def test_a_missing_or_foreign_file_is_named(tmp_path: Path, adapter: Any, name: str) -> None:
    with pytest.raises(FileNotFoundError, match=name):
        adapter.read(tmp_path / name)
    (tmp_path / name).write_bytes(b"nothing of the kind")
    with pytest.raises(FileFormatError, match="is no readable"):
        adapter.read(tmp_path / name)


def test_python_objects_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", **d4rl(rewards=np.array([{}] * 8)))
    with pytest.raises(FileFormatError, match="they may run code"):
        npz.read(tmp_path / "data.npz")


@each_format
def test_what_cannot_be_written_leaves_nothing(tmp_path: Path, adapter: Any, name: str) -> None:
    mixed = [EPISODES[0], episode(1, 2, rewards=np.zeros(2, np.float32))]
    with pytest.raises(NeedsError, match=r"differ in .*env_rewards"):
        adapter.write(tmp_path / name, mixed)
    with pytest.raises(NeedsError, match="No trajectory"):
        adapter.write(tmp_path / name, [])
    assert list(tmp_path.iterdir()) == []


def test_observations_of_another_shape_are_refused(tmp_path: Path) -> None:
    other = episode(1, 2, observations=np.zeros((3, 4)))
    with pytest.raises(ShapeError, match=r"rows of shape \(4,\), and those before it \(3,\)"):
        hdf5.write(tmp_path / "a.h5", [EPISODES[0], other])


def test_an_episode_is_read_at_a_time(
    tmp_path: Path, memory_peak: Callable[[Callable[[], Any]], int]
) -> None:
    length = 1000
    many = (episode(seed, length, observations=np.zeros((length + 1, 100))) for seed in range(15))
    hdf5.write(tmp_path / "a.h5", many)

    def read() -> None:
        for _ in hdf5.read(tmp_path / "a.h5"):
            pass

    assert memory_peak(read) < 6 * length * 100 * 8
