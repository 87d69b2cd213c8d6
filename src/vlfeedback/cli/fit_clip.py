"""`vlfeedback fit vlp-clip`: train the VLP paper's own model on a CLIP of yours."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from vlfeedback.cli.loss_bars import LossBars
from vlfeedback.cli.task_option import parse_tasks

__all__ = ["fit_vlp_clip"]


def fit_vlp_clip(
    data: Annotated[
        Path,
        typer.Option(help="Folder made by `vlfeedback collect`; best with --frame-size 224."),
    ],
    out: Annotated[Path, typer.Option(help="Weights file to write, *.safetensors.")],
    checkpoint: Annotated[Path | None, typer.Option(help="File of CLIP's weights.")] = None,
    pretrained: Annotated[
        str | None, typer.Option(help="Instead: a tag of open_clip in the hub cache, as openai.")
    ] = None,
    random_weights_seed: Annotated[
        int | None, typer.Option(help="Instead: a CLIP that knows nothing, to try things out.")
    ] = None,
    architecture: Annotated[
        str, typer.Option(help="CLIP's, as open_clip calls it; the paper's by default.")
    ] = "ViT-B-16-quickgelu",
    exclude: Annotated[
        str, typer.Option(help="Comma-separated tasks never trained on; 'none' trains on all.")
    ] = "button-press,door-close,drawer-close,faucet-close,window-open",
    tokens: Annotated[
        Path | None,
        typer.Option(
            help="Folder for CLIP's tokens: 0.7 GB a task at the defaults of `collect`, and never "
            "in memory. By default `clip-tokens` beside the weights."
        ),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Batches of 16 pairs.")] = 15_000,
    width: Annotated[int, typer.Option(help="Of tokens in the transformer.")] = 768,
    separate_self_attention: Annotated[
        bool, typer.Option(help="A stack for pictures and one for text, or one for both.")
    ] = True,
    cross_blocks: Annotated[int, typer.Option(min=1, help="In each direction.")] = 1,
    class_token: Annotated[bool, typer.Option(help="Read CLIP's class token too.")] = False,
    temporal_embedding: Annotated[
        bool, typer.Option(help="Mark pictures with their time, without which reverse is forward.")
    ] = True,
    sigmoid: Annotated[
        bool, typer.Option(help="Bound the score, which keeps preferences within 27 and 73 %.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Same seed and hardware, same weights.")] = 0,
    device: Annotated[str, typer.Option(help="cuda; cpu is for trying things out.")] = "cpu",
    state_every: Annotated[
        int, typer.Option(min=1, help="Steps between two savings of a run that may be cut off.")
    ] = 500,
) -> None:
    """Train the VLP paper's own model, by its Table 7, on the tokens of a frozen CLIP.

    By default on all but the paper's five test tasks. What the paper leaves open is an option,
    from --width to --sigmoid. CLIP's weights are never downloaded: name a
    file, or a tag that is in the hub cache. The same command goes on with a run that was cut off.

    Example: vlfeedback fit vlp-clip --data mtvlp --out mine.safetensors --checkpoint ViT-B-16.pt
    """
    import torch

    from vlfeedback.data.collection import Collection
    from vlfeedback.encoders.clip_tokens import load_clip_tokens
    from vlfeedback.models.vlp.data import load_clips
    from vlfeedback.models.vlp_clip import fit as training
    from vlfeedback.models.vlp_clip.data import LevelPairs, PhraseTokens, cached_tokens
    from vlfeedback.models.vlp_clip.network import VLPClipArchitecture, VLPClipNetwork
    from vlfeedback.models.vlp_clip.weights import VLPClipWeights, save_vlp_clip

    start = time.monotonic()
    excluded = [] if exclude == "none" else parse_tasks(exclude)
    collection = Collection.open(data)
    tasks = [task for task in collection.tasks() if task not in excluded]
    clip = load_clip_tokens(
        architecture,
        checkpoint=checkpoint,
        pretrained=pretrained,
        random_weights_seed=random_weights_seed,
        device=device,
    )
    built = VLPClipArchitecture(
        picture_width=clip.picture_width,
        text_width=clip.text_width,
        width=width,
        separate_self_attention=separate_self_attention,
        cross_blocks=cross_blocks,
        class_token=class_token,
        temporal_embedding=temporal_embedding,
        sigmoid=sigmoid,
    )
    settings = training.VLPClipTraining(steps=steps, seed=seed)
    torch.manual_seed(seed)
    network = VLPClipNetwork(built)
    typer.echo(f"Reading clips of {len(tasks)} tasks from {data} ...")
    clips = load_clips(collection, tasks)
    state = out.with_name(f"{out.stem}.training.safetensors")
    with LossBars() as report:
        cached = cached_tokens(
            tokens or out.with_name("clip-tokens"),
            clips,
            clip,
            class_token=class_token,
            report=report,
        )
        pairs = LevelPairs(clips, cached, n_frames=built.n_frames)
        phrases = PhraseTokens(tasks, clip)
        training.fit_vlp_clip(
            network,
            pairs,
            phrases,
            settings,
            device=device,
            report=report,
            state=state,
            state_every=state_every,
            settings={"tasks": tasks, "clip": asdict(clip.identity), **asdict(built)},
        )
    mean, std = training.score_statistics(network, pairs, phrases, seed=seed, device=device)
    notes = {
        "excluded": excluded,
        "collection": dict(collection.settings),
        **asdict(settings),
        "device": device,
        "hardware": torch.cuda.get_device_name() if device.startswith("cuda") else _processor(),
        "seconds_of_last_run": round(time.monotonic() - start),
        "torch": torch.__version__,
        "vlfeedback": version("vlfeedback"),
    }
    save_vlp_clip(
        out, network, VLPClipWeights(built, clip.identity, mean, std, tuple(tasks), notes)
    )
    state.unlink(missing_ok=True)
    typer.echo(
        f"{out}: trained on {len(tasks)} tasks. Next, with the same CLIP: "
        f"vlfeedback.make_reward_source('vlp.clip', weights='{out}', checkpoint=...)"
    )


def _processor() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores"
