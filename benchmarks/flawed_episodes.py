"""Claim: attempts with a flaw mostly fail, but for the flaws that only delay or follow a success.

Every flaw in every one of Meta-World's 50 tasks that can have it: how often the task is done at
some step, and at the last one, and how the return compares with that of an expert from the same
reset. Also: how many episodes of each level, with their pictures, are collected in a CPU-second.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import closing
from statistics import mean, median

from measurement import publish

from vlfeedback.errors import InvalidValueError
from vlfeedback.tasks import METAWORLD_TASKS
from vlfeedback.types import Trajectory
from vlfeedback_envs.flawed import rollout_flawed
from vlfeedback_envs.flaws import FLAWS
from vlfeedback_envs.metaworld import MetaWorldView
from vlfeedback_envs.scattered import scatter_scenes
from vlfeedback_envs.scripted import rollout_level

Rows = list[dict[str, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=77_000)
    args = parser.parse_args()
    seeds = range(args.seed, args.seed + args.episodes)

    rows: dict[str, Rows] = {flaw: [] for flaw in FLAWS}
    for task in METAWORLD_TASKS:
        # One small picture an episode: nobody looks at them here.
        with closing(MetaWorldView(task, render_mode="rgb_array", size=8)) as view:
            for seed in seeds:
                for flaw, row in attempts(view, seed).items():
                    rows[flaw].append(row)
        print(task, flush=True)
    publish(
        "flawed_episodes",
        claim="attempts with a flaw mostly fail, but for those that only delay or follow a success",
        seed=args.seed,
        figures={
            "episodes of each task and flaw": args.episodes,
            "flaws": {
                flaw: {
                    "episodes": len(of),
                    "tasks": len(of) // args.episodes,
                    "succeeds": mean(row["succeeds"] for row in of),
                    "succeeds at the end": mean(row["ends in success"] for row in of),
                    "median share of the expert's return": median(row["share"] for row in of),
                }
                for flaw, of in rows.items()
            },
            "episodes per CPU-second": speeds(args.seed),
        },
    )


def attempts(view: MetaWorldView, seed: int) -> dict[str, dict[str, float]]:
    """What became of an attempt with each flaw that an episode can have."""
    small = {"seed": seed, "frame_stride": 150, "frame_size": 8}
    best = _return(rollout_level(view, "expert", **small))
    outcomes = {}
    for flaw in FLAWS:
        try:
            attempt = rollout_flawed(view, flaw=flaw, **small)
        except InvalidValueError:
            continue  # the task cannot have it
        successes = attempt.successes
        outcomes[flaw] = {
            "succeeds": float(successes.any()),
            "ends in success": float(successes[-1]),
            "share": _return(attempt) / best,
        }
    return outcomes


def speeds(seed: int, tasks: tuple[str, ...] = ("drawer-close", "pick-place", "hammer")) -> dict:
    """Episodes of 150 steps with 23 pictures of 112 px, as a collection has them."""
    levels: dict[str, Callable[[MetaWorldView, int], Trajectory]] = {
        "expert": lambda view, s: rollout_level(view, "expert", seed=s),
        "medium": lambda view, s: rollout_level(view, "medium", seed=s),
        "flawed": lambda view, s: rollout_flawed(view, seed=s),
        "idle": lambda view, s: rollout_level(view, "idle", seed=s),
        "scattered": lambda view, s: scatter_scenes(view, seed=s),
    }
    spent: dict[str, list[float]] = {}
    for task in tasks:
        for looks in ("plain", "varied"):
            with closing(MetaWorldView(task, render_mode="rgb_array", looks=looks)) as view:
                for level, roll_out in levels.items():
                    roll_out(view, seed)
                    for s in range(seed + 1, seed + 4):
                        start = time.process_time()
                        roll_out(view, s)
                        spent.setdefault(f"{level}, {looks}", []).append(
                            time.process_time() - start
                        )
    return {name: 1 / median(seconds) for name, seconds in spent.items()}


def _return(trajectory: Trajectory) -> float:
    return float(trajectory.env_rewards.sum())


if __name__ == "__main__":
    main()
