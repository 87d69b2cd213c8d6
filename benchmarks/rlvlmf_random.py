"""Claim: random actions open RL-VLM-F's drawer and not the stock one; IQL learns from 200 episodes.

How many random episodes of RL-VLM-F's three tasks succeed, and of the stock tasks that they vary;
and what IQL on the true reward makes of those of the drawer, beside cloning. Settings are those of
benchmarks/sweeps/offline_rl_vlm_f_drawer_open.toml, or with `--paper-steps` also the paper's own.
Data and policies are kept in `--out`, so that the same command goes on after a stop. All takes
about eight CPU-minutes, and 2,000 of the paper's steps one more.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from measurement import PACKAGES, publish

from vlfeedback.collecting import first_seed, roll_out
from vlfeedback.data.trajectories import read_trajectories, write_trajectories
from vlfeedback.evaluation.statistics import wilson_interval
from vlfeedback.offline import PolicyEvaluator, PolicyRun, train_policies
from vlfeedback.protocols import get_protocol
from vlfeedback.tasks import RLVLMF_TASKS, get_task
from vlfeedback.types import Trajectory
from vlfeedback_envs.metaworld import MetaWorldView
from vlfeedback_envs.rlvlmf import LAYOUTS
from vlfeedback_envs.scripted import quiet_scripts, scripted_actions

DRAWER = "rlvlmf-drawer-open"
PRESET = "offline-rl-vlm-f"
PROTOCOL = get_protocol(PRESET).collecting
FAST = {
    "batch_size": 64,
    "tau": 0.05,
    "actor_learning_rate": 1e-3,
    "critic_learning_rate": 1e-3,
    "observation_scaler": "standard",
}
FAST_BC = {"batch_size": 64, "learning_rate": 1e-3, "observation_scaler": "standard"}
SEEDS = range(20)  # of the episodes that actions of a finished policy are drawn in


class Drawn:
    """Actions that are drawn from a policy, where `predict` gives the likeliest."""

    def __init__(self, algo: Any) -> None:
        self._algo = algo

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self._algo.sample_action(x))


def random_episodes(task: str, n_episodes: int, folder: Path) -> list[Trajectory]:
    """Those of `vlfeedback collect --protocol offline-rl-vlm-f`, collected or read."""
    path = folder / f"{task}-{n_episodes}.h5"
    if not path.exists():
        first = first_seed(task, "random", 0)
        settings = {**PROTOCOL, "frame_stride": 0, "frame_size": 200}
        seeds = range(first, first + n_episodes)
        write_trajectories(path, list(roll_out(get_task(task), "random", seeds, settings)))
    return read_trajectories(path)


def describe_random(episodes: list[Trajectory]) -> dict[str, Any]:
    """Which share succeeds, at any step and at the last one, with Wilson's interval."""
    returns = [float(t.env_rewards.sum()) for t in episodes if t.env_rewards is not None]
    successes = [t.successes for t in episodes if t.successes is not None]
    at_any_step = float(np.mean([any(s) for s in successes]))
    return {
        "episodes": len(episodes),
        "transitions": sum(map(len, episodes)),
        "success": asdict(wilson_interval(at_any_step, len(episodes))),
        "success at the last step": float(np.mean([s[-1] for s in successes])),
        "return": float(np.mean(returns)),
        "standard deviation": float(np.std(returns)),
    }


def scripted_return() -> float:
    """What Meta-World's own script earns; nothing varies, so that one episode is all."""
    stock = MetaWorldView(LAYOUTS[DRAWER].stock)
    total = 0.0
    with closing(stock), closing(gym.make(get_task(DRAWER).env_id)) as env, quiet_scripts():
        script = scripted_actions(stock)
        observation, _ = env.reset(seed=0)
        for _ in range(PROTOCOL["horizon"]):
            action = np.clip(script.get_action(observation), -1, 1).astype(np.float32)
            observation, reward, _, _, _ = env.step(action)
            total += float(reward)
    return total


def train(
    name: str,
    n_steps: int,
    overrides: dict[str, Any],
    seeds: list[int],
    episodes: list[Trajectory],
    out: Path,
) -> list[dict[str, Any]]:
    """One policy a seed, what it came to on the way, and 20 episodes of it in the end."""
    learner = name.split(",")[0]
    env_id = get_task(DRAWER).env_id
    # Nothing varies: all episodes of likeliest actions are the same one, and one judges them.
    alone = PolicyEvaluator(env_id, seeds=[0])
    folder = out / f"{name}-{n_steps}".replace(", ", "-")
    runs = [PolicyRun(seed, episodes, None, alone, folder / str(seed)) for seed in seeds]
    trained = train_policies(
        learner, runs, preset=PRESET, n_steps=n_steps, eval_every=n_steps // 8, **overrides
    )
    rows = []
    for seed, one in zip(seeds, trained, strict=True):
        row = {
            "learner": name,
            "seed": seed,
            "gradient steps": n_steps,
            "cpu minutes": one.cpu_seconds / 60,
            "curve": {
                "steps": list(one.curve.steps),
                "success": one.curve.means().tolist(),
                "return": one.curve.means("return").tolist(),
            },
        }
        if learner == "iql":  # cloning has no distribution to draw from
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                judged = PolicyEvaluator(env_id, seeds=SEEDS).evaluate(Drawn(one.algo))
            row["drawn actions"] = {
                "episodes": len(SEEDS),
                "success": judged.success,
                "return": float(judged.returns.mean()),
            }
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=PROTOCOL["episodes"], help="to learn from")
    parser.add_argument("--others", type=int, default=100, help="episodes of each other task")
    parser.add_argument("--steps", type=int, default=5_000, help="gradient steps")
    parser.add_argument("--paper-steps", type=int, default=0, help="with the paper's settings")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--out", type=Path, default=Path("outputs/rlvlmf-random"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)

    episodes = random_episodes(DRAWER, args.episodes, args.out)
    shares = {
        name: {
            "variant": describe_random(
                episodes if name == DRAWER else random_episodes(name, args.others, args.out)
            ),
            "stock": describe_random(random_episodes(LAYOUTS[name].stock, args.others, args.out)),
        }
        for name in RLVLMF_TASKS
    }
    paid = {"rewards": "env"}
    learners: list[tuple[str, int, dict[str, Any]]] = [
        ("bc", args.steps, FAST_BC),
        ("iql", args.steps, {**FAST, **paid}),
    ]
    if args.paper_steps:
        learners.append(("iql, paper", args.paper_steps, paid))
    seeds = [int(seed) for seed in args.seeds.split(",")]
    policies = [row for one in learners for row in train(*one, seeds, episodes, args.out)]
    publish(
        "rlvlmf_random",
        claim="random actions open RL-VLM-F's drawer and not the stock one; IQL learns from 200 "
        "episodes",
        seed=0,
        figures={
            "horizon": PROTOCOL["horizon"],
            "random": shares,
            "script's return": scripted_return(),
            "policies": policies,
        },
        packages=(*PACKAGES, "d3rlpy"),
    )


if __name__ == "__main__":
    main()
