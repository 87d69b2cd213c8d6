"""Claim: environments of other packages are rewarded, inspected, collected and learnt in as is.

Of each family, some environments: `vlfeedback doctor --env`'s inspection; the reward of a source
from pictures, told what the environment itself says where it does; two episodes of `collect`; and a
few steps of stable-baselines3. A family whose package is missing is left out, and said to be:

    pip install gymnasium-robotics minigrid ale-py "gymnasium[box2d,mujoco]"

`tests/test_other_environments.py` asserts the same, family by family.
"""

from __future__ import annotations

import importlib.util
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from measurement import PACKAGES, publish
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm

from vlfeedback import FlatObservations, RewardFromSource, Trajectory, own_task
from vlfeedback.collecting import collect
from vlfeedback.data.collection import Collection
from vlfeedback.evaluation.environment import inspect_environment
from vlfeedback.wrappers.flat_observations import ARRAY_SPACES, text_keys

STEPS = 12  # of an inspection and of an episode
TRAINED = 64  # steps of a learner
SMALL = {"width": 128, "height": 128}


@dataclass(frozen=True)
class Family:
    """Environments of one package.

    Attributes:
        modules: that have to be there.
        distributions: whose versions are noted.
        environments: keyword arguments by id.
        success_key: entry of `info` that tells success; "": none.
        instruction_key: entry of an observation that says what is to be done; "": none.
    """

    modules: tuple[str, ...]
    distributions: tuple[str, ...]
    environments: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    success_key: str = ""
    instruction_key: str = ""


FAMILIES = {
    "classic control": Family(
        ("pygame",), (), {"CartPole-v1": {}, "Pendulum-v1": {}, "MountainCar-v0": {}}
    ),
    "toy text": Family(("pygame",), (), {"FrozenLake-v1": {}, "Taxi-v4": {}, "Blackjack-v1": {}}),
    "Box2D": Family(
        ("Box2D", "pygame"),
        ("box2d",),
        {"LunarLander-v3": {}, "BipedalWalker-v3": {}, "CarRacing-v3": {}},
    ),
    "MuJoCo v5": Family(
        ("mujoco",),
        ("mujoco",),
        {"Hopper-v5": SMALL, "Ant-v5": SMALL, "Pusher-v5": SMALL},
    ),
    "Fetch and Shadow hands": Family(
        ("gymnasium_robotics",),
        ("gymnasium-robotics",),
        {
            "gymnasium_robotics:FetchReach-v4": SMALL,
            "gymnasium_robotics:HandManipulateBlock-v1": SMALL,
        },
        success_key="is_success",
    ),
    "mazes, Adroit": Family(
        ("gymnasium_robotics",),
        ("gymnasium-robotics",),
        {
            "gymnasium_robotics:PointMaze_UMaze-v3": {},
            "gymnasium_robotics:AntMaze_UMaze-v5": {},
            "gymnasium_robotics:AdroitHandDoor-v1": SMALL,
        },
        success_key="success",
    ),
    "MiniGrid and BabyAI": Family(
        ("minigrid",),
        ("minigrid",),
        {"minigrid:MiniGrid-GoToDoor-5x5-v0": {}, "minigrid:BabyAI-GoToRedBall-v0": {}},
        instruction_key="mission",
    ),
    "Atari": Family(
        ("ale_py",), ("ale-py",), {"ale_py:ALE/Pong-v5": {}, "ale_py:ALE/Breakout-v5": {}}
    ),
}


def main() -> None:
    figures, versions, absent = {}, ["stable-baselines3"], []
    for name, family in FAMILIES.items():
        if not is_installed(family):
            absent.append(name)
            continue
        versions += family.distributions
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of those packages, at themselves
            figures[name] = {
                env_id: tried(env_id, options, family)
                for env_id, options in family.environments.items()
            }
    publish(
        "other_environments",
        claim=(__doc__ or "").splitlines()[0].removeprefix("Claim: "),
        seed=0,
        figures={"families": figures, "not installed": absent},
        packages=tuple(dict.fromkeys((*PACKAGES, *versions))),
    )


def is_installed(family: Family) -> bool:
    return all(importlib.util.find_spec(module) is not None for module in family.modules)


