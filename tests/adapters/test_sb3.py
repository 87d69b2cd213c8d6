"""Policies of stable-baselines3 come back from their files without unpickling anything."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from vlfeedback.adapters.sb3 import load_policy
from vlfeedback.errors import CheckpointError

sb3 = pytest.importorskip("stable_baselines3")

STATES = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
ENV = "Pendulum-v1"  # three numbers, and one action in [-2, 2]


def saved(kind: str, path: Path, env: str = ENV, **settings: Any) -> Any:
    model = getattr(sb3, kind)("MlpPolicy", env, device="cpu", **settings)
    model.save(path)
    return model


def spaces(env: str = ENV) -> tuple[gym.Space[Any], gym.Space[Any]]:
    made: gym.Env[Any, Any] = gym.make(env)
    return made.observation_space, made.action_space


def rewritten(path: Path, **members: bytes) -> Path:
    """The same file with some of its members replaced."""
    with zipfile.ZipFile(path) as old:
        contents = {name: old.read(name) for name in old.namelist()} | members
    with zipfile.ZipFile(path, "w") as new:
        for name, content in contents.items():
            new.writestr(name, content)
    return path


def arguments(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        data: dict[str, Any] = json.loads(archive.read("data"))
    return data


@pytest.mark.parametrize("kind", ["A2C", "DDPG", "PPO", "SAC", "TD3"])
def test_a_policy_acts_as_the_model_that_was_saved(kind: str, tmp_path: Path) -> None:
    model = saved(kind, tmp_path / "model.zip")
    policy = load_policy(tmp_path / "model.zip", *spaces())
    for states in (STATES, STATES[0]):
        expected, _ = model.predict(states, deterministic=True)
        np.testing.assert_array_equal(policy.predict(states, deterministic=True)[0], expected)


def test_layers_of_another_width_and_discrete_actions_are_read(tmp_path: Path) -> None:
    path, env = tmp_path / "model.zip", "CartPole-v1"
    model = saved("DQN", path, env, policy_kwargs={"net_arch": [8]}, buffer_size=10)
    policy = load_policy(path, *spaces(env))
    states = np.linspace(-1, 1, 4, dtype=np.float32)
    assert (
        policy.predict(states, deterministic=True)[0]
        == model.predict(states, deterministic=True)[0]
    )


def test_what_is_pickled_in_a_file_is_never_run(tmp_path: Path) -> None:
    path, target = tmp_path / "model.zip", tmp_path / "touched"
    saved("SAC", path)
    data = arguments(path)

    class Runs:
        def __reduce__(self) -> Any:
            return Path.touch, (target,)

    import base64
    import pickle

    hostile = base64.b64encode(pickle.dumps(Runs())).decode()
    for value in data.values():
        if isinstance(value, dict) and ":serialized:" in value:
            value[":serialized:"] = hostile
    rewritten(path, data=json.dumps(data).encode())
    load_policy(path, *spaces())
    weights = io.BytesIO()
    import torch

    torch.save({"actor": Runs()}, weights)
    rewritten(path, **{"policy.pth": weights.getvalue()})
    with pytest.raises(CheckpointError, match="no readable model of stable-baselines3"):
        load_policy(path, *spaces())
    assert not target.exists()


def test_an_activation_is_known_by_its_name(tmp_path: Path) -> None:
    from torch import nn

    path = tmp_path / "model.zip"
    model = saved("SAC", path, policy_kwargs={"activation_fn": nn.Tanh, "net_arch": [8]})
    expected, _ = model.predict(STATES, deterministic=True)
    policy = load_policy(path, *spaces())
    np.testing.assert_array_equal(policy.predict(STATES, deterministic=True)[0], expected)


def test_settings_that_only_a_pickle_holds_are_refused_with_a_way_out(tmp_path: Path) -> None:
    from stable_baselines3.common.torch_layers import FlattenExtractor

    path = tmp_path / "model.zip"
    saved("SAC", path, policy_kwargs={"features_extractor_class": FlattenExtractor})
    with pytest.raises(CheckpointError, match=r"settings that are pickled.*--policy my_module:act"):
        load_policy(path, *spaces())


def test_a_policy_of_ones_own_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    saved("SAC", path)
    data = arguments(path)
    data["policy_class"]["__module__"] = "os"
    rewritten(path, data=json.dumps(data).encode())
    with pytest.raises(CheckpointError, match="a policy of os, which is not read"):
        load_policy(path, *spaces())


def test_a_policy_of_another_environment_is_refused(tmp_path: Path) -> None:
    saved("SAC", tmp_path / "model.zip")
    with pytest.raises(CheckpointError, match="no readable policy for this environment"):
        load_policy(tmp_path / "model.zip", *spaces("MountainCarContinuous-v0"))


def test_a_file_that_is_no_zip_is_refused_and_one_that_is_not_there_named(tmp_path: Path) -> None:
    (tmp_path / "model.zip").write_bytes(b"PK nothing")
    with pytest.raises(CheckpointError, match="no readable model of stable-baselines3"):
        load_policy(tmp_path / "model.zip", *spaces())
    with pytest.raises(FileNotFoundError, match=r"other\.zip"):
        load_policy(tmp_path / "other.zip", *spaces())
