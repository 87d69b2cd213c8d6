"""`vlfeedback fit vlp`: train the bundled model's kind of network from collected data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from vlfeedback.cli.exclude_option import TEST_TASKS, Exclude, parse_exclude
from vlfeedback.cli.loss_bars import LossBars
from vlfeedback.cli.output_options import file_to_write

__all__ = ["fit_app"]

fit_app = typer.Typer(no_args_is_help=True, help="Train a model.")


@fit_app.callback()
def _describe() -> None:
    """Train a model from collected data."""


@fit_app.command("vlp")
def fit_vlp(
    data: Annotated[Path, typer.Option(help="Folder made by `vlfeedback collect`.")],
    out: Annotated[
        Path, typer.Option(callback=file_to_write, help="Weights file to write, *.safetensors.")
    ],
    also: Annotated[
        list[Path] | None,
        typer.Option(help="More of the same tasks, collected otherwise; may be given again."),
    ] = None,
    exclude: Exclude = TEST_TASKS,
    instructions: Annotated[
        Path | None,
        typer.Option(help="Instructions made by `vlfeedback instructions write`; default: ours."),
    ] = None,
    encoder: Annotated[
        str, typer.Option(help="Weights whose frame encoder is taken instead of stage 1.")
    ] = "",
    encoder_steps: Annotated[int, typer.Option(min=1, help="Steps of stage 1.")] = 5000,
    encoder_batch: Annotated[
        int, typer.Option(min=2, help="Pictures of a step of stage 1; a GPU has time for 256.")
    ] = 64,
    folds: Annotated[
        int,
        typer.Option(
            min=0,
            help="Parts of the tasks, each read by an encoder without it: for progress on "
            "unseen tasks; 0: none.",
        ),
    ] = 3,
    fold_steps: Annotated[int, typer.Option(min=1, help="Steps of each such encoder.")] = 2500,
    part_steps: Annotated[
        int, typer.Option(min=1, help="Steps of stage 2 on progress, which are short.")
    ] = 600,
    scene_steps: Annotated[
        int, typer.Option(min=1, help="Steps of stage 2 on scenes, which are shorter.")
    ] = 3000,
    text_steps: Annotated[
        int, typer.Option(min=1, help="Steps of stage 2 on progress by the text, if it reads that.")
    ] = 3000,
    steps: Annotated[int, typer.Option(min=1, help="Steps of stage 2 on the whole score.")] = 500,
    instructed_width: Annotated[
        int,
        typer.Option(
            min=0,
            help="Progress reads the text with so many units: for trained tasks alone; 0: not.",
        ),
    ] = 0,
    token_noise: Annotated[
        float, typer.Option(min=0, help="Noise on pictures; less where no new tasks are to come.")
    ] = 0.3,
    token_dropout: Annotated[
        float, typer.Option(min=0, max=1, help="Share of picture tokens that is hidden.")
    ] = 0.3,
    progress_share: Annotated[
        float, typer.Option(min=0, max=1, help="Of a window's worth that is progress, not return.")
    ] = 0.7,
    ilp_weight: Annotated[float, typer.Option(min=0, help="Lambda 1 of the paper.")] = 0.1,
    ivp_weight: Annotated[float, typer.Option(min=0, help="Lambda 2 of the paper.")] = 0.5,
    share: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share of the trajectories that is used.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Same seed and hardware, same weights.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:1.")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = os.cpu_count() or 1,
    state_every: Annotated[
        int, typer.Option(min=1, help="Steps between two savings of a run that may be cut off.")
    ] = 100,
) -> None:
    """Train the VLP preference model; by default on all but the paper's five test tasks.

    The same command goes on with a run that was cut off.

    Example: vlfeedback fit vlp --data mtvlp --out vlp.mine.safetensors
    """
    from vlfeedback.data.collection import Collection
    from vlfeedback.models.vlp import VLPArchitecture, VLPTraining, train_vlp

    with LossBars() as report:
        weights = train_vlp(
            Collection.open(data),
            out,
            excluded=parse_exclude(exclude),
            also=[Collection.open(folder) for folder in also or []],
            training=VLPTraining(
                encoder_steps=encoder_steps,
                encoder_batch=encoder_batch,
                folds=folds,
                fold_steps=fold_steps,
                part_steps=part_steps,
                scene_steps=scene_steps,
                text_steps=text_steps,
                steps=steps,
                token_noise=token_noise,
                token_dropout=token_dropout,
                progress_share=progress_share,
                ilp_weight=ilp_weight,
                ivp_weight=ivp_weight,
                seed=seed,
            ),
            architecture=VLPArchitecture(instructed_width=instructed_width),
            instructions=instructions,
            encoder=encoder,
            share=share,
            device=device,
            threads=threads,
            state_every=state_every,
            report=report,
        )
    typer.echo(
        f"{out}: trained on {len(weights.tasks)} tasks in {weights.training['seconds'] / 60:.0f} "
        f"min. Next: vlfeedback eval vlp --weights {out}"
    )