def tried(env_id: str, options: dict[str, Any], family: Family) -> dict[str, Any]:
    """What came of one environment; raises where something does not work."""
    inspected = inspect_environment(env_id, env_options=options, n_steps=STEPS)
    told = {"instruction_key": family.instruction_key} if family.instruction_key else {}
    env = rewarded(env_id, options, told or {"instruction": "do it well"})
    rewards = rewards_of(env)
    episodes = collected(env_id, options, family)
    learner = learn(env)
    height, width, _ = inspected.pictures[0].shape
    return {
        "problems": [f.detail for f in inspected.findings if f.state == "problem"],
        "upright": next(f.state for f in inspected.findings if f.subject == "upright") == "ok",
        "observations": type(gym.make(env_id, **options).observation_space).__name__,
        "actions": type(env.action_space).__name__,
        "picture": f"{height} x {width}",
        "rewards": sum(reward != 0 for reward in rewards),
        "collected": [len(episode) for episode in episodes],
        "tells success": episodes[0].successes is not None,
        "said": sorted({episode.instruction for episode in episodes})[:1] if told else [],
        "learner": learner,
    }


def rewarded(env_id: str, options: dict[str, Any], told: dict[str, Any]) -> gym.Env[Any, Any]:
    env = gym.make(env_id, render_mode="rgb_array", **options)
    return RewardFromSource(env, "picture-energy", **told)


def rewards_of(env: gym.Env[Any, Any]) -> list[float]:
    """Of some steps; each step tells what `RewardFromSource` promises."""
    rewards = []
    env.action_space.seed(0)
    env.reset(seed=0)
    for _ in range(STEPS):
        _, reward, terminated, truncated, info = env.step(env.action_space.sample())
        if not {"env_reward", "env_return", "source_score"} <= info.keys():
            raise ValueError(f"info has {list(info)}")
        if not (np.isfinite(reward) and np.isfinite(info["env_reward"])):
            raise ValueError(f"rewards {reward} and {info['env_reward']}")
        rewards.append(float(reward))
        if terminated or truncated:
            env.reset()
    return rewards


def collected(env_id: str, options: dict[str, Any], family: Family) -> list[Trajectory]:
    """Two random episodes, as `vlfeedback collect --env-id` makes and keeps them."""
    task = own_task(
        env_id,
        "do it well",
        name="tried",
        success_key=family.success_key,
        instruction_key=family.instruction_key,
    )
    settings = {"episodes": 2, "horizon": STEPS, "frame_stride": 4, "env_options": options}
    with tempfile.TemporaryDirectory() as folder:
        collect(Path(folder), [task], settings=settings, workers=0)
        episodes = Collection.open(Path(folder)).load("tried")
    if any(episode.frames is None for episode in episodes):
        raise ValueError("an episode has no pictures")
    return episodes


def learn(env: gym.Env[Any, Any]) -> str:
    """Train what fits the spaces, and say what that was."""
    flattened = ""
    space = env.observation_space
    if not isinstance(space, (gym.spaces.Dict, *ARRAY_SPACES)) or text_keys(space):
        env, flattened = FlatObservations(env), ", FlatObservations"
        space = env.observation_space
    policy = "MlpPolicy"
    if isinstance(space, gym.spaces.Dict):
        policy = "MultiInputPolicy"
    elif space.shape is not None and len(space.shape) == 3:
        policy = "CnnPolicy"
    model = _model(env, policy)
    model.learn(TRAINED)
    action, _ = model.predict(env.reset(seed=0)[0])
    # An array of no axes, which tables of FrozenLake cannot be asked for.
    env.step(int(action) if isinstance(env.action_space, gym.spaces.Discrete) else action)
    env.close()
    return f"{type(model).__name__}, {policy}{flattened}"


def _model(env: gym.Env[Any, Any], policy: str) -> BaseAlgorithm:
    off_policy: dict[str, Any] = {"learning_starts": 16, "buffer_size": 100, "seed": 0}
    if isinstance(env.action_space, gym.spaces.Discrete) and policy == "CnnPolicy":
        return DQN(policy, env, **off_policy)
    if isinstance(env.action_space, gym.spaces.Box) and policy != "CnnPolicy":
        return SAC(policy, env, **off_policy)
    return PPO(policy, env, n_steps=32, batch_size=16, n_epochs=1, seed=0)


if __name__ == "__main__":
    main()
