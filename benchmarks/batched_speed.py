"""Claim: IQL's runs, eight together in bfloat16, take at least 1.6 times less CPU time than alone.

The IQL of P-IQL as in VLP: 64 transitions a batch, states of 39 numbers, actions of 4, networks of
(256, 256), dropout, deterministic; one thread. CPL and IPL: 64 pairs of 50 steps. Alone is what
`train_policy` runs, one run after the other. Evaluations are not counted. Also: how far parameters
of the same runs lie apart after some steps, in float32, alone and together.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from measurement import measure, publish, ratio

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.offline import CPLConfig, IPLConfig, IQLConfig, PreferenceBuffer, TransitionBuffer
from vlfeedback.offline.stacked_training import StackedTraining
from vlfeedback.offline.training_loop import D3rlpyTraining
from vlfeedback.types import PreferenceLabels, Trajectory

OBSERVATIONS, ACTIONS, PAIRS, LENGTH = 39, 4, 100, 50
PAPER_STEPS = 100_000
SETTINGS: dict[str, dict[str, Any]] = {
    "iql": {
        "batch_size": 64,
        "deterministic": True,
        "step_order": "cpl",
        "dropout": 0.25,
        "cosine_steps": PAPER_STEPS,
    },
    "cpl": {"bc_steps": 0},
    "ipl": {},
}
CONFIGS = {"iql": IQLConfig, "cpl": CPLConfig, "ipl": IPLConfig}
STEPS = {"iql": 100, "cpl": 2, "ipl": 1}  # of each run, times --scale
# Few: a training ends with a look at what its weights sit on, in all of its data. In 75,000
# transitions that takes as long as a hundred steps: much of a repeat here, nothing of 20,000.
EPISODES = 10
DIFFERENCE_STEPS = {"iql": 50, "cpl": 10, "ipl": 5}


def make_trajectories(seed: int, n: int, length: int) -> list[Trajectory]:
    rng = np.random.default_rng(seed)
    return [
        Trajectory(
            rng.standard_normal((length + 1, OBSERVATIONS), dtype=np.float32),
            rng.uniform(-1, 1, (length, ACTIONS)).astype(np.float32),
            rewards=rng.standard_normal(length, dtype=np.float32),
            truncated=True,
            id=str(index),
        )
        for index in range(n)
    ]


def make_training(learner: str, seed: int, *, bfloat16: bool) -> D3rlpyTraining:
    """A run with data and seed of its own."""
    policy = CONFIGS[learner](seed=seed, bfloat16=bfloat16, **SETTINGS[learner]).create()
    if learner == "iql":
        return D3rlpyTraining(policy, TransitionBuffer(make_trajectories(seed, EPISODES, 500)))
    whole = [t.segment(0, LENGTH) for t in make_trajectories(seed, 2 * PAIRS, LENGTH)]
    prefer_second = np.random.default_rng(seed).integers(0, 2, PAIRS).astype(np.float32)
    labels = PreferenceLabels(prefer_second, np.ones(PAIRS, dtype=np.bool_))
    pairs = list(zip(whole[::2], whole[1::2], strict=True))
    return D3rlpyTraining(policy, PreferenceBuffer(PreferenceDataset(pairs, labels), seed=seed))


class Alone:
    """A run as `train_policy` trains it."""

    def __init__(self, learner: str, *, bfloat16: bool) -> None:
        self.training, self.done = make_training(learner, 0, bfloat16=bfloat16), 0

    def work(self, n_steps: int) -> int:
        self.done += n_steps  # a training goes on from where it was
        self.training.run(self.done, n_steps, lambda _: None, None)
        return n_steps


class Together:
    """Several runs as `train_policies` trains them."""

    def __init__(self, learner: str, n_runs: int, *, bfloat16: bool) -> None:
        runs = [make_training(learner, seed, bfloat16=bfloat16) for seed in range(n_runs)]
        self.training, self.n_runs = StackedTraining(runs), n_runs

    def work(self, n_steps: int) -> int:
        self.training.run(n_steps, n_steps, lambda _: None, None)
        return n_steps * self.n_runs


def weights(policy: Any) -> torch.Tensor:
    return policy.impl.policy.mlp.flat.detach()


def largest_difference(learner: str, n_runs: int = 3) -> float:
    """Of all parameters of the policies, alone and together."""
    n_steps = DIFFERENCE_STEPS[learner]
    alone = [make_training(learner, seed, bfloat16=False) for seed in range(n_runs)]
    for training in alone:
        training.run(n_steps, n_steps, lambda _: None, None)
    together = Together(learner, n_runs, bfloat16=False)
    together.work(n_steps)
    return max(
        float((weights(one.policy) - weights(other)).abs().max())
        for one, other in zip(alone, together.training.policies, strict=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=int, default=8, help="of the gradient steps a repeat")
    parser.add_argument("--runs", default="4,8", help="numbers of runs together")
    parser.add_argument("--learners", default="iql,cpl,ipl")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)

    figures: dict[str, Any] = {}
    for learner in args.learners.split(","):
        sides: dict[str, Alone | Together] = {}
        for dtype in ("float32", "bfloat16"):
            fast = dtype == "bfloat16"
            sides[f"alone, {dtype}"] = Alone(learner, bfloat16=fast)
            for n in map(int, args.runs.split(",")):
                sides[f"{n} together, {dtype}"] = Together(learner, n, bfloat16=fast)
        n_steps = STEPS[learner] * args.scale

        def work(name: str, sides: Any = sides, n_steps: int = n_steps) -> int:
            n_runs = getattr(sides[name], "n_runs", 1)
            return int(sides[name].work(max(1, n_steps // n_runs)))

        steps = measure(
            {name: lambda name=name: work(name) for name in sides}, repeats=args.repeats
        )
        figures[learner] = {
            "runs per CPU-hour": {
                name: 3600 * of_side["per_cpu_second"] / PAPER_STEPS
                for name, of_side in steps.items()
            },
            "ratio": {
                name: ratio(steps, name, "alone, float32")["per_cpu_second"] for name in steps
            },
            "largest difference of a policy's parameters": largest_difference(learner),
            "steps until then": DIFFERENCE_STEPS[learner],
            "steps": steps,
        }
    publish(
        "batched_speed",
        claim="eight runs of IQL at batch 64, trained together in bfloat16, take at least 1.6 "
        "times less CPU time each than alone in float32",
        seed=0,
        figures=figures,
    )


if __name__ == "__main__":
    main()
