"""Claim: a CPU-second has 80 control steps of a rope, 60 of the sleeve, 15 of a half fold.

Also what a reset and a picture cost, what a gradient step of a policy on clouds of points costs,
what the episodes of each level are worth (returns, dressed ratios, lengths), how well scripts,
random actions and none do the tasks, and how many of 100 random episodes break the simulation.
After a change of one world, `--tasks` measures levels and policies of that one alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
import torch
from measurement import RESULTS, measure, publish

from vlfeedback.offline import TransitionBuffer
from vlfeedback.offline.point_encoder import encoder_maker
from vlfeedback.optional import import_d3rlpy
from vlfeedback.tasks import get_task
from vlfeedback.types import Trajectory
from vlfeedback_envs.deformables.data import roll_out
from vlfeedback_envs.deformables.environment import DeformableEnv
from vlfeedback_envs.deformables.fold_diagonal import LARGEST, FoldClothDiagonal
from vlfeedback_envs.deformables.fold_half import FoldClothHalf
from vlfeedback_envs.deformables.free_rope import StraightenRopeFree
from vlfeedback_envs.deformables.rope import StraightenRope
from vlfeedback_envs.deformables.scripts import (
    fold_diagonally,
    fold_in_half,
    grasp_and_pull,
    pull_straight,
    pull_up_the_arm,
)
from vlfeedback_envs.deformables.sleeve import DressSleeve

Script = Callable[[np.ndarray], np.ndarray]

STEPS = 40  # of an episode that is timed, or as many as it has
SETTINGS = {"horizon": 60, "frame_stride": 0, "frame_size": 240, "random_actions": "box"}
TASKS = {
    "straighten-rope": (StraightenRope, pull_straight, 40),
    "dress-sleeve": (DressSleeve, pull_up_the_arm, 60),
    "straighten-rope-free": (StraightenRopeFree, grasp_and_pull, 75),
    "fold-cloth-diagonal": (FoldClothDiagonal, fold_diagonally, 1),
    "fold-cloth-half": (FoldClothHalf, fold_in_half, 100),
}
NOISES = (0.1, 0.3, 0.6, 1.0)  # deviations of what is added to each entry of an action, in turn
NOISY = {"straighten-rope": 100, "straighten-rope-free": 500}  # episodes; ropes whip
MISSES = (0.01, 0.02, 0.04)  # m, standard deviation of the target of a diagonal fold


def simulation_workloads(
    env: DeformableEnv, script: Script, n_steps: int, seed: int
) -> dict[str, Callable[[], int]]:
    rng = np.random.default_rng(seed)

    def scripted() -> int:
        env.reset(seed=seed)
        for _ in range(n_steps):
            env.step(script(env.state()))
        return n_steps

    def random() -> int:
        env.reset(seed=seed)
        for _ in range(n_steps):
            env.step(rng.uniform(-1, 1, env.action_space.shape).astype(np.float32))
        return n_steps

    def resets() -> int:
        for k in range(10):
            env.reset(seed=seed + k)
        return 10

    return {"steps, scripted": scripted, "steps, random": random, "resets": resets}


def picture_workloads(make: Any, seed: int) -> dict[str, Callable[[], int]]:
    workloads: dict[str, Callable[[], int]] = {}
    for quality in ("vlm", "encoder"):
        env = make(render_mode="rgb_array", quality=quality)
        env.reset(seed=seed)

        def pictures(env: DeformableEnv = env) -> int:
            for _ in range(10):
                env.render()
            return 10

        workloads[f"pictures of 240 px, {quality}"] = pictures
    return workloads


def learner_workloads(trajectories: list[Trajectory]) -> dict[str, Callable[[], int]]:
    """Gradient steps of d3rlpy's BC and IQL on 64 clouds, with the small encoder."""
    algos = import_d3rlpy(needed_by="this benchmark").algos
    encoder = encoder_maker("pointnet-small", [256, 256])()
    configs = {
        "BC": algos.BCConfig(batch_size=64, encoder_factory=encoder),
        "IQL": algos.IQLConfig(
            batch_size=64,
            actor_encoder_factory=encoder,
            critic_encoder_factory=encoder,
            value_encoder_factory=encoder,
        ),
    }
    workloads: dict[str, Callable[[], int]] = {}
    for name, config in configs.items():
        algo, buffer = config.create(), TransitionBuffer(trajectories, rewards="env")
        algo.build_with_dataset(buffer)

        def steps(algo: Any = algo, buffer: TransitionBuffer = buffer) -> int:
            for _ in range(5):
                algo.update(buffer.sample_transition_batch(64))
            return 5

        workloads[f"gradient steps of {name}, pointnet-small, 64 clouds"] = steps
    return workloads


