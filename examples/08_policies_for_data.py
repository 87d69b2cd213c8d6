"""Medium and expert policies for a dataset, by SAC on a task's own reward: about 900 seconds.

A checkpoint is kept at every evaluation. `expert.zip` is the best one; `medium.zip` the first that
is half as good: half its success or return, or twice its cost where returns are negative (our
choice: papers say "partially trained"). Policies are judged as they collect, with actions drawn
from them. Collect with

    vlfeedback collect --tasks rlvlmf-drawer-open --out data \
        --policy medium=sac/medium.zip --policy expert=sac/expert.zip
"""

import json
import shutil
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import SAC

import vlfeedback

parser = ArgumentParser(description=__doc__)
parser.add_argument("--task", default="rlvlmf-drawer-open")
parser.add_argument("--steps", type=int, default=60_000, help="of the environment")
parser.add_argument("--every", type=int, default=3_000, help="steps between evaluations")
parser.add_argument("--episodes", type=int, default=10, help="of an evaluation")
parser.add_argument("--train-every", type=int, default=2, help="steps for one gradient step")
parser.add_argument("--measure", choices=("success", "return"), default="success")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--out", type=Path, default=Path("sac"))
args = parser.parse_args()
torch.set_num_threads(1)

task = vlfeedback.get_task(args.task)
judge = gym.make(task.env_id)
checkpoints = args.out / "checkpoints"
checkpoints.mkdir(parents=True, exist_ok=True)
curve = []


def evaluate(model: SAC) -> dict[str, float]:
    """Share of episodes that succeed at any time, and their mean return."""
    returns, successes = [], []
    for seed in range(args.episodes):
        observation, _ = judge.reset(seed=seed)
        total, succeeded, over = 0.0, False, False
        while not over:
            action, _ = model.predict(observation, deterministic=False)
            observation, reward, terminated, truncated, info = judge.step(action)
            total += float(reward)
            succeeded |= bool(info.get(task.success_key))
            over = terminated or truncated
        returns.append(total)
        successes.append(succeeded)
    return {"success": float(np.mean(successes)), "return": float(np.mean(returns))}


def keep(model: SAC) -> None:
    """Save the policy and judge it."""
    model.save(checkpoints / f"{model.num_timesteps}.zip")
    curve.append({"steps": model.num_timesteps, **evaluate(model)})
    print("{steps:7,} steps  success {success:.2f}  return {return:.1f}".format(**curve[-1]))


def after_each_step(known: dict[str, Any], _: dict[str, Any]) -> bool:
    """Keep the policy every so many steps, and go on."""
    if known["self"].num_timesteps % args.every == 0:
        keep(known["self"])
    return True


model = SAC("MlpPolicy", gym.make(task.env_id), train_freq=args.train_every, seed=args.seed)
keep(model)
model.learn(args.steps, callback=after_each_step)

values = [row[args.measure] for row in curve]
best = max(range(len(values)), key=lambda i: (values[i], i))
half_as_good = values[best] / 2 if values[best] > 0 else values[best] * 2
medium = next(i for i, value in enumerate(values) if value >= half_as_good)
for name, chosen in (("medium", medium), ("expert", best)):
    shutil.copy(checkpoints / f"{curve[chosen]['steps']}.zip", args.out / f"{name}.zip")
    print(f"{name}: after {curve[chosen]['steps']:,} steps, {args.measure} {values[chosen]:.2f}")
(args.out / "curve.json").write_text(json.dumps({"curve": curve, "task": task.name}, indent=1))
