"""Files with a group an episode, of robomimic and ManiSkill: read, chosen from and copied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from vlfeedback import make_reward_source, relabel
from vlfeedback.adapters import maniskill, robomimic
from vlfeedback.adapters.formats import open_dataset
from vlfeedback.errors import (
    FileFormatError,
    InvalidValueError,
    NeedsError,
    ShapeError,
    UnknownNameError,
    VLFeedbackError,
)
from vlfeedback.types import Trajectory

LENGTHS = {"demo_2": 4, "demo_10": 3}  # by their numbers, not by their letters


def pictures(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)


def robomimic_file(path: Path, *, next_obs: bool = True, cameras: int = 1) -> Path:
    """As robomimic's dataset_states_to_obs.py lays it out."""
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps({"env_name": "Lift", "type": 1, "env_kwargs": {}})
        for seed, (name, length) in enumerate(LENGTHS.items()):
            demo, shown = data.create_group(name), pictures(length + 1, seed)
            demo.attrs["num_samples"] = length
            demo["actions"] = np.full((length, 7), 0.1 * seed)
            demo["rewards"] = np.arange(length, dtype=np.float64)
            demo["dones"] = np.arange(length) == length - 1
            demo["states"] = np.full((length, 9), 2.0)
            steps = np.arange(length + 1)[:, None]
            rows = {"eef_pos": steps * np.ones(3), "object": 10 + steps * np.ones(2)}
            for camera in range(cameras):
                rows[f"view_{camera}_image"] = shown
            for key, array in rows.items():
                demo[f"obs/{key}"] = array[:-1]
                if next_obs:
                    demo[f"next_obs/{key}"] = array[1:]
        file["mask/valid"] = np.array([b"demo_10"])
    return path


def maniskill_file(path: Path, *, rewards: bool = False) -> Path:
    """As ManiSkill's RecordEpisode lays it out, in an observation mode with pictures."""
    with h5py.File(path, "w") as file:
        for number, length in ((0, 3), (1, 5)):
            group, rows = file.create_group(f"traj_{number}"), np.arange(length + 1.0)[:, None]
            group["actions"] = np.zeros((length, 8), np.float32)
            group["obs/agent/qpos"], group["obs/agent/qvel"] = rows * np.ones(9), rows * np.ones(9)
            group["obs/extra/tcp_pose"] = rows * np.ones(7)
            group["obs/sensor_data/base_camera/rgb"] = pictures(length + 1, number)
            group["obs/sensor_data/base_camera/depth"] = np.zeros((length + 1, 4, 4, 1), np.int16)
            group["obs/sensor_param/base_camera/cam2world_gl"] = np.zeros((length + 1, 4, 4))
            group["env_states/actors/cube"] = rows * np.ones(13)
            for flag in ("terminated", "success"):
                group[flag] = np.arange(length) == length - 1
            group["truncated"] = np.zeros(length, bool)
            if rewards:
                group["rewards"] = np.arange(length, dtype=np.float32)
    seeds = [{"episode_id": n, "episode_seed": 7 + n, "elapsed_steps": 3} for n in (0, 1)]
    about = {"env_info": {"env_id": "PickCube-v1"}, "episodes": seeds}
    path.with_suffix(".json").write_text(json.dumps(about))
    return path


def paid(trajectories: Iterator[Trajectory]) -> Iterator[Trajectory]:
    for number, trajectory in enumerate(trajectories):
        yield replace(trajectory, rewards=np.full(len(trajectory), number + 0.5, np.float32))