def describe_level(name: str, level: str, n_episodes: int, seed: int) -> dict[str, float]:
    """Returns, successes and lengths of a level; of the sleeve a return is the best ratio."""
    task, (_, _, horizon) = get_task(name), TASKS[name]
    settings = {**SETTINGS, "horizon": horizon, "env_options": {"obs_mode": "state"}}
    first = 1_000_000 * (seed + 1)
    episodes = list(roll_out(task, level, range(first, first + n_episodes), settings))
    returns = [float(t.env_rewards.sum()) for t in episodes if t.env_rewards is not None]
    successes = [bool(t.successes[-1]) for t in episodes if t.successes is not None]
    described = {
        "return": float(np.mean(returns)),
        "standard deviation": float(np.std(returns)),
        "success at the end": float(np.mean(successes)),
        "steps": float(np.mean([len(t) for t in episodes])),
        "stopped": float(np.mean([t.terminated for t in episodes])),
    }
    if name == "dress-sleeve":
        described["ratio at the end"] = float(np.mean([t.observations[-1, -1] for t in episodes]))
    return described


def describe_policies(name: str, seed: int) -> dict[str, dict[str, float]]:
    """What 20 episodes of a script and of no actions are worth, and more of random actions."""
    make, script, horizon = TASKS[name]
    with closing(make()) as env:
        rng = np.random.default_rng(seed)
        shape = env.action_space.shape or ()
        policies: dict[str, tuple[int, Script]] = {
            "script": (20, script),
            "zero": (20, lambda _state: np.zeros(shape)),
            "random": (100, lambda _state: rng.uniform(-1, 1, shape)),
        }
        first = 1_000_000 * (seed + 1)
        described = {
            policy: describe_ends(
                [last_info(env, act, first + k, horizon) for k in range(n_episodes)]
            )
            for policy, (n_episodes, act) in policies.items()
        }
        if name in NOISY:
            actors = [with_noise(script, sd, rng) for sd in NOISES]
            described["script and noise"] = describe_ends(
                [
                    last_info(env, actors[k % len(actors)], first + k, horizon)
                    for k in range(NOISY[name])
                ]
            )
        return described


def with_noise(script: Script, deviation: float, rng: np.random.Generator) -> Script:
    def act(state: np.ndarray) -> np.ndarray:
        chosen = script(state)
        return chosen + rng.normal(0, deviation, chosen.shape)

    return act


def describe_misses(seed: int) -> dict[str, float]:
    """What diagonal folds are worth in the mean whose target is off by so much, 40 each."""
    rng = np.random.default_rng(seed)
    with closing(FoldClothDiagonal()) as env:
        return {
            f"{100 * miss:.0f} cm": describe_ends(
                [
                    last_info(
                        env,
                        lambda s, off=miss: fold_diagonally(s) + rng.normal(0, off, 2) / LARGEST,
                        seed,
                        horizon=1,
                    )
                    for _ in range(40)
                ]
            )["normalized performance"]
            for miss in MISSES
        }


def last_info(env: DeformableEnv, act: Script, seed: int, horizon: int) -> dict[str, Any]:
    """`info` at the end of an episode."""
    env.reset(seed=seed)
    for _ in range(horizon):
        _, _, terminated, truncated, info = env.step(act(env.state()))
        if terminated or truncated:
            break
    return info


def describe_ends(infos: list[dict[str, Any]]) -> dict[str, float]:
    """Means over episodes, and how many of them broke the simulation."""
    normalized = [info["normalized_performance"] for info in infos if not info["sim_error"]]
    return {
        "episodes": len(infos),
        "normalized performance": float(np.mean(normalized)),
        "standard deviation": float(np.std(normalized)),
        "success": float(np.mean([info["success"] and not info["sim_error"] for info in infos])),
        "broken": sum(info["sim_error"] for info in infos),
    }


def describe_speed(repeats: int, seed: int) -> dict[str, Any]:
    """Steps, resets, pictures and gradient steps in a second."""
    speed: dict[str, Any] = {}
    for name, (make, script, horizon) in TASKS.items():
        workloads = simulation_workloads(make(), script, min(STEPS, horizon), seed)
        workloads |= picture_workloads(make, seed)
        speed[name] = measure(workloads, repeats=repeats)
    clouds = roll_out(
        get_task("dress-sleeve"), "suboptimal", range(4), {**SETTINGS, "env_options": {}}
    )
    speed["policies on clouds"] = measure(learner_workloads(list(clouds)), repeats=repeats)
    return speed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=60, help="of each level")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tasks", default="", help="the others' figures stay, and all of speed")
    args = parser.parse_args()
    torch.set_num_threads(1)

    if args.tasks:
        figures = json.loads((RESULTS / "deformables.json").read_text("utf-8"))["figures"]
        anew = args.tasks.split(",")
        figures["tasks of an earlier run"] = [name for name in TASKS if name not in anew]
    else:
        figures = {
            "speed": describe_speed(args.repeats, args.seed),
            "episodes of a level": args.episodes,
            "levels": {},
            "policies": {},
            "targets of diagonal folds off by": describe_misses(args.seed),
        }
        anew = list(TASKS)
    for name in anew:
        figures["levels"][name] = {
            level: describe_level(name, level, args.episodes, args.seed)
            for level in get_task(name).levels
        }
        figures["policies"][name] = describe_policies(name, args.seed)
    publish(
        "deformables",
        claim="a CPU-second has 80 control steps of a rope, 60 of the sleeve, 15 of a half fold",
        seed=args.seed,
        figures=figures,
    )


if __name__ == "__main__":
    main()
