"""`vlfeedback label`: labelled pairs of segments from a dataset and any labeller."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vlfeedback.cli.dataset_option import DATA_HELP, READING_HELP, data_options, read_data
from vlfeedback.cli.output_options import file_to_write
from vlfeedback.cli.progress import one_bar
from vlfeedback.cli.settings import check_no_argument, parse_settings

if TYPE_CHECKING:
    from vlfeedback.data.preferences import PreferenceDataset

__all__ = ["label"]


def label(
    data: Annotated[
        str,
        typer.Option(help=DATA_HELP),
    ],
    labeller: Annotated[str, typer.Option(help="Who answers: see `vlfeedback list preferences`.")],
    out: Annotated[
        Path,
        typer.Option(
            dir_okay=False,
            callback=file_to_write,
            help="File to write, *.parquet; run again to go on.",
        ),
    ],
    pairs: Annotated[int, typer.Option(min=1, help="How many pairs.")] = 100,
    length: Annotated[int, typer.Option(min=1, help="Steps of each segment.")] = 50,
    sampler: Annotated[
        Literal["uniform", "clustered"],
        typer.Option(help="clustered: each segment of a pair from one of two clusters, as in VLP."),
    ] = "uniform",
    start_multiple: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Segments begin at multiples of this step; default: the distance of pictures "
            "where the labeller reads some, else 1.",
        ),
    ] = None,
    min_gap: Annotated[
        int,
        typer.Option(
            min=0,
            help="Segments of one trajectory start at least so many steps apart: of almost the "
            "same moment nobody can say which is better.",
        ),
    ] = 0,
    task: Annotated[
        str, typer.Option(help="Label this task's trajectories, under its instruction.")
    ] = "",
    instruction: Annotated[
        str,
        typer.Option(help="What the labeller is told; default: what the data say, or the task."),
    ] = "",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Settings of the labeller: key=value, repeat for several."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same pairs.")] = 0,
    batch_size: Annotated[int, typer.Option(min=1, help="Pairs asked about at a time.")] = 32,
    reading: Annotated[str, typer.Option(help=READING_HELP)] = "{}",
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:1.")] = "cpu",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Say what would be asked, what it would take and whether the data show it, "
            "and stop.",
        ),
    ] = False,
    preview: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            callback=file_to_write,
            help="Ask about 20 of the pairs, in both orders, write a page to read before the "
            "others are paid for, *.html, and stop.",
        ),
    ] = None,
) -> None:
    """Draw pairs of segments, and ask a labeller which of each follows the instruction better.

    The answers of each batch are kept as soon as they are there. After a stop, the same command
    goes on: the same pairs are drawn, and those that were asked about are not asked again.

    A labeller that costs something is looked at first: --dry-run asks nobody, --preview about 20
    pairs.

    Example: vlfeedback label --data cartpole --labeller teacher.mistake --pairs 100 --length 50
    --out labels.parquet
    """
    from vlfeedback.cli.label_preview import describe_job, write_preview
    from vlfeedback.cli.one_task import task_of_data
    from vlfeedback.cli.pairs_of_data import draw_pairs, instructions_of
    from vlfeedback.preferences import make_preference_source
    from vlfeedback.scoring.labelling import label_pairs
    from vlfeedback.scoring.readable import check_pairs_readable

    config = check_no_argument(
        parse_settings(settings or ()), make_preference_source, of="the labeller"
    )
    trajectories = read_data(data, reading, task)
    source = make_preference_source(labeller, device=device, **config)
    segment_pairs = draw_pairs(
        trajectories,
        source,
        n_pairs=pairs,
        length=length,
        sampler=sampler,
        seed=seed,
        start_multiple=start_multiple,
        min_gap=min_gap,
    )
    text = instruction or (task_of_data(task, data).instruction if task else "")
    texts = instructions_of(segment_pairs, text, source)
    check_pairs_readable(segment_pairs, source.needs, texts[0] if texts else None)
    if dry_run:
        typer.echo(describe_job(segment_pairs, texts, labeller, source))
        return
    if preview is not None:
        write_preview(preview, segment_pairs, texts, labeller, source)
        return
    with one_bar("labels") as report:
        labelled = label_pairs(
            segment_pairs,
            source,
            instruction=texts,
            batch_size=batch_size,
            save_to=out,
            report=report,
        )
    _print(labelled)
    options = [*data_options(data, reading), "--labels", str(out)]
    fit = ["vlfeedback", "fit", "reward", *options, "--out", "reward.safetensors"]
    cpl = ["vlfeedback", "train", "--learner", "cpl", *options, "--out", "policy"]
    typer.echo(
        f"The labels are {out}. Next, a reward model: {shlex.join(fit)}\n"
        f"or a policy at once: {shlex.join(cpl)}"
    )


def _print(labelled: PreferenceDataset) -> None:
    """Print the totals of each labeller, then the counts of all labels."""
    for totals in labelled.summary():
        typer.echo(str(totals))
    answers = labelled.labels.take(labelled.labels.answered).prefer_second
    ties, second = int((answers == 0.5).sum()), int((answers > 0.5).sum())
    typer.echo(
        f"{len(answers)} of {len(labelled)} pairs are answered: {len(answers) - ties - second} "
        f"for the first segment, {second} for the second, {ties} ties."
    )