def contents(path: Path) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda key, item: (
                arrays.update({key: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    return arrays


# --- robomimic


def test_robomimic_demonstrations_are_read_by_their_numbers(tmp_path: Path) -> None:
    dataset = open_dataset(
        robomimic_file(tmp_path / "low.hdf5"), {"observation": ["object", "eef_pos"]}
    )
    assert dataset.format == "robomimic"
    one, two = dataset.read()
    assert [(t.id, len(t), t.terminated, t.truncated) for t in (one, two)] == [
        ("low/demo_2", 4, False, True),
        ("low/demo_10", 3, False, True),
    ]
    assert one.observations.tolist() == [[10.0 + i] * 2 + [i] * 3 for i in range(5)]
    assert one.env_rewards is not None and one.env_rewards.tolist() == [0, 1, 2, 3]
    assert one.rewards is None and not one.last_observation_repeated
    assert two.actions.tolist() == [[0.1] * 7] * 3
    assert one.frames is not None and one.frames.times.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(one.frames.read([4, 0, 4]), pictures(5)[[4, 0, 4]])


def test_without_next_observations_the_last_one_is_not_known(tmp_path: Path) -> None:
    path = robomimic_file(tmp_path / "a.hdf5", next_obs=False)
    one, _ = robomimic.read(path, observation="object")
    assert one.last_observation_repeated
    assert one.observations[:, 0].tolist() == [10, 11, 12, 13, 13]
    assert one.frames is not None and one.frames.times.tolist() == [0, 1, 2, 3]


def test_settings_choose_what_is_read_of_a_robomimic_file(tmp_path: Path) -> None:
    path = robomimic_file(tmp_path / "a.hdf5", cameras=2)
    everything: dict[str, Any] = {"observation": "flatten", "pictures": ""}
    one, _ = robomimic.read(path, **everything)
    assert one.observations.shape == (5, 5) and one.frames is None
    (valid,) = robomimic.read(path, mask="valid", done_is_terminal=True, **everything)
    assert (valid.id, valid.terminated, valid.truncated) == ("a/demo_10", True, False)
    states, _ = robomimic.read(path, observation="states", pictures="view_1_image")
    assert states.observations.shape == (5, 9) and states.frames is not None
    assert states.last_observation_repeated
    refused: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({}, NeedsError, r"has the pictures \['view_0_image', 'view_1_image'\]; choose"),
        ({"pictures": ""}, NeedsError, r"'eef_pos', 'object', .*; choose one with observation="),
        ({"pictures": "", "observation": "qpos"}, UnknownNameError, "'qpos' is none of the arrays"),
        ({"pictures": "object"}, UnknownNameError, "no pictures 'object'; it has"),
        ({**everything, "mask": "train"}, UnknownNameError, r"no mask 'train'; it has \['valid'\]"),
    ]
    for reading, error, message in refused:
        with pytest.raises(error, match=message):
            robomimic.read(path, **reading)


def test_raw_demonstrations_say_how_to_get_observations(tmp_path: Path) -> None:
    with h5py.File(robomimic_file(tmp_path / "a.hdf5"), "a") as file:
        for name in LENGTHS:
            del file[f"data/{name}/obs"], file[f"data/{name}/next_obs"]
    with pytest.raises(NeedsError, match=r"dataset_states_to_obs\.py, .*observation='states'"):
        robomimic.read(tmp_path / "a.hdf5")
    one, _ = robomimic.read(tmp_path / "a.hdf5", observation="states")
    assert one.observations.shape == (5, 9)


def test_what_libero_says_the_task_is_becomes_the_instruction(tmp_path: Path) -> None:
    with h5py.File(robomimic_file(tmp_path / "a.hdf5"), "a") as file:
        file["data"].attrs["problem_info"] = json.dumps({"language_instruction": "open the door"})
    one, _ = robomimic.read(tmp_path / "a.hdf5", observation="object")
    assert one.instruction == "open the door"


def test_a_copy_of_a_robomimic_file_has_other_rewards_and_all_else(tmp_path: Path) -> None:
    path = robomimic_file(tmp_path / "a.hdf5")
    dataset = open_dataset(path, {"observation": "object"})
    dataset.new_copy(str(tmp_path / "b.hdf5")).write(paid(dataset.read()), {})
    before, after = contents(path), contents(tmp_path / "b.hdf5")
    for name in LENGTHS:
        own = before.pop(f"data/{name}/rewards")
        rewards = after.pop(f"data/{name}/rewards")
        np.testing.assert_array_equal(after.pop(f"data/{name}/env_rewards"), own)
        assert rewards.dtype == np.float64 and set(rewards) == {0.5 if name == "demo_2" else 1.5}
    np.testing.assert_equal(after, before)
    one, _ = robomimic.read(tmp_path / "b.hdf5", observation="object")
    assert one.rewards is not None and one.rewards.tolist() == [0.5] * 4
    assert one.env_rewards is not None and one.env_rewards.tolist() == [0, 1, 2, 3]


def test_a_copy_of_a_part_of_the_data_is_refused(tmp_path: Path) -> None:
    reading = {"observation": "object", "mask": "valid"}
    dataset = open_dataset(robomimic_file(tmp_path / "a.hdf5"), reading)
    with pytest.raises(InvalidValueError, match="would keep their own rewards"):
        dataset.new_copy(str(tmp_path / "b.hdf5")).write(paid(dataset.read()), {})
    assert [path.name for path in tmp_path.iterdir()] == ["a.hdf5"]


# --- ManiSkill


def test_maniskill_episodes_are_read_with_their_seeds_and_pictures(tmp_path: Path) -> None:
    dataset = open_dataset(maniskill_file(tmp_path / "pick.h5"), {"observation": "agent"})
    assert dataset.format == "maniskill"
    one, two = dataset.read()
    assert [(t.id, len(t), t.seed, t.terminated, t.truncated) for t in (one, two)] == [
        ("pick/traj_0", 3, 7, True, False),
        ("pick/traj_1", 5, 8, True, False),
    ]
    assert one.observations.shape == (4, 18) and one.observations[3].tolist() == [3] * 18
    assert one.env_rewards is None and two.first_success == 4
    assert two.frames is not None
    np.testing.assert_array_equal(two.frames.read([5, 0]), pictures(6, 1)[[5, 0]])


def test_settings_choose_what_is_read_of_a_maniskill_file(tmp_path: Path) -> None:
    path = maniskill_file(tmp_path / "a.h5", rewards=True)
    shapes = {
        "flatten": (4, 9 + 9 + 7),
        "extra/tcp_pose": (4, 7),
        "env_states": (4, 13),
        "sensor_data/base_camera/depth": (4, 4, 4, 1),
    }
    for observation, shape in shapes.items():
        one, _ = maniskill.read(path, observation=observation, pictures="")
        assert (one.observations.shape, one.frames) == (shape, None)
        assert one.env_rewards is not None and one.env_rewards.tolist() == [0, 1, 2]
    with pytest.raises(NeedsError, match=r"agent/qpos.*observation='flatten'"):
        maniskill.read(path)
    with h5py.File(path, "a") as file:
        for name in ("traj_0", "traj_1"):
            del file[f"{name}/obs"]
    with pytest.raises(NeedsError, match=r"replay_trajectory .*observation='env_states'"):
        maniskill.read(path)


def test_states_of_a_maniskill_file_need_no_choice(tmp_path: Path) -> None:
    with h5py.File(maniskill_file(tmp_path / "a.h5"), "a") as file:
        for name, length in (("traj_0", 3), ("traj_1", 5)):
            del file[f"{name}/obs"]
            file[f"{name}/obs"] = np.ones((length + 1, 42))
    one, _ = maniskill.read(tmp_path / "a.h5")
    assert one.observations.shape == (4, 42)
    with pytest.raises(UnknownNameError, match="one array, of which there is nothing to choose"):
        maniskill.read(tmp_path / "a.h5", observation="agent")


def test_time_limits_marked_as_terminals_are_refused_in_maniskill(tmp_path: Path) -> None:
    with h5py.File(maniskill_file(tmp_path / "a.h5"), "a") as file:
        del file["traj_1"]
        file["traj_1"] = file["traj_0"]
    with pytest.raises(InvalidValueError, match="all 2 episodes terminate after exactly 3 steps"):
        maniskill.read(tmp_path / "a.h5", observation="agent")
    assert len(list(maniskill.read(tmp_path / "a.h5", observation="agent", trust_terminals=True)))


@pytest.mark.parametrize("text", ["{", "[]", '{"episodes": 3}', '{"episodes": [{}]}'])
def test_a_damaged_json_beside_the_file_is_named(tmp_path: Path, text: str) -> None:
    path = maniskill_file(tmp_path / "a.h5")
    path.with_suffix(".json").write_text(text)
    with pytest.raises(FileFormatError, match=r"a\.json .*Restore it, or remove it"):
        maniskill.read(path, observation="agent")
    path.with_suffix(".json").unlink()
    assert [t.seed for t in maniskill.read(path, observation="agent")] == [None, None]


def test_a_copy_of_a_maniskill_file_has_its_json_beside_it(tmp_path: Path) -> None:
    path = maniskill_file(tmp_path / "a.h5")
    dataset = open_dataset(path, {"observation": "agent"})
    relabelled = relabel(dataset.read(), make_reward_source("picture-energy"))
    dataset.new_copy(str(tmp_path / "b.h5")).write(relabelled, {})
    before, after = contents(path), contents(tmp_path / "b.h5")
    new = {f"traj_{n}/{name}" for n in (0, 1) for name in ("rewards", "env_rewards")}
    assert set(after) == set(before) | new
    np.testing.assert_equal({k: v for k, v in after.items() if k not in new}, before)
    assert (tmp_path / "b.json").read_bytes() == (tmp_path / "a.json").read_bytes()
    one, _ = maniskill.read(tmp_path / "b.h5", observation="agent")
    assert one.rewards is not None and one.env_rewards is None and one.seed == 7
    (tmp_path / "b.h5").unlink()
    with pytest.raises(FileExistsError, match=r"b\.json is there already"):
        dataset.new_copy(str(tmp_path / "b.h5")).write(paid(dataset.read()), {})


# --- both


@pytest.fixture(params=["robomimic", "maniskill"])
def dataset_path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    if request.param == "robomimic":
        return robomimic_file(tmp_path / "a.h5")
    return maniskill_file(tmp_path / "a.h5")


def read_all(path: Path) -> list[Trajectory]:
    read = list(open_dataset(path, {"observation": "flatten"}).read())
    for trajectory in read:
        if trajectory.frames is not None:
            trajectory.frames.read(trajectory.frames.times)
    return read


FAULTS: dict[str, Any] = {
    "NaN": lambda group: group["actions"].write_direct(np.full(group["actions"].shape, np.nan)),
    "short": lambda group: swap(group, "actions", np.zeros((2, 7))),
    "text": lambda group: swap(group, "actions", np.array([b"left"] * 4)),
    "none": lambda group: group.pop("actions"),
    "group": lambda group: (group.pop("actions"), group.create_group("actions")),
    "link": lambda group: swap(group, "actions", h5py.ExternalLink("other.h5", "/x")),
    "rewards": lambda group: swap(group, "rewards", np.array([0, np.nan, 1, 1])),
}


def swap(group: h5py.Group, name: str, array: Any) -> None:
    if name in group:
        del group[name]
    group[name] = array


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_with_an_episode_is_one_error_of_ours(dataset_path: Path, fault: str) -> None:
    assert len(read_all(dataset_path)) == 2
    with h5py.File(dataset_path, "a") as file:
        FAULTS[fault](file["data/demo_2"] if "data" in file else file["traj_0"])
    with pytest.raises(VLFeedbackError, match=r"a\.h5"):
        read_all(dataset_path)


def test_rewards_that_are_all_nan_are_not_known(dataset_path: Path) -> None:
    with h5py.File(dataset_path, "a") as file:
        group = file["data/demo_2"] if "data" in file else file["traj_0"]
        swap(group, "rewards", np.full(len(group["actions"]), np.nan))
    assert read_all(dataset_path)[0].env_rewards is None


def test_copies_are_of_all_episodes_in_order(dataset_path: Path) -> None:
    dataset = open_dataset(dataset_path, {"observation": "flatten"})
    one, two = paid(dataset.read())
    for trajectories in ([one], [two, one], [one, two, two]):
        with pytest.raises(ShapeError):
            dataset.new_copy(str(dataset_path.with_name("b.h5"))).write(trajectories, {})
        assert not dataset_path.with_name("b.h5").exists()
