"""Minari's datasets in the forms that people have: texts, tuples, Arrow, no last observation."""

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
from vlfeedback.adapters.formats import open_dataset
from vlfeedback.errors import InvalidTypeError, NeedsError, UnknownNameError
from vlfeedback.offline import TransitionBuffer

minari = pytest.importorskip("minari")
spaces = gym.spaces

LENGTHS = (4, 3)
FORMATS = ["hdf5", "arrow", "parquet"]


@pytest.fixture(autouse=True)
def local_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    yield tmp_path


def numbers(space: gym.Space[Any], n: int, rng: np.random.Generator, text: str = "") -> Any:
    if isinstance(space, spaces.Dict):
        return {key: numbers(part, n, rng, text) for key, part in space.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(numbers(part, n, rng, text) for part in space)
    if isinstance(space, spaces.Text):
        return [text] * n
    assert space.shape is not None and space.dtype is not None
    return rng.uniform(0, 3, (n, *space.shape)).astype(space.dtype)


def create(
    space: gym.Space[Any],
    *,
    storage: str = "hdf5",
    states_after: int = 1,
    action: gym.Space[Any] | None = None,
    infos: Any = None,
    name: str = "forms/a-v0",
) -> Any:
    from minari.data_collector import EpisodeBuffer

    rng, action = np.random.default_rng(0), action or spaces.Box(-1, 1, (2,), np.float32)
    buffers = []
    for number, length in enumerate(LENGTHS):
        n = length + states_after
        buffers.append(
            EpisodeBuffer(
                seed=70 + number,
                options={"level": number},
                observations=numbers(space, n, rng, f"get the key {number}"),
                actions=numbers(action, length, rng),
                rewards=rng.normal(size=length),
                terminations=[False] * length,
                truncations=[False] * (length - 1) + [True],
                infos={} if infos is None else infos(n),
            )
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return minari.create_dataset_from_buffers(
            name,
            buffers,
            observation_space=space,
            action_space=action,
            author="Ada",
            description="of doors",
            data_format=storage,
            jpeg_encoding=False,
        )


def relabelled_copy(name: str = "forms/b-v0", **reading: Any) -> Any:
    relabelled = [
        replace(t, rewards=np.arange(len(t), dtype=np.float32))
        for t in adapter.read("forms/a-v0", **reading)
    ]
    return adapter.write_relabelled(name, relabelled, origin="forms/a-v0")


# Texts and tuples -------------------------------------------------------------------------------

MINIGRID = spaces.Dict(
    {
        "direction": spaces.Discrete(4),
        "image": spaces.Box(0, 255, (7, 7, 3), np.uint8),
        "mission": spaces.Text(40),
    }
)


@pytest.mark.parametrize("storage", FORMATS)
def test_the_mission_of_a_grid_world_is_the_instruction(storage: str) -> None:
    dataset = create(MINIGRID, storage=storage, action=spaces.Discrete(7))
    for number, read in enumerate(adapter.read(dataset, observation="image")):
        assert read.instruction == f"get the key {number}"
        np.testing.assert_array_equal(read.observations, dataset[number].observations["image"])
        assert read.actions.shape == (LENGTHS[number],)
    flat = next(adapter.read(dataset, observation="flatten"))
    assert flat.observations.shape == (5, 1 + 7 * 7 * 3)
    np.testing.assert_array_equal(flat.observations[:, 0], dataset[0].observations["direction"])
    assert next(adapter.read(dataset, observation="image", instruction="")).instruction == ""


@pytest.mark.parametrize("storage", FORMATS)
def test_a_copy_keeps_texts_and_tuples(storage: str) -> None:
    space = spaces.Tuple((spaces.Box(-9, 9, (3,)), MINIGRID))
    origin = create(space, storage=storage)
    copy = relabelled_copy(observation="0")
    for new, old in zip(copy, origin, strict=True):
        np.testing.assert_array_equal(new.observations[0], old.observations[0])
        assert list(new.observations[1]["mission"]) == list(old.observations[1]["mission"])
        np.testing.assert_array_equal(new.observations[1]["image"], old.observations[1]["image"])


def test_the_only_array_beside_a_text_is_taken_and_parts_of_tuples_have_numbers() -> None:
    create(spaces.Dict({"state": spaces.Box(-9, 9, (3,)), "say": spaces.Text(40)}))
    read = next(adapter.read("forms/a-v0"))
    assert read.observations.shape == (5, 3) and read.instruction == "get the key 0"
    pair = spaces.Tuple((spaces.Box(-9, 9, (3,)), spaces.Box(-9, 9, (2, 2))))
    dataset = create(pair, name="forms/pair-v0")
    with pytest.raises(NeedsError, match=r"parts \['0', '1'\]; choose .*observation='0'"):
        adapter.read(dataset)
    one = next(adapter.read(dataset, observation="1")).observations
    np.testing.assert_array_equal(one, dataset[0].observations[1])
    both = next(adapter.read(dataset, observation="flatten")).observations
    parts = [dataset[0].observations[0], dataset[0].observations[1].reshape(5, 4)]
    np.testing.assert_array_equal(both, np.concatenate(parts, axis=1))


def test_what_holds_no_numbers_is_refused_at_once() -> None:
    create(spaces.Text(40))
    with pytest.raises(InvalidTypeError, match="expected arrays"):
        adapter.read("forms/a-v0")
    create(spaces.Dict({"say": spaces.Text(40)}), name="forms/texts-v0")
    with pytest.raises(InvalidTypeError, match="texts alone"):
        adapter.read("forms/texts-v0")
    parts = spaces.Tuple((spaces.Discrete(3), spaces.Box(-1, 1, (2,))))
    create(spaces.Box(-9, 9, (3,)), action=parts, name="forms/acts-v0")
    with pytest.raises(InvalidTypeError, match=r"Actions of forms/acts-v0 are Tuple.*expected arr"):
        adapter.read("forms/acts-v0")
    create(MINIGRID, name="forms/grid-v0")
    with pytest.raises(UnknownNameError, match=r"instruction='image' is none of the texts"):
        adapter.read("forms/grid-v0", observation="image", instruction="image")
    with pytest.raises(UnknownNameError, match=r"observation='mission' is none of the arrays"):
        adapter.read("forms/grid-v0", observation="mission")


# No last observation ----------------------------------------------------------------------------


def test_an_episode_without_its_last_observation_says_so_and_is_not_learnt_from() -> None:
    dataset = create(spaces.Box(-9, 9, (3,)), states_after=0)
    read = list(adapter.read(dataset))
    for trajectory, episode in zip(read, dataset, strict=True):
        assert trajectory.last_observation_repeated
        np.testing.assert_array_equal(trajectory.observations[:-1], episode.observations)
        np.testing.assert_array_equal(trajectory.observations[-1], episode.observations[-1])
    assert len(TransitionBuffer(read, rewards="env")) == sum(LENGTHS) - len(LENGTHS)
    relabelled_copy()
    again = list(adapter.read("forms/b-v0"))
    for new, old in zip(again, read, strict=True):
        assert new.last_observation_repeated
        np.testing.assert_array_equal(new.env_rewards, old.env_rewards)
        np.testing.assert_array_equal(new.observations, old.observations)


@pytest.mark.parametrize("first", [False, True])
def test_pictures_are_of_the_states_that_were_seen(first: bool) -> None:
    shape = (3, 40, 50) if first else (40, 50, 3)
    dataset = create(spaces.Box(0, 255, shape, np.uint8), states_after=0)
    read = next(adapter.read(dataset))
    assert read.frames is not None and read.frames.times.tolist() == [0, 1, 2, 3]
    pictures = dataset[0].observations
    expected = pictures.transpose(0, 2, 3, 1) if first else pictures
    np.testing.assert_array_equal(read.frames.read([3, 1]), expected[[3, 1]])
    np.testing.assert_array_equal(read.observations[:-1], pictures)  # as they are


# Copies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("storage", FORMATS)
def test_a_copy_in_every_format_is_read_by_minari_with_all_its_infos(
    storage: str, local_datasets: Path
) -> None:
    def infos(n: int) -> Any:
        return {
            "success": [bool(i == n - 1) for i in range(n)],
            "goal": np.arange(2.0 * n).reshape(n, 2),
            "height": [0.5 * i for i in range(n)],
        }

    origin = create(spaces.Box(-9, 9, (3,)), storage=storage, infos=infos)
    source = open_dataset("minari:forms/a-v0")
    new_copy = source.new_copy("minari:forms/b-v0")
    relabelled = [replace(t, rewards=np.arange(len(t), dtype=np.float32)) for t in source.read()]
    new_copy.write(relabelled, {})
    copy = minari.load_dataset("forms/b-v0")
    assert storage == copy.storage.FORMAT
    for new, old, read in zip(copy, origin, adapter.read("forms/b-v0"), strict=True):
        np.testing.assert_array_equal(new.rewards, np.arange(len(old)))
        for key in ("success", "goal", "height"):
            np.testing.assert_array_equal(new.infos[key], old.infos[key])
            assert new.infos[key].shape == old.infos[key].shape
        np.testing.assert_array_equal(read.env_rewards, old.rewards.astype(np.float32))
        assert read.successes is not None and read.successes.tolist()[-1]
    again = [replace(t, rewards=t.env_rewards) for t in adapter.read("forms/b-v0")]
    third = adapter.write_relabelled("forms/c-v0", again, origin="forms/b-v0")  # of a copy
    np.testing.assert_array_equal(third[1].rewards, origin[1].rewards.astype(np.float32))


@pytest.mark.parametrize("storage", FORMATS)
def test_a_copy_keeps_seeds_options_and_whatever_the_metadata_say(storage: str) -> None:
    origin = create(spaces.Box(-9, 9, (3,)), storage=storage)
    origin.storage.update_metadata({"ref_max_score": 9.5, "about": {"robot": "arm"}})
    origin.storage.update_episode_metadata([{"operator": "Bo"}, {"operator": "Cy"}])
    copy = relabelled_copy()
    metadata = copy.storage.metadata
    assert metadata["ref_max_score"] == 9.5 and metadata["about"] == {"robot": "arm"}
    assert metadata["description"] == "of doors" and metadata["author"] == {"Ada"}
    noted = list(copy.storage.get_episode_metadata([0, 1]))
    assert [about["seed"] for about in noted] == [70, 71]
    assert [int(about["options"]["level"]) for about in noted] == [0, 1]
    assert [about["operator"] for about in noted] == ["Bo", "Cy"]


def test_a_copy_that_minari_cannot_read_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from minari.dataset._storages.arrow_storage import ArrowStorage

    from vlfeedback.errors import FileFormatError

    create(spaces.Box(-9, 9, (3,)), storage="arrow")
    write = ArrowStorage.update_episodes

    def writes_other_rewards(self: Any, episodes: Any) -> None:
        write(self, [replace(e, rewards=np.zeros(len(e.rewards), np.float32)) for e in episodes])

    monkeypatch.setattr(ArrowStorage, "update_episodes", writes_other_rewards)
    with pytest.raises(FileFormatError, match="other rewards of forms/b-v0 than were written"):
        relabelled_copy()
    assert set(minari.list_local_datasets()) == {"forms/a-v0"}
