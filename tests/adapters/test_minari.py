"""Datasets are made, and what the adapter writes is read, with Minari itself."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from vlfeedback.adapters import minari as adapter
from vlfeedback.errors import InvalidValueError, NeedsError, ShapeError, UnknownNameError
from vlfeedback.scoring.relabel import relabel
from vlfeedback.testing import BrightnessReward
from vlfeedback.types import Trajectory

minari = pytest.importorskip("minari")

VECTOR = gym.spaces.Box(-10, 10, (3,), np.float64)
PICTURE = gym.spaces.Box(0, 255, (40, 40, 3), np.uint8)
ACTION = gym.spaces.Box(-1, 1, (2,), np.float32)
LENGTHS = (5, 3)


@pytest.fixture(autouse=True)
def local_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    yield tmp_path


def sample(space: gym.Space[Any], n: int, rng: np.random.Generator) -> Any:
    if isinstance(space, gym.spaces.Dict):
        return {key: sample(part, n, rng) for key, part in space.items()}
    assert space.shape is not None and space.dtype is not None
    return rng.uniform(0, 9, (n, *space.shape)).astype(space.dtype)


@pytest.mark.filterwarnings("ignore::UserWarning:minari")
def create(
    name: str = "point/test-v0",
    space: gym.Space[Any] = VECTOR,
    *,
    lengths: tuple[int, ...] = LENGTHS,
    terminated: tuple[int, ...] = (1,),
    rewards: Any = None,
) -> Any:
    import warnings

    from minari.data_collector import EpisodeBuffer

    rng = np.random.default_rng(0)
    buffers = [
        EpisodeBuffer(
            observations=sample(space, length + 1, rng),
            actions=sample(ACTION, length, rng),
            rewards=rng.normal(size=length) if rewards is None else rewards,
            terminations=[i == length - 1 and n in terminated for i in range(length)],
            truncations=[i == length - 1 and n not in terminated for i in range(length)],
            infos={"success": np.arange(length + 1) == length, "seed": np.zeros(length + 1)},
        )
        for n, length in enumerate(lengths)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return minari.create_dataset_from_buffers(
            name,
            buffers,
            observation_space=space,
            action_space=ACTION,
            author="Ada",
            jpeg_encoding=False,
        )


def test_every_element_is_minaris() -> None:
    dataset = create()
    for read, theirs in zip(adapter.read("point/test-v0"), dataset, strict=True):
        np.testing.assert_array_equal(read.observations, theirs.observations)
        assert read.observations.dtype == np.float64
        np.testing.assert_array_equal(read.actions, theirs.actions)
        np.testing.assert_array_equal(read.env_rewards, theirs.rewards.astype(np.float32))
        assert read.terminated == theirs.terminations[-1]
        assert read.truncated == theirs.truncations[-1]
        assert read.successes is not None
        np.testing.assert_array_equal(read.successes, theirs.infos["success"][1:])
        assert read.id == f"point/test-v0/{theirs.id:06d}" and read.rewards is None


def test_a_relabelled_copy_differs_in_its_rewards_alone_and_names_its_origin() -> None:
    origin = create()
    relabelled = [
        replace(t, rewards=np.arange(len(t), dtype=np.float32)) for t in adapter.read(origin)
    ]
    source = {"type": "vlp", "params": {}, "version": 1}
    adapter.write_relabelled(
        "point/test-vlp-v0", iter(relabelled), origin=origin, source=source, instruction="go"
    )
    copy = minari.load_dataset("point/test-vlp-v0")
    for new, old in zip(copy, origin, strict=True):
        np.testing.assert_array_equal(new.rewards, np.arange(len(old)))
        for name in ("observations", "actions", "terminations", "truncations"):
            np.testing.assert_array_equal(getattr(new, name), getattr(old, name))
        for name in ("success", "seed"):
            np.testing.assert_array_equal(new.infos[name], old.infos[name])
        np.testing.assert_array_equal(new.infos["env_reward"][1:], old.rewards.astype(np.float32))
    metadata = copy.storage.metadata
    assert metadata["vlfeedback"] == {
        "origin": "point/test-v0",
        "source": source,
        "instruction": "go",
    }
    assert copy.total_steps == 8 and metadata["author"] == {"Ada"}
    assert copy.observation_space == origin.observation_space
    assert set(minari.list_local_datasets()) == {"point/test-v0", "point/test-vlp-v0"}


def test_a_relabelled_copy_is_read_with_both_rewards() -> None:
    create()
    relabelled = [replace(t, rewards=t.actions[:, 0]) for t in adapter.read("point/test-v0")]
    adapter.write_relabelled("point/test-v1", relabelled, origin="point/test-v0")
    for read, written in zip(adapter.read("point/test-v1"), relabelled, strict=True):
        np.testing.assert_array_equal(read.rewards, written.rewards)
        np.testing.assert_array_equal(read.env_rewards, written.env_rewards)


def test_what_the_environment_gave_may_be_unknown() -> None:
    create()
    relabelled = [
        replace(t, rewards=t.actions[:, 0], env_rewards=None) for t in adapter.read("point/test-v0")
    ]
    adapter.write_relabelled("point/test-v1", relabelled, origin="point/test-v0")
    assert all(read.env_rewards is None for read in adapter.read("point/test-v1"))


def test_the_environment_stays_recoverable() -> None:
    from gymnasium.envs.registration import EnvSpec

    origin = create()
    origin.storage.update_metadata({"env_spec": EnvSpec("CartPole-v1", "x:Y").to_json()})
    relabelled = [replace(t, rewards=t.actions[:, 0]) for t in adapter.read("point/test-v0")]
    copy = adapter.write_relabelled("point/test-v1", relabelled, origin="point/test-v0")
    assert copy.env_spec is not None and copy.env_spec.id == "CartPole-v1"


# Dictionaries and pictures ----------------------------------------------------------------------

DICT = gym.spaces.Dict({"goal": gym.spaces.Box(0, 9, (2, 2)), "state": VECTOR, "view": PICTURE})


def test_an_array_of_a_dictionary_is_chosen() -> None:
    dataset = create(space=DICT)
    read = next(adapter.read(dataset, observation="state", pictures="view"))
    np.testing.assert_array_equal(read.observations, dataset[0].observations["state"])
    assert read.frames is not None
    np.testing.assert_array_equal(read.frames.read([5, 0]), dataset[0].observations["view"][[5, 0]])


def test_arrays_of_a_dictionary_are_flattened_in_order() -> None:
    space = gym.spaces.Dict({"goal": DICT["goal"], "state": VECTOR})
    dataset = create(space=space)
    (read, _) = adapter.read(dataset, observation="flatten")
    goal, state = (dataset[0].observations[key] for key in ("goal", "state"))
    np.testing.assert_array_equal(
        read.observations, np.concatenate([goal.reshape(6, 4), state], axis=1)
    )


def test_a_dictionary_asks_for_a_choice() -> None:
    dataset = create(space=DICT)
    with pytest.raises(NeedsError, match=r"'goal', 'state', 'view'.*observation='goal'.*'flatten'"):
        adapter.read(dataset)
    with pytest.raises(UnknownNameError, match="pictures='eye' is none of"):
        adapter.read(dataset, observation="state", pictures="eye")
    with pytest.raises(ShapeError, match="'state' chooses an array that is no stack of pictures"):
        next(adapter.read(dataset, observation="goal", pictures="state"))


def test_observations_that_are_pictures_are_what_a_source_sees_and_a_copy_keeps_every_bit() -> None:
    dataset = create(space=PICTURE)
    copy = adapter.write_relabelled(
        "point/seen-v0", relabel(adapter.read(dataset), BrightnessReward()), origin=dataset
    )
    for new, old in zip(copy, dataset, strict=True):
        np.testing.assert_array_equal(new.observations, old.observations)
        np.testing.assert_allclose(
            new.rewards, old.observations[1:].mean(axis=(1, 2, 3)) / 255, rtol=1e-5
        )


# Bad input --------------------------------------------------------------------------------------


def test_a_missing_dataset_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="minari download door/human-v0"):
        adapter.read("door/human-v0")


def test_numbers_that_are_none_and_time_outs_that_pose_as_terminals_are_refused() -> None:
    create("bad/nan-v0", rewards=[0.0, np.nan, 0.0], lengths=(3,))
    with pytest.raises(
        InvalidValueError, match=r"bad/nan-v0/000000: rewards has a number .* row 1"
    ):
        list(adapter.read("bad/nan-v0"))
    create("bad/posing-v0", lengths=(4, 4), terminated=(0, 1))
    with pytest.raises(InvalidValueError, match="all 2 episodes terminate after exactly 4 steps"):
        list(adapter.read("bad/posing-v0"))
    assert len(list(adapter.read("bad/posing-v0", trust_terminals=True))) == 2


def test_rewards_that_are_all_nan_are_not_known() -> None:
    create("bad/unknown-v0", rewards=[np.nan] * 3, lengths=(3,))
    (read,) = adapter.read("bad/unknown-v0")
    assert read.env_rewards is None and read.rewards is None


def broken(kind: str, whole: list[Trajectory]) -> list[Trajectory]:
    return {
        "fewer": whole[:1],
        "more": [*whole, whole[0]],
        "other order": whole[::-1],
        "no rewards": [whole[0], replace(whole[1], rewards=None)],
    }[kind]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("fewer", "000001 has 3 steps and for it there is none"),
        ("more", "more trajectories than point/test-v0 has"),
        ("other order", "000000 has 5 steps and for it .* was given"),
        ("no rewards", "has no rewards; relabel it"),
    ],
)
def test_other_trajectories_are_refused_and_nothing_is_left(kind: str, message: str) -> None:
    create()
    whole = [replace(t, rewards=t.actions[:, 0]) for t in adapter.read("point/test-v0")]
    with pytest.raises((ShapeError, NeedsError), match=message):
        adapter.write_relabelled("point/b-v0", broken(kind, whole), origin="point/test-v0")
    assert set(minari.list_local_datasets()) == {"point/test-v0"}


@pytest.mark.parametrize(
    ("new_id", "error", "message"),
    [
        ("point/test-v0", FileExistsError, "already; choose another id"),
        ("point/test", InvalidValueError, "with a version"),
        ("point test-v0", InvalidValueError, "no id of Minari"),
    ],
)
def test_an_id_that_cannot_be_written_is_refused(
    new_id: str, error: type[Exception], message: str
) -> None:
    create()
    with pytest.raises(error, match=message):
        adapter.write_relabelled(new_id, [], origin="point/test-v0")


def test_minari_lists_no_copy_that_is_being_written() -> None:
    create()
    seen = []

    def relabelled() -> Iterator[Trajectory]:
        for trajectory in adapter.read("point/test-v0"):
            seen.append(set(minari.list_local_datasets()))
            yield replace(trajectory, rewards=trajectory.actions[:, 0])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        adapter.write_relabelled("point/b-v0", relabelled(), origin="point/test-v0")
    assert seen == [{"point/test-v0"}] * len(seen) and seen
    assert set(minari.list_local_datasets()) == {"point/test-v0", "point/b-v0"}
