"""Flat files keep what they are given: what is not known stays so, and a copy is one of all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import jaxtyping
import numpy as np
import pytest
from tests.adapters.test_flat import d4rl, each_format, episode, load, save

from vlfeedback.adapters.formats import open_dataset
from vlfeedback.errors import FileFormatError, InvalidValueError, NeedsError, ShapeError
from vlfeedback.offline import TransitionBuffer
from vlfeedback.types import Trajectory


def paid(trajectories: Iterator[Trajectory]) -> Iterator[Trajectory]:
    for number, trajectory in enumerate(trajectories):
        yield replace(trajectory, rewards=np.full(len(trajectory), number + 0.5, np.float32))


def copy(path: Path, **reading: Any) -> Path:
    dataset, out = open_dataset(path, reading), path.with_name(f"copy{path.suffix}")
    dataset.new_copy(str(out)).write(paid(dataset.read()), {})
    return out


# What is not known stays so ---------------------------------------------------------------------


@each_format
@pytest.mark.parametrize(
    "repeated", [(True, True, True), (True, False, True), (False, True), (False, False)]
)
def test_an_unknown_last_observation_comes_back_unknown(
    tmp_path: Path, adapter: Any, name: str, repeated: tuple[bool, ...]
) -> None:
    written = []
    for seed, is_repeated in enumerate(repeated):
        one = episode(seed, 3 + seed, terminated=seed == 0)
        rows = one.observations
        if is_repeated:
            rows = np.concatenate([rows[:-1], rows[-2:-1]])
        written.append(replace(one, observations=rows, last_observation_repeated=is_repeated))
    adapter.write(tmp_path / name, written)
    read = list(adapter.read(tmp_path / name))
    assert [t.last_observation_repeated for t in read] == list(repeated)
    for one, other in zip(read, written, strict=True):
        np.testing.assert_array_equal(one.observations, other.observations)
    arrays = load(tmp_path / name)
    assert ("next_observations" in arrays) == (not all(repeated))
    assert ("infos/next_observation_known" in arrays) == (any(repeated) and not all(repeated))


@each_format
def test_a_copy_has_the_transitions_that_its_origin_has(
    tmp_path: Path, adapter: Any, name: str
) -> None:
    save(tmp_path / name, **d4rl(terminals=np.zeros(8, bool), timeouts=np.arange(8) % 4 == 3))
    read = list(adapter.read(tmp_path / name))
    adapter.write(tmp_path / f"b{name}", paid(iter(read)))
    for again in (tmp_path / f"b{name}", copy(tmp_path / name)):
        back = list(adapter.read(again))
        assert len(TransitionBuffer(read, rewards="env")) == len(TransitionBuffer(back)) == 6


# A copy is one of all ---------------------------------------------------------------------------


@each_format
def test_a_copy_keeps_what_nobody_knows_and_adds_the_environments_rewards_alone(
    tmp_path: Path, adapter: Any, name: str
) -> None:
    strange = {"infos__goal": np.ones((8, 2)), "infos__qpos": np.zeros((8, 5), np.int16)}
    strange |= {"metadata__algorithm": np.array(b"SAC"), "more": np.zeros((3, 0))}
    origin = d4rl(
        rewards=np.arange(8, dtype=np.float64)[:, None],
        terminals=(np.arange(8) == 7).astype(np.uint8)[:, None],
        observations=np.zeros((8, 3), np.float16),
    )
    save(tmp_path / name, **origin, **strange)
    before, after = load_all(tmp_path / name), load_all(copy(tmp_path / name))
    own = before.pop("rewards")
    rewards, env_rewards = after.pop("rewards"), after.pop("infos/env_rewards")
    np.testing.assert_array_equal(env_rewards, own)
    assert env_rewards.dtype == rewards.dtype == np.float64 and rewards.shape == (8, 1)
    assert rewards.ravel().tolist() == [0.5] * 5 + [1.5] * 3
    assert set(before) == set(after)
    for key, array in before.items():
        assert (array.dtype, array.shape) == (after[key].dtype, after[key].shape), key
        np.testing.assert_array_equal(array, after[key], key)
    read = list(adapter.read(copied := tmp_path / f"copy{Path(name).suffix}"))
    assert [t.rewards.tolist() for t in read] == [[0.5] * 5, [1.5] * 3]
    assert read[0].env_rewards.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(
        load_all(copy(copied.rename(tmp_path / f"c{name}")))["infos/env_rewards"], own
    )  # a copy of the copy has the same


def load_all(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".npz":
        return load(path)
    arrays: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda key, item: (
                arrays.update({key: np.asarray(item)}) if isinstance(item, h5py.Dataset) else None
            )
        )
    return arrays


@each_format
def test_a_copy_of_data_without_rewards_says_that_they_are_not_known(
    tmp_path: Path, adapter: Any, name: str
) -> None:
    save(tmp_path / name, **d4rl(rewards=None))
    copied = copy(tmp_path / name)
    assert np.isnan(load(copied)["infos/env_rewards"]).all()
    one, _ = adapter.read(copied)
    assert one.env_rewards is None and one.rewards.tolist() == [0.5] * 5


@each_format
def test_whole_rewards_become_real_numbers(tmp_path: Path, adapter: Any, name: str) -> None:
    save(tmp_path / name, **d4rl(rewards=np.arange(8)))
    one, _ = adapter.read(copy(tmp_path / name))
    assert one.rewards.tolist() == [0.5] * 5 and one.env_rewards.tolist() == [0, 1, 2, 3, 4]


def test_a_copy_of_an_hdf5_file_keeps_attributes_links_and_its_format(tmp_path: Path) -> None:
    save(tmp_path / "a.hdf5", **d4rl())
    with h5py.File(tmp_path / "a.hdf5", "a") as file:
        file.attrs["author"], file["rewards"].attrs["unit"] = "Ada", "points"
        file["rewards again"] = file["rewards"]
        file["soft"] = h5py.SoftLink("/observations")
        file["elsewhere"] = h5py.ExternalLink("/nowhere.h5", "/x")
    with h5py.File(copy(tmp_path / "a.hdf5")) as file:
        assert file.attrs["author"] == "Ada"
        assert file["rewards"].attrs["unit"] == file["infos/env_rewards"].attrs["unit"] == "points"
        assert file["rewards again"][:].tolist() == d4rl()["rewards"].tolist()
        assert file.get("soft", getlink=True).path == "/observations"
        assert file.get("elsewhere", getlink=True).filename == "/nowhere.h5"


@pytest.mark.parametrize("name", ["infos", "infos/env_rewards"])
def test_a_copy_is_not_written_through_a_link(tmp_path: Path, name: str) -> None:
    with h5py.File(tmp_path / "victim.h5", "w") as file:
        file.create_group("infos")
    save(tmp_path / "a.hdf5", **d4rl())
    before = (tmp_path / "victim.h5").read_bytes()
    with h5py.File(tmp_path / "a.hdf5", "a") as file:
        file[name] = h5py.ExternalLink(str(tmp_path / "victim.h5"), "/infos")
    with pytest.raises(FileFormatError, match="nothing outside of a file is read"):
        copy(tmp_path / "a.hdf5")
    assert (tmp_path / "victim.h5").read_bytes() == before


def test_a_name_that_a_copy_needs_and_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a.hdf5", **d4rl(rewards=None))
    with h5py.File(tmp_path / "a.hdf5", "a") as file:
        file["rewards"] = h5py.SoftLink("/nowhere")
    with pytest.raises(FileFormatError, match=r"a\.hdf5 is no readable HDF5 file to copy"):
        copy(tmp_path / "a.hdf5")
    assert [path.name for path in tmp_path.iterdir()] == ["a.hdf5"]


@each_format
def test_a_copy_is_of_all_episodes_in_order_or_there_is_none(
    tmp_path: Path, adapter: Any, name: str
) -> None:
    save(tmp_path / name, **d4rl())
    one, two = paid(adapter.read(tmp_path / name))
    new = open_dataset(tmp_path / name).new_copy(str(tmp_path / f"copy{Path(name).suffix}"))
    for trajectories, error in (
        ([one], ShapeError),
        ([two, one], ShapeError),
        ([one, two, two], ShapeError),
        ([one, replace(two, rewards=None)], NeedsError),
    ):
        with pytest.raises(error):
            new.write(trajectories, {})
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_is_written_has_checksums(tmp_path: Path) -> None:
    from vlfeedback.adapters import hdf5

    hdf5.write(tmp_path / "a.hdf5", [episode(0, 5), episode(1, 4)])
    with h5py.File(tmp_path / "a.hdf5") as file:
        at = file["rewards"].id.get_chunk_info(0).byte_offset
        assert all(file[name].fletcher32 for name in ("observations", "actions", "terminals"))
    damaged = bytearray((tmp_path / "a.hdf5").read_bytes())
    damaged[at + 3] ^= 1
    (tmp_path / "a.hdf5").write_bytes(damaged)
    with pytest.raises(FileFormatError, match=r"a\.hdf5 is no readable HDF5 file"):
        list(hdf5.read(tmp_path / "a.hdf5"))


# Rewards and ends that files lack ---------------------------------------------------------------


@each_format
def test_rewards_that_are_all_nan_are_not_known(tmp_path: Path, adapter: Any, name: str) -> None:
    rewards = np.append(np.full(5, np.nan), [1, 2, 3])
    save(tmp_path / name, **d4rl(rewards=rewards))
    one, two = adapter.read(tmp_path / name)
    assert one.env_rewards is None and two.env_rewards.tolist() == [1, 2, 3]


@each_format
def test_a_file_without_ends_is_cut_by_length(tmp_path: Path, adapter: Any, name: str) -> None:
    save(tmp_path / name, **d4rl(terminals=np.zeros(8), timeouts=None))
    with pytest.raises(FileFormatError, match="episode_length=1000"):
        list(adapter.read(tmp_path / name))
    read = list(adapter.read(tmp_path / name, episode_length=3))
    assert [(len(t), t.terminated, t.truncated) for t in read] == [
        (3, False, True),
        (3, False, True),
        (2, False, True),
    ]
    copied = copy(tmp_path / name, episode_length=3)
    again = list(adapter.read(copied, episode_length=3))
    assert [t.rewards[0] for t in again] == [0.5, 1.5, 2.5]
    assert load(copied)["terminals"].tolist() == [0] * 8 and "timeouts" not in load(copied)


@each_format
@pytest.mark.parametrize("length", [0, 9, -1, 2.0, True, "3"])
def test_lengths_that_are_none_are_refused(
    tmp_path: Path, adapter: Any, name: str, length: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as for a user
    save(tmp_path / name, **d4rl(terminals=np.zeros(8), timeouts=None))
    with pytest.raises(InvalidValueError, match="expected a number of rows from 1 to the 8"):
        list(adapter.read(tmp_path / name, episode_length=length))


@each_format
def test_a_file_that_has_ends_takes_no_length(tmp_path: Path, adapter: Any, name: str) -> None:
    save(tmp_path / name, **d4rl())
    with pytest.raises(InvalidValueError, match=r"says itself where .* first in row 4; leave it"):
        list(adapter.read(tmp_path / name, episode_length=4))


@each_format
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rewards": np.zeros((8, 2))}, r"rewards has the shape \(8, 2\)"),
        ({"observations": np.array([b"text"] * 8)}, "observations is no array of numbers"),
        ({"actions": np.zeros(())}, "actions is no array of numbers"),
        ({"next_observations": np.zeros((8, 2))}, "next_observations has the shape"),
        ({"timeouts": np.zeros((8, 2))}, "timeouts has the shape"),
    ],
)
def test_arrays_of_another_kind_are_named(
    tmp_path: Path, adapter: Any, name: str, changes: Any, message: str
) -> None:
    save(tmp_path / name, **d4rl(**changes))
    with pytest.raises(FileFormatError, match=f"{name}: {message}"):
        list(adapter.read(tmp_path / name))


@each_format
def test_a_flag_that_is_nan_ends_no_episode(tmp_path: Path, adapter: Any, name: str) -> None:
    save(tmp_path / name, **d4rl(terminals=np.where(np.arange(8) == 2, np.nan, 0)))
    with pytest.raises(InvalidValueError, match=r"terminals has a number .* in row 2"):
        list(adapter.read(tmp_path / name))
