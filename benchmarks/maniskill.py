"""Claim: our scripts do eight of ManiSkill's tasks in at least 90 % of 20 episodes, on a CPU alone.

Also how often random actions do, what a second has of steps and of pictures, and what the first
picture of a process costs. Needs `pip install "vlfeedback[maniskill]"` and `make maniskill`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
import torch
from measurement import PACKAGES, measure, publish

from vlfeedback_envs.maniskill.environment import ManiSkillView
from vlfeedback_envs.maniskill.scripts import SCRIPTS, State

STEPS = 20  # of an episode that is timed
PICTURES = 5
SIZES = (112, 224)  # px


def success_of(task: str, act: Callable[[State], np.ndarray], seeds: range) -> dict[str, Any]:
    """How often a task gets done within ManiSkill's time limit, and in how many steps."""
    steps = []
    with closing(ManiSkillView(task)) as view:
        for seed in seeds:
            view.reset(seed=seed)
            done = 0
            for step in range(view.task.collecting.horizon or 0):
                _, _, terminated, _, _ = view.step(act(view.named))
                if terminated:
                    done = step + 1
                    break
            steps.append(done)
    needed = [n for n in steps if n]
    return {
        "success": len(needed) / len(steps),
        "median steps to success": float(np.median(needed)) if needed else None,
        "steps": steps,
    }


def stepping(task: str, seed: int) -> Callable[[], int]:
    view, script = ManiSkillView(task), SCRIPTS[task]

    def steps() -> int:
        view.reset(seed=seed)
        for _ in range(STEPS):
            view.step(script(view.named))
        return STEPS

    return steps


def rendering(task: str, size: int, seed: int) -> tuple[Callable[[], int], float]:
    """What renders some pictures, and how many seconds the first one took."""
    view = ManiSkillView(task, render_mode="rgb_array", size=size)
    view.reset(seed=seed)
    begun = time.perf_counter()
    view.render()
    first = time.perf_counter() - begun

    def pictures() -> int:
        for _ in range(PICTURES):
            view.render()
        return PICTURES

    return pictures, first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)

    first = 1_000_000 * (args.seed + 1)
    seeds = range(first, first + args.episodes)
    rng = np.random.default_rng(args.seed)
    experts, random = {}, {}
    for task, script in SCRIPTS.items():
        experts[task] = success_of(task, script, seeds)
        random[task] = success_of(task, lambda _: rng.uniform(-1, 1, 7), seeds)
    workloads = {f"steps of {task}": stepping(task, args.seed) for task in SCRIPTS}
    waited = {}
    for task in ("pick-cube", "stack-cube"):
        for size in SIZES:
            name = f"pictures of {task}, {size} px"
            workloads[name], waited[name] = rendering(task, size, args.seed)
    publish(
        "maniskill",
        claim="scripts do eight of ManiSkill's tasks in 90 % of 20 episodes or more, on a CPU",
        seed=args.seed,
        figures={
            "episodes": args.episodes,
            "experts": experts,
            "random actions": random,
            "speed": measure(workloads, repeats=args.repeats),
            "seconds for the first picture of a process": next(iter(waited.values())),
        },
        packages=(
            *(p for p in PACKAGES if p not in ("metaworld", "mujoco")),
            "mani_skill",
            "sapien",
        ),
    )


if __name__ == "__main__":
    main()
