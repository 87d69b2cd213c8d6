"""Claim: learning the reward costs SAC less than a tenth of its speed, pictures included.

Steps of Meta-World's drawer-close with an update each, by one agent: plain SAC of
stable-baselines3; PEBBLE between two sessions of labels, which pays each step by an ensemble; the
same with a labeller that looks at pictures, which are rendered as it reads them; and the obvious
loop, which renders every step with default settings and scores each picture. Then a replay buffer
is paid anew: by row blocks of 200 with gradients, as B-Pref's code does it, and as ours does.
"""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Callable

import gymnasium as gym
import numpy as np
import torch
from measurement import PACKAGES, measure, publish, ratio
from stable_baselines3 import SAC

import vlfeedback
from vlfeedback.online import PEBBLE, FeedbackConfig, LearnedRewardBuffer
from vlfeedback.online.environments import make_environments
from vlfeedback.tasks import get_task
from vlfeedback.types import SegmentBatch

TASK = "drawer-close"
SETTINGS = {"learning_starts": 100, "buffer_size": 20_000, "device": "cpu", "seed": 0}
_BEGIN = 1100  # steps until the first labels are learnt from


def agent(labeller: str, steps: int) -> tuple[Callable[[], int], PEBBLE]:
    """What takes so many steps with a learned reward; no session comes while it does."""
    config = FeedbackConfig(
        max_labels=20, labels_per_session=20, random_steps=600, exploration_steps=0
    )
    pebble = PEBBLE(labeller, config, instruction=get_task(TASK).instruction)
    env = make_environments(get_task(TASK), pebble.needs, seed=0)
    model = SAC("MlpPolicy", env, replay_buffer_class=LearnedRewardBuffer, **SETTINGS)
    model.learn(_BEGIN, callback=pebble)
    if pebble.learner.version != 1:
        raise RuntimeError("Nothing was learnt from the first labels.")

    def run() -> int:
        model.learn(steps, callback=pebble, reset_num_timesteps=False)
        return steps

    return run, pebble


def plain(steps: int) -> Callable[[], int]:
    """The same agent on the environment's own reward."""
    env = gym.make(get_task(TASK).env_id, disable_env_checker=True)
    model = SAC("MlpPolicy", gym.wrappers.DtypeObservation(env, np.float32), **SETTINGS)
    model.learn(_BEGIN)

    def run() -> int:
        model.learn(steps, reset_num_timesteps=False)
        return steps

    return run


def obvious(steps: int) -> Callable[[], int]:
    """Plain SAC whose environment renders every step by default settings and scores a window."""
    source = vlfeedback.make_reward_source("vlp")
    instruction = get_task(TASK).instruction

    class Scored(gym.Wrapper):
        def reset(self, **options):
            observation, info = super().reset(**options)
            first = source.embed(self.env.render()[None])[0]
            self.window = deque([first] * source.needs.context, maxlen=source.needs.context)
            return observation, info

        def step(self, action):
            observation, _, *rest = super().step(action)
            self.window.append(source.embed(self.env.render()[None])[0])
            batch = SegmentBatch(embeddings=np.stack(self.window)[None], instructions=[instruction])
            return observation, float(source.rewards(batch)[0, -1]), *rest

    env = gym.make(
        get_task(TASK).env_id, disable_env_checker=True, render_mode="rgb_array", quality="paper"
    )
    model = SAC("MlpPolicy", gym.wrappers.DtypeObservation(Scored(env), np.float32), **SETTINGS)
    model.learn(SETTINGS["learning_starts"] + 10)

    def run() -> int:
        model.learn(steps, reset_num_timesteps=False)
        return steps

    return run


def relabelling(pebble: PEBBLE, n_rows: int) -> dict[str, Callable[[], int]]:
    """Paying a buffer of so many rows anew, in both ways."""
    env = pebble.model.get_env()
    buffer = LearnedRewardBuffer(n_rows, env.observation_space, env.action_space, device="cpu")
    rng = np.random.default_rng(0)
    buffer.observations[:] = rng.standard_normal(buffer.observations.shape, np.float32)
    buffer.actions[:] = rng.uniform(-1, 1, buffer.actions.shape)
    buffer.full = True
    buffer.pay(pebble.learner, relabel=False)
    networks = pebble.learner.model.networks

    def ours() -> int:
        buffer.relabel()
        return n_rows

    def in_small_blocks() -> int:
        rows = np.concatenate([buffer.observations[:, 0], buffer.actions[:, 0]], axis=1)
        for start in range(0, n_rows, 200):
            steps = torch.from_numpy(rows[start : start + 200])
            rewards = [network(steps).detach().numpy() for network in networks]
            buffer.rewards[start : start + 200, 0] = np.mean(rewards, axis=0)
        return n_rows

    return {"ours": ours, "blocks of 200": in_small_blocks}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=500, help="of a repeat")
    parser.add_argument("--slow-steps", type=int, default=40, help="of a repeat, the obvious loop")
    parser.add_argument("--rows", type=int, default=1_000_000, help="paid anew")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    pays, pebble = agent("teacher", args.steps)
    workloads = {
        "SAC": plain(args.steps),
        "PEBBLE": pays,
        "PEBBLE, labeller vlp": agent("vlp", args.steps)[0],
        "every picture": obvious(args.slow_steps),
    }
    steps = measure(workloads, repeats=args.repeats)
    rows = measure(relabelling(pebble, args.rows), repeats=args.repeats)
    publish(
        "online_speed",
        claim="PEBBLE takes at least 0.9 times the steps of plain SAC between sessions, and with a "
        "labeller of pictures at least 5 times those of a loop that renders and scores every step",
        seed=0,
        figures={
            "PEBBLE / SAC": ratio(steps, "PEBBLE", "SAC"),
            "labeller vlp / every picture": ratio(steps, "PEBBLE, labeller vlp", "every picture"),
            "relabelling / blocks of 200": ratio(rows, "ours", "blocks of 200"),
            "steps": steps,
            "rows": rows,
        },
        packages=(*PACKAGES, "stable_baselines3"),
    )


if __name__ == "__main__":
    main()
