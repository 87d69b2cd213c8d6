"""Claim: which settings of VLP's second stage hold on tasks that it does not train on.

Ten tasks of the forty-five are held out: strangers, whose objects no other task has, or relatives,
as the paper's five are. Those five, on which figures are reported, are not looked at. All trials
share one encoder; each then trains the rest with some settings changed, and is judged on the
held-out tasks' clips of the first collection. A trial is a file, so that the same command goes on
after a stop.

    vlfeedback collect --out outputs/vlp2-a --frame-stride 7 --frame-size 112
    python benchmarks/vlp_trials.py --data outputs/vlp2-a --trial "" --trial progress_share=0.3

With ``--other`` progress learns ten of the thirty-five trained tasks from positions as the encoder
of the other trials sees them, which does not know those ten: `unseen_share=1.0` of their windows.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from measurement import publish
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file, save_file
from torch import Tensor
from vlp_trial_figures import FIGURES, judge

from vlfeedback.data.collection import Collection
from vlfeedback.data.whole_files import read_json, write_json
from vlfeedback.models.vlp import VLPTraining
from vlfeedback.models.vlp.data import EpisodeSet, SceneSet, load_episodes, load_scenes
from vlfeedback.models.vlp.fit_encoder import encode_episodes, encode_scenes, fit_encoder
from vlfeedback.models.vlp.fit_preferences import fit_preferences
from vlfeedback.models.vlp.network import VLPArchitecture, VLPNetwork
from vlfeedback.models.vlp.texts import Texts
from vlfeedback.models.vlp.unseen import read_positions
from vlfeedback.tasks import METAWORLD_TASKS, VLP_TEST_TASKS

HELD_OUT = {
    "strangers": (
        "door-open",
        "window-close",
        "plate-slide",
        "button-press-topdown",
        "handle-press-side",
        "coffee-push",
        "sweep-into",
        "dial-turn",
        "lever-pull",
        "push-wall",
    ),
    "relatives": (
        "handle-press",
        "plate-slide-back",
        "door-unlock",
        "button-press-topdown-wall",
        "push-back",
        "stick-pull",
        "coffee-pull",
        "sweep",
        "peg-unplug-side",
        "pick-place-wall",
    ),
}


class Material(NamedTuple):
    """What all trials share."""

    trained_tasks: tuple[str, ...]
    held_out_tasks: tuple[str, ...]
    network: dict[str, Tensor]  # encoder and positions, fitted
    episodes: EpisodeSet
    tokens: Tensor
    scenes: SceneSet
    scene_tokens: Tensor
    unseen_positions: Tensor | None  # of some tasks, by an encoder that does not know them
    held_out: EpisodeSet
    held_out_tokens: Tensor


def prepare(args: argparse.Namespace, report: Callable[..., None]) -> Material:
    """Read clips, fit the encoder unless it is there, and encode every picture once."""
    collection, also = Collection.open(args.data), [Collection.open(path) for path in args.also]
    tasks = HELD_OUT[args.held_out]
    trained = tuple(t for t in METAWORLD_TASKS if t not in (*tasks, *VLP_TEST_TASKS))
    episodes = load_episodes(collection, trained, also=also, report=report)
    scenes = load_scenes(collection, trained)
    torch.manual_seed(args.seed)
    network = VLPNetwork(VLPArchitecture())
    path = args.out / "encoder.safetensors"
    if path.exists():
        network.load_state_dict(load_file(path), strict=False)
    else:
        fit_encoder(network, episodes, scenes, VLPTraining(seed=args.seed), report=report)
        fitted = {k: t.half() for k, t in network.state_dict().items() if is_of_stage_1(k)}
        save_file(fitted, path)
        network.load_state_dict(fitted, strict=False)
    tokens = encode_episodes(network, episodes, report=report)
    unseen = read_unseen(args, network, collection, trained, episodes, tokens)
    held_out = load_episodes(collection, tasks)
    material = Material(
        trained,
        tasks,
        {k: t for k, t in network.state_dict().items() if is_of_stage_1(k)},
        without_pictures(episodes),
        tokens,
        replace(scenes, pictures=scenes.pictures[:, :1, :1]),
        encode_scenes(network, scenes, report=report),
        unseen,
        without_pictures(held_out),
        encode_episodes(network, held_out, report=report),
    )
    errors = {
        "trained": position_errors(network, material.episodes, material.tokens),
        "held_out": position_errors(network, material.held_out, material.held_out_tokens),
    }
    write_json(args.out / "encoder.json", errors)
    return material


def read_unseen(
    args: argparse.Namespace,
    network: VLPNetwork,
    collection: Collection,
    trained: tuple[str, ...],
    episodes: EpisodeSet,
    tokens: Tensor,
) -> Tensor | None:
    """Positions that progress learns from, of some trained tasks as an encoder without them sees.

    It is the encoder of trials on the other ten; each of those tasks is trained on here.
    """
    if args.other is None:
        return None
    own = read_positions(network, tokens)
    stranger = VLPNetwork(network.architecture)
    stranger.load_state_dict(load_file(args.other / "encoder.safetensors"), strict=False)
    (other,) = (tasks for name, tasks in HELD_OUT.items() if name != args.held_out)
    for task in other:
        of_task = load_episodes(collection, [task], with_progress=False)
        seen = encode_episodes(stranger, of_task, report=lambda *_: None)
        own[episodes.task == trained.index(task)] = read_positions(stranger, seen)
    return own


@torch.inference_mode()
def position_errors(
    network: VLPNetwork, episodes: EpisodeSet, tokens: Tensor
) -> dict[str, dict[str, float]]:
    """Median and mean distance of where hand and object are and where they are seen, cm."""
    seen = torch.cat([network.positions(part.float()) for part in tokens.split(64)])
    off = 100 * (seen - torch.from_numpy(episodes.positions))
    parts = {"hand": slice(0, 3), "object": slice(4, 7), "object from hand": slice(7, 10)}
    distance = {name: off[..., part].norm(dim=-1) for name, part in parts.items()}
    return {n: {"median": float(d.median()), "mean": float(d.mean())} for n, d in distance.items()}


def is_of_stage_1(name: str) -> bool:
    return name.startswith(("encoder.", "positions."))


def without_pictures(episodes: EpisodeSet) -> EpisodeSet:
    """The same with pictures of one pixel, once they are encoded: they fill the memory."""
    return replace(episodes, pictures=episodes.pictures[:, :, :1, :1].copy())


def settings_of(text: str) -> tuple[VLPArchitecture, VLPTraining]:
    """From "steps=1000,progress_share=0.3", settings of either kind."""
    given = dict(part.split("=") for part in text.split(",") if part)
    architecture, training = (_taken(kind, given) for kind in (VLPArchitecture, VLPTraining))
    if given:
        raise SystemExit(f"There are no settings {', '.join(given)}.")
    return VLPArchitecture(**architecture), VLPTraining(**training)


def _taken(kind: type[VLPArchitecture | VLPTraining], given: dict[str, str]) -> dict[str, Any]:
    """Settings of this kind, taken out of those given."""
    default = kind()
    names = [f.name for f in fields(kind) if f.name in given]
    return {name: type(getattr(default, name))(given.pop(name)) for name in names}


def run(trial: str, material: Material, seed: int) -> dict[str, Any]:
    """Train one, and judge it."""
    architecture, training = settings_of(trial)
    torch.manual_seed(seed)
    network = VLPNetwork(architecture)
    network.load_state_dict(material.network, strict=False)
    start = time.process_time()
    fit_preferences(
        network,
        material.episodes,
        material.tokens,
        material.scenes,
        material.scene_tokens,
        Texts(material.trained_tasks, max_words=architecture.max_words),
        replace(training, seed=seed),
        unseen_positions=material.unseen_positions if training.folds else None,
        report=lambda *_: None,
    )
    seconds = time.process_time() - start
    by_task = judge(network, material.held_out, material.held_out_tokens, material.held_out_tasks)
    mean = {k: float(np.nanmean([figures[k] for figures in by_task.values()])) for k in FIGURES}
    return {"trial": trial, "cpu_seconds": seconds, "mean": mean, "by_task": by_task}


def show(rows: list[Mapping[str, Any]]) -> None:
    table = Table("trial", *FIGURES, title="Means of ten held-out tasks")
    for row in rows:
        table.add_row(row["trial"] or "as set", *(f"{row['mean'][k]:.3f}" for k in FIGURES))
    Console(width=180).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="made by `vlfeedback collect`")
    parser.add_argument("--also", type=Path, action="append", default=[], help="trained on, too")
    parser.add_argument("--trial", action="append", default=[], help="NAME=VALUE,...; may repeat")
    parser.add_argument("--out", type=Path, default=Path("outputs/vlp-trials"))
    parser.add_argument(
        "--other", type=Path, help="folder of trials on the other ten, whose encoder is taken"
    )
    parser.add_argument("--held-out", choices=list(HELD_OUT), default="strangers")
    parser.add_argument(
        "--result", default="", help="name of the result file; default: by --held-out"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    files = {t: args.out / f"trial_{t.replace('=', '-') or 'as-set'}.json" for t in args.trial}
    missing = [trial for trial, path in files.items() if not path.exists()]
    console = Console()
    if missing:
        material = prepare(args, _Every(500, console))
        for trial in missing:
            row = run(trial, material, args.seed)
            write_json(files[trial], row, indent=None)
            show([row])
    rows = [json.loads(path.read_text("utf-8")) for path in files.values()]
    show(rows)
    publish(
        args.result or f"vlp_trials_{args.held_out}",
        claim="which settings of VLP's second stage hold on tasks that it does not train on",
        seed=args.seed,
        figures={
            "what": FIGURES,
            "held_out": list(HELD_OUT[args.held_out]),
            "position_errors_cm": read_json(args.out / "encoder.json", advice="Run a trial again."),
            "trials": rows,
        },
        printed=False,
    )


class _Every:
    """Reports each so many steps on a line of its own, for logs."""

    def __init__(self, steps: int, console: Console) -> None:
        self._steps, self._console = steps, console

    def __call__(self, stage: str, done: int, total: int, loss: float) -> None:
        if done % self._steps == 0 or done == total:
            self._console.print(f"{stage}: {done} of {total}, loss {loss:.3f}")


if __name__ == "__main__":
    main()
