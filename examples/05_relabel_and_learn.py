"""A dataset without rewards and a sentence become a policy: about 60 seconds on a laptop's CPU.

Only the pictures, states and actions of the recorded episodes are used. The bundled model rates
every step for the sentence, and IQL learns from these rewards. So few steps make no good policy:
`--episodes 32 --steps 20000` makes one in some minutes.
"""

from argparse import ArgumentParser

import gymnasium as gym
import numpy as np
from rich.progress import track

import vlfeedback
from vlfeedback import offline
from vlfeedback_envs.scripted import LEVELS, rollout_level

parser = ArgumentParser(description=__doc__)
parser.add_argument("--episodes", type=int, default=4, help="recorded at each of three levels")
parser.add_argument("--steps", type=int, default=2000, help="gradient steps of IQL")
parser.add_argument("--task", default="drawer-close")
args = parser.parse_args()
task = vlfeedback.get_task(args.task)

# The dataset that you already have; its pictures show every seventh step. Other formats:
# vlfeedback.adapters reads Minari, LeRobot, D4RL's HDF5, npz and d3rlpy.
view = gym.make(task.env_id, render_mode="rgb_array").unwrapped
recorded = [
    rollout_level(view, level, seed=seed)
    for level in LEVELS
    for seed in track(range(args.episodes), description=f"recording {level}")
]

source = vlfeedback.make_reward_source("vlp.mt45")
relabelled = list(
    vlfeedback.relabel(recorded, source, instruction=task.instruction, between="interpolate")
)
print(f"\nmean reward of a step for {task.instruction!r}, in the model's eyes")
for level in LEVELS:
    rewards = [t.rewards.mean() for t in relabelled if t.level == level]
    print(f"{level:8} {np.mean(rewards):7.3f}")

algo = offline.IQLConfig(batch_size=64, deterministic=True).create()
algo.fit(offline.TransitionBuffer(relabelled), n_steps=args.steps, n_steps_per_epoch=args.steps)
seen = offline.evaluate_policy(algo, task.env_id, seeds=range(10), horizon=150)
print(f"\nthe policy succeeds in {seen.success:.0%} of 10 episodes after {args.steps} steps")
