"""Trains a whole sweep on a GPU that is at hand for minutes, and judges its policies later.

Simulators run on CPUs, and a GPU would wait for them. So labels come first, then all runs of a
learner are trained as one while their actors are kept, and the actors are judged afterwards:

    python benchmarks/gpu_sweep pack FILE.toml outputs/my-sweep --out pack
    python benchmarks/gpu_sweep train pack --out actors                # where the GPU is
    python benchmarks/gpu_sweep evaluate actors outputs/my-sweep --workers 2
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vlfeedback.errors import VLFeedbackError


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="gpu_sweep", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    pack = commands.add_parser("pack", help="copy what `train` reads: no pictures, under 64 MiB")
    pack.add_argument("file", type=Path, help="the sweep's TOML file")
    pack.add_argument("folder", type=Path, help="of `vlfeedback sweep`, with its labels")
    pack.add_argument("--out", type=Path, required=True, help="a new folder")
    train = commands.add_parser("train", help="train all missing runs; keep their actors")
    train.add_argument("folder", type=Path, help="of `pack`, or of `vlfeedback sweep`")
    train.add_argument("--out", type=Path, required=True, help="a new folder")
    train.add_argument("--steps", type=int, help="of each run: a trial, which is not judged")
    train.add_argument("--learners", default="", help="comma-separated; default: all")
    train.add_argument("--actors", type=int, help="at most so many of each run, spread evenly")
    train.add_argument("--device", default="cuda")
    evaluate = commands.add_parser("evaluate", help="judge the actors, and write the sweep's rows")
    evaluate.add_argument("actors", type=Path, help="folder of `train`")
    evaluate.add_argument("folder", type=Path, help="of `vlfeedback sweep`")
    evaluate.add_argument("--workers", type=int, default=2)
    judge = commands.add_parser("judge", help="what a worker of `evaluate` runs")
    judge.add_argument("actors", type=Path)
    judge.add_argument("folder", type=Path)
    judge.add_argument("progress", type=Path)
    judge.add_argument("runs", nargs="+")
    return parser.parse_args()


def main() -> None:
    args = parse()
    try:
        run(args)
    except (VLFeedbackError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}".replace("\n", " "))


def run(args: argparse.Namespace) -> None:
    if args.command == "pack":
        from packing import pack

        size = pack(args.file, args.folder, args.out)
        print(f"{args.out} has {size / 2**20:.1f} MiB.")
    elif args.command == "train":
        from gpu_training import train

        learners = tuple(filter(None, args.learners.split(",")))
        train(
            args.folder,
            args.out,
            device=args.device,
            steps=args.steps,
            learners=learners,
            n_actors=args.actors,
        )
    elif args.command == "evaluate":
        from judging import evaluate

        if evaluate(args.actors, args.folder, args.workers):
            sys.exit("The same command goes on with what is missing.")
    else:
        from judging import judge

        judge(args.actors, args.folder, args.progress, args.runs)


if __name__ == "__main__":
    main()
