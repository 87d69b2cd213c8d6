"""Claim: plain SAC learns tasks that the bundled model never saw from its reward alone.

stable-baselines3's SAC with its default settings, on `VLPReward-*` and on the true reward, at equal
steps and seeds. Every run is a process and a file, so that the same command goes on after a stop,
and a film of one episode of what was learnt, which shows why nothing succeeds where nothing does.
A run of 25,000 steps takes about ten CPU-minutes.

    python benchmarks/vlp_policies.py
    python benchmarks/vlp_policies.py --weights mt50 --result vlp_policies_all \
        --tasks handle-press,window-close,faucet-open,button-press-topdown,plate-slide
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from measurement import PACKAGES, publish
from PIL import Image
from rich.console import Console
from stable_baselines3 import SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback

from vlfeedback.data.provenance import describe_machine
from vlfeedback.data.whole_files import write_json
from vlfeedback.offline import PolicyEvaluator
from vlfeedback.sweeps.processes import Job, run_jobs
from vlfeedback.tasks import VLP_TEST_TASKS, get_task

REWARDS = ("vlp", "env")
# The same Adam in fewer calls: an eighth less time a step.
_SAC = {"optimizer_kwargs": {"fused": True}}
_EPISODES = 10  # of an evaluation
_FILM_STRIDE, _FILM_MS = 5, 60


class Acts:
    """SAC's best actions, as `PolicyEvaluator` asks for them."""

    def __init__(self, model: BaseAlgorithm) -> None:
        self._model = model

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self._model.predict(x, deterministic=True)[0])


class Judge(BaseCallback):
    """Judges the policy every so many steps, by the task's own reward and success."""

    def __init__(self, evaluator: PolicyEvaluator, every: int, progress: Path) -> None:
        super().__init__()
        self.curve: list[dict[str, Any]] = []
        self._evaluator, self._every, self._progress = evaluator, every, progress

    def _on_step(self) -> bool:
        if self.num_timesteps % self._every == 0:
            judged = self._evaluator.evaluate(Acts(self.model))
            learned = [e["r"] for e in self.model.ep_info_buffer or ()][-_EPISODES:]  # in training
            self.curve.append(
                {
                    "steps": self.num_timesteps,
                    "successes": judged.successes.tolist(),
                    "returns": judged.returns.tolist(),
                    "learned_return": float(np.mean(learned)) if learned else None,
                }
            )
            self._progress.write_text(str(self.num_timesteps), encoding="utf-8")
        return True


def run(arguments: argparse.Namespace) -> None:
    """Train one policy, and write its curve and its film."""
    torch.set_num_threads(1)
    task, reward, seed = get_task(arguments.task), arguments.reward, arguments.seed
    env_id = task.env_id
    options: dict[str, Any] = {}
    if reward == "vlp":
        env_id = f"VLPReward-{task.gym_name}-v0"
        options = {"source_config": {"weights": arguments.weights}}
    env = gym.make(env_id, disable_env_checker=True, **options)
    judge = Judge(PolicyEvaluator(task.env_id, seeds=range(1000, 1000 + _EPISODES)), *arguments.at)
    wall, cpu = time.monotonic(), time.process_time()
    model = SAC("MlpPolicy", env, seed=seed, device="cpu", policy_kwargs=dict(_SAC))
    model.learn(arguments.steps, callback=judge)
    row = {
        "task": task.name,
        "reward": reward,
        "seed": seed,
        "weights": arguments.weights if reward == "vlp" else None,
        "curve": judge.curve,
        "wall_seconds": time.monotonic() - wall,
        "cpu_seconds": time.process_time() - cpu,
        **describe_machine(),
    }
    film(model, task.env_id, arguments.out.with_suffix(".webp"))
    write_json(arguments.out, row, indent=None)


def film(model: SAC, env_id: str, path: Path) -> None:
    """One episode of the policy, as a film that any browser shows."""
    env = gym.make(env_id, disable_env_checker=True, render_mode="rgb_array")
    observation, _ = env.reset(seed=1000)
    pictures, step, over = [], 0, False
    while not over:
        if step % _FILM_STRIDE == 0:
            pictures.append(Image.fromarray(np.asarray(env.render())))
        action = model.predict(observation, deterministic=True)[0]
        observation, _, terminated, truncated, _ = env.step(action)
        step, over = step + 1, terminated or truncated
    env.close()
    first, *others = pictures
    first.save(path, save_all=True, append_images=others, duration=_FILM_MS, loop=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", default=",".join(VLP_TEST_TASKS))
    parser.add_argument("--weights", default="mt45", help="bundled name, or a file")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=25_000, help="of the environment")
    parser.add_argument("--every", type=int, default=2_500, help="steps between evaluations")
    parser.add_argument("--out", type=Path, default=Path("outputs/vlp-policies"))
    parser.add_argument("--result", default="vlp_policies", help="name of the result file")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--run", metavar="TASK:REWARD:SEED", help="one run alone, in this process")
    args = parser.parse_args()
    if args.run:
        task, reward, seed = args.run.split(":")
        path = args.out / f"{task}_{reward}_{seed}.json"
        at = (args.every, path.with_suffix(".progress"))
        return run(
            argparse.Namespace(
                task=task,
                reward=reward,
                seed=int(seed),
                weights=args.weights,
                steps=args.steps,
                at=at,
                out=path,
            )
        )
    args.out.mkdir(parents=True, exist_ok=True)
    tasks, seeds = args.tasks.split(","), [int(seed) for seed in args.seeds.split(",")]
    names = [(task, reward, seed) for seed in seeds for task in tasks for reward in REWARDS]
    jobs = {name: _job(args, *name) for name in names}
    console = Console()
    for event in run_jobs([j for j in jobs.values() if not j.result.exists()], args.workers):
        console.print(f"{event.job.id}: {event.kind} {event.steps or ''} {event.reason}")
    rows = [json.loads(j.result.read_text("utf-8")) for j in jobs.values() if j.result.exists()]
    for row in rows:
        console.print(_summary(row))
    publish(
        args.result,
        claim="plain SAC learns tasks that the bundled model never saw from its reward alone",
        seed=None,
        figures={"steps": args.steps, "every": args.every, "runs": rows},
        packages=(*PACKAGES, "stable_baselines3"),
        printed=False,
    )


def _job(args: argparse.Namespace, task: str, reward: str, seed: int) -> Job:
    name = f"{task}_{reward}_{seed}"
    options = ("--weights", args.weights, "--steps", args.steps, "--every", args.every)
    path = args.out / f"{name}.json"
    return Job(
        id=name,
        arguments=(
            str(Path(__file__)),
            *("--run", f"{task}:{reward}:{seed}", "--out", str(args.out)),
            *map(str, options),
        ),
        result=path,
        log=path.with_suffix(".log"),
        progress=path.with_suffix(".progress"),
        steps=args.steps,
    )


def _summary(row: Mapping[str, Any]) -> str:
    successes = [f"{100 * np.mean(point['successes']):.0f}" for point in row["curve"]]
    returns = [f"{np.mean(point['returns']):.0f}" for point in row["curve"]]
    name = f"{row['task']}, {row['reward']}, seed {row['seed']}"
    return f"{name}: success {' '.join(successes)} %, true return {' '.join(returns)}"


if __name__ == "__main__":
    main()
