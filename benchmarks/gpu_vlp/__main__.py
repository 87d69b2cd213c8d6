"""Trains the bundled models on a GPU that is at hand for minutes.

Simulators run on CPUs, so that clips are collected first, and travel as video:

    python benchmarks/gpu_vlp pack outputs/vlp2-a outputs/vlp2-b --out pack    # under 64 MiB
    python benchmarks/gpu_vlp train pack --out weights                         # where the GPU is
    python benchmarks/vlp_progress.py --weights weights/vlp.mt45.safetensors   # with simulators

A training that was cut off goes on with the same command, and weights that are there are kept.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packed_clips import RATE_FACTOR, pack, unpack

from vlfeedback.errors import VLFeedbackError

_SPLITS = ("mt45", "mt50")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="gpu_vlp", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="copy what `train` reads, under 64 MiB")
    packing.add_argument("collections", type=Path, nargs="+", help="of `vlfeedback collect`")
    packing.add_argument("--out", type=Path, required=True, help="a new folder")
    packing.add_argument("--rate-factor", type=int, default=RATE_FACTOR, help="of x264")
    train = commands.add_parser("train", help="train vlp.mt45 and vlp.mt50")
    train.add_argument("pack", type=Path)
    train.add_argument("--out", type=Path, required=True)
    train.add_argument("--splits", default=",".join(_SPLITS))
    train.add_argument("--set", type=json.loads, default={}, help="of VLPTraining, as JSON")
    train.add_argument("--device", default="cuda")
    return parser.parse_args()


def main() -> None:
    args = parse()
    try:
        if args.command == "pack":
            size = pack(args.collections, args.out, rate_factor=args.rate_factor)
            print(f"{args.out} has {size / 2**20:.1f} MiB.")
        else:
            train(args.pack, args.out, args.splits.split(","), args.set, args.device)
    except (VLFeedbackError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}".replace("\n", " "))


def train(
    folder: Path, out: Path, splits: list[str], settings: Mapping[str, Any], device: str
) -> None:
    """Train one model a split, those whose weights are missing."""
    from vlfeedback.models.vlp import VLPTraining, train_vlp
    from vlfeedback.tasks import VLP_TEST_TASKS

    excluded = {"mt45": VLP_TEST_TASKS, "mt50": ()}
    out.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    collection, *also = unpack(folder, out / "clips")
    print(f"unpacked in {time.monotonic() - start:.0f} s", flush=True)
    for split in splits:
        path = out / f"vlp.{split}.safetensors"
        if path.exists():
            continue
        weights = train_vlp(
            collection,
            path,
            excluded=excluded[split],
            also=also,
            training=VLPTraining(**settings),
            device=device,
        )
        print(f"{path}: {len(weights.tasks)} tasks in {weights.training['seconds']} s", flush=True)


if __name__ == "__main__":
    main()
