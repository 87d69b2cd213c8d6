"""Claim: relabelling takes memory that does not grow with the dataset.

State data with Meta-World's shapes (39 numbers a state, 4 an action, 500 steps an episode) is
read from one HDF5 file, scored by three fixed random networks of two layers of 256 units, and
written to another. Each size runs in a process of its own, since a peak of memory never falls.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from measurement import publish

from vlfeedback.data.trajectories import iter_trajectories, write_trajectories
from vlfeedback.scoring.relabel import relabel
from vlfeedback.types import SegmentBatch, SourceNeeds, Trajectory

STEPS, STATE, ACTION = 500, 39, 4


class MLPEnsemble:
    """Three networks of random weights: what a learned reward computes, without its training."""

    needs = SourceNeeds(observations=True, actions=True)

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self._members = [
            torch.nn.Sequential(
                torch.nn.Linear(STATE + ACTION, 256),
                torch.nn.ReLU(),
                torch.nn.Linear(256, 256),
                torch.nn.ReLU(),
                torch.nn.Linear(256, 1),
                torch.nn.Tanh(),
            )
            for _ in range(3)
        ]

    @torch.inference_mode()
    def rewards(self, batch: SegmentBatch) -> np.ndarray:
        rows = torch.from_numpy(np.concatenate([batch.observations, batch.actions], axis=2))
        return torch.stack([member(rows) for member in self._members]).mean(0)[..., 0].numpy()


def episodes(n_steps: int, seed: int) -> Iterator[Trajectory]:
    rng = np.random.default_rng(seed)
    for index in range(n_steps // STEPS):
        yield Trajectory(
            rng.standard_normal((STEPS + 1, STATE)).astype(np.float32),
            rng.standard_normal((STEPS, ACTION)).astype(np.float32),
            truncated=True,
            id=f"random/{index:06d}",
        )


def run(n_steps: int, seed: int) -> dict[str, float]:
    """Relabel a file of `n_steps` transitions, in this process."""
    source = MLPEnsemble(seed)
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder, "data.h5"), Path(folder, "out.h5")
        write_trajectories(data, episodes(n_steps, seed))
        cpu, wall = time.process_time(), time.perf_counter()
        write_trajectories(out, relabel(iter_trajectories(data), source))
        file = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
        cpu = time.process_time()
        for _ in relabel(episodes(n_steps, seed), source):
            pass
        whole = time.process_time() - cpu
        cpu = time.process_time()
        for trajectory in episodes(n_steps, seed):
            batch = SegmentBatch(
                observations=trajectory.observations[None, :-1], actions=trajectory.actions[None]
            )
            source.rewards(batch)
        bare = time.process_time() - cpu
    return {
        "transitions per CPU-second, file to file": n_steps / file["cpu"],
        "transitions per wall second, file to file": n_steps / file["wall"],
        "transitions per CPU-second, without files": n_steps / whole,
        "transitions per CPU-second, the networks alone": n_steps / bare,
        "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one", type=int, help="measure this size here, and print JSON")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.one:
        print(json.dumps(run(args.one, args.seed)))
        return
    figures = {}
    for size in args.sizes:
        command = [sys.executable, __file__, "--one", str(size), "--seed", str(args.seed)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        figures[f"{size} transitions"] = json.loads(done.stdout)
    peaks = [figure["peak memory, MB"] for figure in figures.values()]
    publish(
        "relabel_speed",
        claim=f"relabelling {args.sizes[-1]} transitions takes no more memory than {args.sizes[0]}",
        seed=args.seed,
        figures={"peak memory, largest by smallest size": peaks[-1] / peaks[0], **figures},
    )


if __name__ == "__main__":
    main()
