"""Claim: `VLPReward-DrawerClose-v0` steps at least 25 times faster than the obvious loop.

The obvious loop takes a step, renders it as MuJoCo does by default, encodes the picture and scores
the window of the last 50 steps, every step. The id renders cheaply, and only the pictures that a
score reads. Both run the same model on one core's worth of threads, the same seed and actions.
"""

from __future__ import annotations

import argparse
from collections import deque

import gymnasium as gym
import numpy as np
import torch
from measurement import measure, publish, ratio

import vlfeedback
from vlfeedback.types import SegmentBatch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200, help="steps a repeat, fast side")
    parser.add_argument("--slow-steps", type=int, default=30, help="steps a repeat, slow side")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", default="mt50")
    args = parser.parse_args()
    torch.set_num_threads(1)

    config = {"weights": args.weights}
    env = gym.make("VLPReward-DrawerClose-v0", source_config=config)
    obvious = gym.make(
        "vlfeedback_envs:vlfeedback/mw-drawer-close-v0", render_mode="rgb_array", quality="paper"
    )
    source = vlfeedback.make_reward_source("vlp", **config)
    sentence = obvious.unwrapped.task.instruction
    rng = np.random.default_rng(args.seed)
    actions = rng.uniform(-1.0, 1.0, (max(args.steps, args.slow_steps), 4)).astype(np.float32)

    def by_id() -> int:
        env.reset(seed=args.seed)
        for action in actions[: args.steps]:
            env.step(action)
        return args.steps

    def every_step() -> int:
        obvious.reset(seed=args.seed)
        first = source.embed(obvious.render()[None])[0]
        window = deque([first] * source.needs.context, maxlen=source.needs.context)
        for action in actions[: args.slow_steps]:
            obvious.step(action)
            window.append(source.embed(obvious.render()[None])[0])
            batch = SegmentBatch(embeddings=np.stack(window)[None], instructions=[sentence])
            source.rewards(batch)
        return args.slow_steps

    steps = measure(
        {"VLPReward-DrawerClose-v0": by_id, "every step": every_step}, repeats=args.repeats
    )
    publish(
        "reward_env_speed",
        claim="VLPReward-DrawerClose-v0 takes at least 25 times the steps of a loop that renders "
        "every step with default settings and scores every picture",
        seed=args.seed,
        figures={"ratio": ratio(steps, "VLPReward-DrawerClose-v0", "every step"), "steps": steps},
    )


if __name__ == "__main__":
    main()
