"""`vlfeedback fit vlp-clip`: train the VLP paper's own model on a CLIP of yours."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from vlfeedback.cli.exclude_option import TEST_TASKS, Exclude, parse_exclude
from vlfeedback.cli.loss_bars import LossBars
from vlfeedback.cli.output_options import file_to_write

__all__ = ["fit_vlp_clip"]


def fit_vlp_clip(
    data: Annotated[
        Path,
        typer.Option(help="Folder made by `vlfeedback collect`; best with --frame-size 224."),
    ],
    out: Annotated[
        Path, typer.Option(callback=file_to_write, help="Weights file to write, *.safetensors.")
    ],
    checkpoint: Annotated[Path | None, typer.Option(help="File of CLIP's weights.")] = None,
    pretrained: Annotated[
        str | None, typer.Option(help="Instead: a tag of open_clip in the hub cache, as openai.")
    ] = None,
    random_weights_seed: Annotated[
        int | None, typer.Option(help="Instead: a CLIP with random weights, to try things out.")
    ] = None,
    architecture: Annotated[
        str, typer.Option(help="CLIP's, as open_clip calls it; the paper's by default.")
    ] = "ViT-B-16-quickgelu",
    exclude: Exclude = TEST_TASKS,
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
    from vlfeedback.arguments import on_device
    from vlfeedback.data.collection import Collection
    from vlfeedback.encoders.clip_tokens import load_clip_tokens
    from vlfeedback.models.vlp_clip import VLPClipArchitecture, VLPClipTraining, train_vlp_clip

    collection = Collection.open(data)
    weights_of_clip = {
        "checkpoint": checkpoint,
        "pretrained": pretrained,
        "random_weights_seed": random_weights_seed,
    }
    with on_device(device):
        clip = load_clip_tokens(architecture, **weights_of_clip, device=device)  # type: ignore[arg-type]
    with LossBars() as report:
        weights = train_vlp_clip(
            collection,
            out,
            clip,
            excluded=parse_exclude(exclude),
            architecture=VLPClipArchitecture(
                picture_width=clip.picture_width,
                text_width=clip.text_width,
                width=width,
                separate_self_attention=separate_self_attention,
                cross_blocks=cross_blocks,
                class_token=class_token,
                temporal_embedding=temporal_embedding,
                sigmoid=sigmoid,
            ),
            training=VLPClipTraining(steps=steps, seed=seed),
            tokens=tokens,
            device=device,
            state_every=state_every,
            report=report,
        )
    following = ["vlfeedback", "eval", "labels", "--source", "vlp.clip"]
    settings = {"weights": out, **weights_of_clip}
    for name, value in settings.items():
        following += [] if value is None else ["--set", f"{name}={value}"]
    typer.echo(
        f"{out}: trained on {len(weights.tasks)} tasks. Next, with the same CLIP: "
        f"{shlex.join([*following, '--data', str(data)])}"
    )
