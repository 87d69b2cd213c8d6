"""Claim: one `VectorRewardFromSource` over 8 environments beats 8 single wrappers in a loop.

Both take the same steps of the same 8 environments; the vector asks the source once for all.
"""

from __future__ import annotations

import argparse

import gymnasium as gym
import numpy as np
import torch
from measurement import measure, publish, ratio

import vlfeedback

VIEW = "vlfeedback_envs:vlfeedback/mw-drawer-close-v0"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--envs", type=int, default=8)
    parser.add_argument("--steps", type=int, default=50, help="steps of each environment a repeat")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", default="mt50")
    args = parser.parse_args()
    torch.set_num_threads(1)

    def view() -> gym.Env:
        return gym.make(VIEW, render_mode="rgb_array")

    settings = {"source_config": {"weights": args.weights}, "instruction": "close the drawer"}
    venv = vlfeedback.VectorRewardFromSource(
        gym.vector.SyncVectorEnv([view] * args.envs), "vlp", **settings
    )
    envs = [vlfeedback.RewardFromSource(view(), "vlp", **settings) for _ in range(args.envs)]
    rng = np.random.default_rng(args.seed)
    actions = rng.uniform(-1.0, 1.0, (args.steps, args.envs, 4)).astype(np.float32)

    def vector() -> int:
        venv.reset(seed=args.seed)
        for step in actions:
            venv.step(step)
        return args.steps * args.envs

    def singles() -> int:
        for i, env in enumerate(envs):
            env.reset(seed=args.seed + i)
        for step in actions:
            for env, action in zip(envs, step, strict=True):
                env.step(action)
        return args.steps * args.envs

    steps = measure({"vector": vector, "singles": singles}, repeats=args.repeats)
    publish(
        "vector_env_speed",
        claim=f"one VectorRewardFromSource over {args.envs} environments takes more steps than "
        f"{args.envs} single wrappers",
        seed=args.seed,
        figures={
            "environments": args.envs,
            "ratio": ratio(steps, "vector", "singles"),
            "steps": steps,
        },
    )


if __name__ == "__main__":
    main()
