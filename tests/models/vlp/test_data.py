from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vlfeedback.data.collection import Collection
from vlfeedback.data.instructions import instruction_corpus
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.encoders.words import WordVectors
from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.models.vlp import data as vlp_data
from vlfeedback.models.vlp.data import EpisodeSet, load_episodes, load_scenes
from vlfeedback.models.vlp.texts import Texts
from vlfeedback.models.vlp.true_progress import measure_progress
from vlfeedback.types import ArrayFrames, Trajectory

TIMES = np.array([0, 1, 8, 15])  # states that are pictured
TASKS = ("drawer-open", "reach")


def test_windows_before_the_episode_show_the_reset_picture(episodes: EpisodeSet) -> None:
    np.testing.assert_array_equal(
        episodes.window(np.array([2, 5]), 4), [[0, 0, 1, 2], [2, 3, 4, 5]]
    )


def test_a_window_return_is_the_sum_of_its_fifty_rewards() -> None:
    rewards = np.random.default_rng(0).normal(size=(2, 150))
    returns = vlp_data._window_returns(rewards, np.array([50, 57, 148]))
    for column, start in enumerate((0, 7, 98)):
        expected = rewards[:, start : start + 50].sum(axis=1)
        np.testing.assert_allclose(returns[:, column], expected)


def test_before_the_episode_the_first_reward_counts() -> None:
    rewards = np.arange(1.0, 101.0)[None]
    returns = vlp_data._window_returns(rewards, np.array([0, 1, 8]))
    np.testing.assert_allclose(returns, np.array([[50.0, 50.0, 42.0 + 36.0]]))


def test_ranks_run_from_zero_to_one_in_each_task_by_itself() -> None:
    ranks = vlp_data._ranks([np.array([[5.0, -2.0], [7.0, 100.0]]), np.array([[0.2, 0.1]])])
    np.testing.assert_allclose(ranks, [[1 / 3, 0.0], [2 / 3, 1.0], [1.0, 0.0]])


def test_states_that_never_move_stay_at_zero_instead_of_amplifying_noise() -> None:
    states = np.full((2, 3, 2), 0.4)
    states[..., 1] += np.random.default_rng(0).normal(size=(2, 3))
    standard = vlp_data._standardise(states)
    np.testing.assert_allclose(standard[..., 0], 0.0, atol=1e-9)
    assert np.isclose(standard[..., 1].std(), 1.0)


def test_hand_gripper_and_object_are_measured_and_the_way_from_hand_to_object() -> None:
    observation = np.arange(39.0)
    observation[4:7] = [10.0, 20.0, 30.0]
    measured = vlp_data.measure_positions(np.stack([observation, observation]))
    assert measured.dtype == np.float32
    np.testing.assert_array_equal(measured[1], [0, 1, 2, 3, 10, 20, 30, 10, 19, 28])


def episode(task: str, level: str, index: int) -> Trajectory:
    """Twenty steps; every reward is the level's, every pixel the index of level and episode."""
    place = 4 * ("random", "medium", "expert", "scattered").index(level) + index
    scattered = level == "scattered"
    times = np.arange(4) if scattered else TIMES
    length = 3 if scattered else 20
    observations = np.random.default_rng(place).normal(size=(length + 1, 39)).astype(np.float32)
    return Trajectory(
        observations=observations,
        actions=np.zeros((length, 4), np.float32),
        env_rewards=None if scattered else np.full(length, place, np.float32),
        successes=None if scattered else np.arange(length) >= 10,
        frames=ArrayFrames(times, np.full((4, 8, 8, 3), place, np.uint8)),
        task=task,
        id=f"{task}/{level}/{index}",
        info={"level": level},
    )


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """Four episodes of each level, and four groups of scattered scenes, of two tasks."""
    collection = Collection.create(tmp_path / "data", {"seed": 7})
    for task in TASKS:
        for level in ("expert", "medium", "random", "scattered"):
            episodes = [episode(task, level, index) for index in range(4)]
            write_trajectories(collection.path(task, level), episodes)
    return collection


def test_episodes_of_all_levels_are_read_worst_first(collection: Collection) -> None:
    episodes = load_episodes(collection, TASKS)
    np.testing.assert_array_equal(episodes.task, [0] * 12 + [1] * 12)
    np.testing.assert_array_equal(episodes.level, ([0] * 4 + [1] * 4 + [2] * 4) * 2)
    assert episodes.pictures.shape == (24, 4, 8, 8, 3)
    np.testing.assert_array_equal(episodes.pictures[:, 2, 3, 4, 1], list(range(12)) * 2)
    assert episodes.states.shape == (24, 4, 18)
    # All of an episode's rewards are alike; the better episode's windows have the higher ranks.
    np.testing.assert_allclose(episodes.reward[5], np.arange(20, 24) / 47)
    np.testing.assert_allclose(episodes.window_return[11].max(), 1.0)


