"""Claim: eight deferred, cheap pictures of a 50-step segment cost 50 times less CPU than all of it.

A preference query or a window score reads 8 of 50 pictures. Rendering those afterwards, from saved
simulator states, without shadows, is set against rendering every step with MuJoCo's own look. The
physics step is in both. Also: pictures per second of each quality, reading back included.
"""

from __future__ import annotations

import argparse

import gymnasium as gym
import numpy as np
from measurement import measure, publish, ratio

import vlfeedback_envs  # noqa: F401  registers the views

STEPS, STRIDE = 50, 7  # the window of a VLP score, and its 8 pictures
QUALITIES = ("paper", "vlm", "encoder")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="drawer-open")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    envs = {
        quality: gym.make(
            f"vlfeedback/mw-{args.task}-v0", render_mode="rgb_array", quality=quality
        ).unwrapped
        for quality in QUALITIES
    }
    rng = np.random.default_rng(args.seed)
    actions = rng.uniform(-1.0, 1.0, (STEPS, 4)).astype(np.float32)

    def every_step(quality: str) -> int:
        envs[quality].reset(seed=args.seed)
        for action in actions:
            envs[quality].step(action)
            envs[quality].render()
        return 1

    def deferred(quality: str) -> int:
        env = envs[quality]
        env.reset(seed=args.seed)
        states = []
        for step, action in enumerate(actions):
            env.step(action)
            if step % STRIDE == 0:
                states.append(env.capture_state())
        env.render_states(states)
        return 1

    def pictures(quality: str) -> int:
        for _ in range(10):
            envs[quality].render()
        return 10

    segments = measure(
        {
            f"{way.__name__} {quality}": lambda way=way, quality=quality: way(quality)
            for way, quality in (
                (every_step, "paper"),
                (every_step, "encoder"),
                (deferred, "paper"),
                (deferred, "encoder"),
            )
        },
        repeats=args.repeats,
    )
    frames = measure({q: lambda q=q: pictures(q) for q in QUALITIES}, repeats=args.repeats)
    publish(
        "render_speed",
        claim="8 deferred cheap pictures of a 50-step segment cost 50 times less than rendering "
        "every step with default settings",
        seed=args.seed,
        figures={
            "ratio": ratio(segments, "deferred encoder", "every_step paper"),
            "segments": segments,
            "pictures": frames,
        },
    )


if __name__ == "__main__":
    main()
