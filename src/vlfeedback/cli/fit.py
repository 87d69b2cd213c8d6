"""`vlfeedback fit`: train the models the library ships, from collected data to a weights file."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlfeedback.cli.loss_bars import LossBars
from vlfeedback.cli.task_option import parse_tasks
from vlfeedback.errors import NeedsError
from vlfeedback.types import Report

if TYPE_CHECKING:
    from vlfeedback.data.collection import Collection
    from vlfeedback.models.vlp.data import ClipSet, SceneSet, Texts
    from vlfeedback.models.vlp.network import VLPNetwork
    from vlfeedback.models.vlp.settings import VLPTraining
    from vlfeedback.models.vlp.weights import VLPWeights

__all__ = ["fit_app"]

# What the outcome of stage 1 depends on, beside tasks and architecture.
_STAGE_1 = (
    "collection",
    "share",
    "encoder_steps",
    "encoder_batch",
    "encoder_learning_rate",
    "weight_decay",
    "warmup",
    "seed",
)

fit_app = typer.Typer(no_args_is_help=True, help="Train a model.")


@fit_app.callback()
def _describe() -> None:
    """Train a model from collected data."""


@fit_app.command("vlp")
def fit_vlp(
    data: Annotated[Path, typer.Option(help="Folder made by `vlfeedback collect`.")],
    out: Annotated[Path, typer.Option(help="Weights file to write, *.safetensors.")],
    exclude: Annotated[
        str, typer.Option(help="Comma-separated tasks never trained on; 'none' trains on all.")
    ] = "button-press,door-close,drawer-close,faucet-close,window-open",
    instructions: Annotated[
        Path | None,
        typer.Option(help="Instructions made by `vlfeedback instructions write`; default: ours."),
    ] = None,
    encoder: Annotated[
        str, typer.Option(help="Weights whose frame encoder is taken instead of stage 1.")
    ] = "",
    encoder_steps: Annotated[int, typer.Option(min=1, help="Steps of stage 1.")] = 5000,
    part_steps: Annotated[
        int, typer.Option(min=1, help="Steps of stage 2 on progress and scenes alone.")
    ] = 500,
    steps: Annotated[int, typer.Option(min=1, help="Steps of stage 2 on everything.")] = 500,
    token_noise: Annotated[
        float, typer.Option(min=0, help="Noise on pictures; less where no new tasks are to come.")
    ] = 0.3,
    token_dropout: Annotated[
        float, typer.Option(min=0, max=1, help="Share of picture tokens that is hidden.")
    ] = 0.3,
    ilp_weight: Annotated[float, typer.Option(min=0, help="Lambda 1 of the paper.")] = 0.1,
    ivp_weight: Annotated[float, typer.Option(min=0, help="Lambda 2 of the paper.")] = 0.5,
    share: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share of the trajectories that is used.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Same seed and hardware, same weights.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = os.cpu_count() or 1,
) -> None:
    """Train the VLP preference model; by default on all but the paper's five test tasks.

    A run that was cut off after stage 1 goes on with stage 2.

    Example: vlfeedback fit vlp --data mtvlp --out vlp.mine.safetensors
    """
    import torch

    from vlfeedback.data.collection import Collection
    from vlfeedback.data.instruction_file import load_corpus
    from vlfeedback.models.vlp.data import Texts, load_clips, load_scenes
    from vlfeedback.models.vlp.network import VLPArchitecture, VLPNetwork
    from vlfeedback.models.vlp.settings import VLPTraining
    from vlfeedback.models.vlp.weights import VLPWeights, save_vlp

    start = time.monotonic()
    torch.set_num_threads(threads)
    collection = Collection.open(data)
    tasks, excluded = _choose_tasks(collection, exclude)
    settings = VLPTraining(
        encoder_steps=encoder_steps,
        part_steps=part_steps,
        steps=steps,
        token_noise=token_noise,
        token_dropout=token_dropout,
        ilp_weight=ilp_weight,
        ivp_weight=ivp_weight,
        seed=seed,
    )
    notes = {
        "excluded": excluded,
        "collection": dict(collection.settings),
        "share": share,
        "instructions": "" if instructions is None else instructions.name,
        "encoder": encoder,
        **asdict(settings),
        "device": device,
        "threads": threads,
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
        "vlfeedback": version("vlfeedback"),
    }
    torch.manual_seed(seed)
    network = VLPNetwork(VLPArchitecture())
    weights = VLPWeights(network.architecture, 0.0, 1.0, tuple(tasks), notes)

    typer.echo(f"Reading clips of {len(tasks)} tasks from {data} ...")
    corpus = None if instructions is None else load_corpus(instructions)
    texts = Texts(tasks, max_words=network.architecture.max_words, corpus=corpus)
    clips, scenes = load_clips(collection, tasks, share), load_scenes(collection, tasks, share)
    half_way = out.with_name(f"{out.stem}.stage1.safetensors")
    spent = 0.0
    with LossBars() as report:
        if encoder:
            _take_encoder(network, encoder)
        else:
            spent = _fit_stage_1(
                network, clips, scenes, settings, half_way, weights, device=device, report=report
            )
        mean, std = _fit_stage_2(
            network, clips, scenes, texts, settings, device=device, report=report
        )
    seconds = round(time.monotonic() - start + spent)
    training = {**notes, "seconds": seconds}
    save_vlp(out, network, replace(weights, score_mean=mean, score_std=std, training=training))
    half_way.unlink(missing_ok=True)
    typer.echo(
        f"{out}: trained on {len(tasks)} tasks in {seconds / 60:.0f} min. "
        f"Next: vlfeedback eval vlp --weights {out}"
    )


def _choose_tasks(collection: Collection, exclude: str) -> tuple[list[str], list[str]]:
    """Tasks to train on, and those to leave out."""
    excluded = [] if exclude == "none" else parse_tasks(exclude)
    tasks = [task for task in collection.tasks() if task not in excluded]
    if len(tasks) < 2:
        raise NeedsError(
            f"{collection.root} has {len(tasks)} tasks that are not excluded; what an instruction "
            "means is learnt from two or more. Collect others with: vlfeedback collect, or train "
            "on all with --exclude none."
        )
    return tasks, excluded


def _take_encoder(network: VLPNetwork, weights: str) -> None:
    """Take what stage 1 learns from other weights."""
    from vlfeedback.models.vlp.weights import load_vlp

    ready, _ = load_vlp(weights)
    network.encoder.load_state_dict(ready.encoder.state_dict())
    network.positions.load_state_dict(ready.positions.state_dict())


def _fit_stage_1(
    network: VLPNetwork,
    clips: ClipSet,
    scenes: SceneSet,
    settings: VLPTraining,
    path: Path,
    weights: VLPWeights,
    *,
    device: str,
    report: Report,
) -> float:
    """Train the encoder, unless a run that was cut off did; seconds that this run had spent."""
    from vlfeedback.models.vlp.fit_encoder import fit_encoder
    from vlfeedback.models.vlp.weights import save_vlp

    spent = _resume(path, network, weights)
    if spent is not None:
        return spent
    start = time.monotonic()
    fit_encoder(network, clips, scenes, settings, device=device, report=report)
    seconds = round(time.monotonic() - start)
    save_vlp(path, network, replace(weights, training={**weights.training, "seconds": seconds}))
    # The file has rounded numbers: a run that is not cut off goes on with the same.
    _resume(path, network, weights)
    return 0.0


def _resume(path: Path, network: VLPNetwork, wanted: VLPWeights) -> float | None:
    """Load stage 1 of a run that was cut off; its seconds, or None where there is none to use."""
    from vlfeedback.models.vlp.weights import load_vlp

    if not path.exists():
        return None
    begun, weights = load_vlp(str(path))
    differing = [n for n in _STAGE_1 if weights.training.get(n) != wanted.training.get(n)]
    if differing or (weights.tasks, weights.architecture) != (wanted.tasks, wanted.architecture):
        typer.echo(f"{path} was begun with other settings; starting again.")
        return None
    network.load_state_dict(begun.state_dict())
    return float(weights.training["seconds"])  # type: ignore[arg-type]


def _fit_stage_2(
    network: VLPNetwork,
    clips: ClipSet,
    scenes: SceneSet,
    texts: Texts,
    settings: VLPTraining,
    *,
    device: str,
    report: Report,
) -> tuple[float, float]:
    """Train everything else; mean and deviation of the scores."""
    from vlfeedback.models.vlp.fit_encoder import encode_clips, encode_scenes
    from vlfeedback.models.vlp.fit_preferences import fit_preferences, score_statistics

    tokens = encode_clips(network, clips, device=device, report=report)
    scene_tokens = encode_scenes(network, scenes, device=device, report=report)
    fit_preferences(
        network,
        clips,
        tokens,
        scenes,
        scene_tokens,
        texts,
        settings,
        device=device,
        report=report,
    )
    return score_statistics(network, clips, tokens, texts, seed=settings.seed, device=device)