def test_progress_is_that_of_the_pictured_states(collection: Collection) -> None:
    episodes = load_episodes(collection, TASKS)
    np.testing.assert_array_equal(episodes.progress[:, 3], 1.0)  # state 15: done since step 10
    one = episode("reach", "medium", 1)
    expected = measure_progress("reach", one.observations, np.zeros(21, np.bool_))[TIMES]
    np.testing.assert_array_equal(episodes.progress[12 + 5, :3], expected[:3])


def test_positions_are_those_of_the_pictured_states(collection: Collection) -> None:
    episodes = load_episodes(collection, TASKS)
    observations = episode("reach", "medium", 1).observations[TIMES]
    np.testing.assert_array_equal(episodes.positions[12 + 5, :, :4], observations[:, :4])
    np.testing.assert_array_equal(episodes.positions[12 + 5, :, 4:7], observations[:, 4:7])


def test_scattered_scenes_are_read_picture_by_picture(collection: Collection) -> None:
    scenes = load_scenes(collection, TASKS)
    np.testing.assert_array_equal(scenes.task, [0] * 16 + [1] * 16)
    assert scenes.pictures.shape == (32, 8, 8, 3)
    observations = episode("drawer-open", "scattered", 1).observations
    np.testing.assert_array_equal(scenes.positions[4:8, :4], observations[:, :4])


def test_a_share_is_the_first_trajectories_of_each_level(collection: Collection) -> None:
    episodes = load_episodes(collection, TASKS, share=0.5)
    np.testing.assert_array_equal(episodes.level, [0, 0, 1, 1, 2, 2] * 2)
    np.testing.assert_array_equal(episodes.pictures[:6, 0, 0, 0, 0], [0, 1, 4, 5, 8, 9])
    assert len(load_scenes(collection, TASKS, share=0.5).pictures) == 2 * 2 * 4
    assert len(load_episodes(collection, TASKS, share=0.01).task) == 6  # at least one of each


@pytest.mark.parametrize(("level", "read"), [("medium", load_episodes), ("scattered", load_scenes)])
def test_a_level_that_was_not_collected_is_named(
    collection: Collection, level: str, read: object
) -> None:
    collection.path("reach", level).unlink()
    with pytest.raises(FileNotFoundError, match=rf"no {level} of 'reach'.*vlfeedback collect"):
        read(collection, TASKS)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"frames": None}, NeedsError, "no pictures; collect it again"),
        ({"env_rewards": None}, NeedsError, "no rewards of its own; collect it again"),
        (
            {"frames": ArrayFrames(np.arange(4), np.zeros((4, 8, 8, 3), np.uint8))},
            ShapeError,
            r"pictures of states \[0, 1, 2, 3\].*one stride and horizon",
        ),
    ],
)
def test_trajectories_that_cannot_be_trained_on_are_named(
    collection: Collection, change: dict[str, object], error: type[Exception], told: str
) -> None:
    spoilt = replace(episode("reach", "expert", 3), **change)  # type: ignore[arg-type]
    path = collection.path("reach", "expert")
    path.unlink()
    write_trajectories(path, [spoilt])
    with pytest.raises(error, match=told):
        load_episodes(collection, TASKS)


def test_each_phrase_drawn_belongs_to_its_task() -> None:
    tasks = ["drawer-open", "door-open", "reach"]
    texts = Texts(tasks, max_words=24)
    sizes = [len(instruction_corpus(task)) for task in tasks]
    assert len(texts.mask) == sum(sizes)
    rows = texts.draw(np.array([1] * 200), np.random.default_rng(0))
    assert rows.min() >= sizes[0]
    assert rows.max() < sizes[0] + sizes[1]
    assert len(set(rows.tolist())) > 10


def test_phrases_of_your_own_take_the_place_of_ours() -> None:
    corpus = {"reach": ["reach the goal"], "push": ["push"], "drawer-open": ["open"]}
    texts = Texts(["push", "reach"], max_words=2, corpus=corpus)
    words, mask = WordVectors.load().encode(["push", "reach the goal"], max_tokens=2)
    np.testing.assert_array_equal(texts.words, words)
    np.testing.assert_array_equal(texts.mask, mask)
    drawn = texts.draw(np.array([1, 0, 1]), np.random.default_rng(0))
    np.testing.assert_array_equal(drawn, [1, 0, 1])


def test_tasks_that_your_phrases_lack_are_named_with_what_to_do() -> None:
    told = r"lack push, reach; .*instructions write, .*--exclude"
    with pytest.raises(NeedsError, match=told):
        Texts(["push", "door-open", "reach"], max_words=24, corpus={"door-open": ["open it"]})


def test_collections_made_otherwise_come_after_those_of_the_same_task(
    collection: Collection, tmp_path: Path
) -> None:
    other = Collection.create(tmp_path / "other", {"seed": 8})
    for task in TASKS:
        for level in ("expert", "failed"):
            given = replace(episode(task, "expert", 3), level=level)
            write_trajectories(other.path(task, level), [given])
    episodes = load_episodes(collection, TASKS, also=[other])
    np.testing.assert_array_equal(episodes.task, [0] * 14 + [1] * 14)
    # Levels that none of the three is have no rank.
    np.testing.assert_array_equal(episodes.level, ([0] * 4 + [1] * 4 + [2] * 4 + [2, -1]) * 2)
