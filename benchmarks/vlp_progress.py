"""Claim: how far the bundled model's score rises while the expert works, and for nothing else.

On the five tasks that `vlp.mt45` never saw, and on some that it was trained on, which are where
choices are made. Beside it the environment's own reward and rules that know nothing of a task;
then its labels on clips that were made otherwise than those it was trained on. Clips are fresh,
and collected where they are not there; with other weights, as ``--weights FILE``, it is the same
measure for them.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch
from measurement import publish
from rich.console import Console

from vlfeedback import make_reward_source
from vlfeedback.cli.progress_tables import print_progress
from vlfeedback.evaluation.progress import evaluate_progress
from vlfeedback.tasks import VLP_TEST_TASKS

TRAINED = ("door-open", "handle-press", "plate-slide", "push")
GROUPS = {"unseen": VLP_TEST_TASKS, "trained": TRAINED}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="mt45", help="bundled name, or a file")
    parser.add_argument("--result", default="vlp_progress", help="name of the result file")
    parser.add_argument("--clips", type=Path, default=Path("outputs/progress"))
    parser.add_argument("--episodes", type=int, default=8, help="of each task, level and way")
    parser.add_argument("--pairs", type=int, default=100, help="of a task, pairing and protocol")
    parser.add_argument("--seed", type=int, default=0, help="no training used these clips")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="that collect")
    args = parser.parse_args()
    torch.set_num_threads(1)
    sources = {"vlp": make_reward_source("vlp", weights=args.weights)}
    sources |= {"env": make_reward_source("env")}
    figures = {}
    for group, tasks in GROUPS.items():
        figures[group] = evaluate_progress(
            sources,
            tasks,
            args.clips,
            episodes=args.episodes,
            n_pairs=args.pairs,
            seed=args.seed,
            camera="corner2",
            workers=args.workers,
            report=lambda stage, done, total, _: Console().print(f"{stage}: {done} of {total}"),
        )
        print_progress(figures[group])
    publish(
        args.result,
        claim="how far the bundled model's score rises while the expert works, and for nothing "
        "else",
        seed=args.seed,
        figures={"weights": args.weights, **figures},
        printed=False,
    )


if __name__ == "__main__":
    main()
