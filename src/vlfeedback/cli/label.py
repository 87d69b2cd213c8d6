"""`vlfeedback label`: labelled pairs of segments from a dataset and any labeller."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vlfeedback.cli.dataset_option import DATA_HELP, READING_HELP, data_options, read_data
from vlfeedback.cli.output_options import file_to_write
from vlfeedback.cli.progress import counting_progress
from vlfeedback.cli.settings import check_no_argument, parse_settings
from vlfeedback.errors import NeedsError

if TYPE_CHECKING:
    from vlfeedback.data.preferences import PreferenceDataset
    from vlfeedback.data.sampling import SegmentPairList
    from vlfeedback.types import PreferenceSource, Trajectory

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
            "--dry-run", help="Say what would be asked and whether the data show it, and stop."
        ),
    ] = False,
) -> None:
    """Draw pairs of segments, and ask a labeller which of each follows the instruction better.

    The answers of each batch are kept as soon as they are there. After a stop, the same command
    goes on: the same pairs are drawn, and those that were asked about are not asked again.

    Example: vlfeedback label --data cartpole --labeller teacher.mistake --pairs 100 --length 50
    --out labels.parquet
    """
    from functools import partial

    import numpy as np

    from vlfeedback.cli.one_task import task_of_data
    from vlfeedback.data.sampling import sample_clustered_pairs, sample_segment_pairs
    from vlfeedback.preferences import make_preference_source
    from vlfeedback.scoring.labelling import label_pairs
    from vlfeedback.scoring.readable import check_pairs_readable

    config = check_no_argument(
        parse_settings(settings or ()), make_preference_source, of="the labeller"
    )
    trajectories = read_data(data, reading, task)
    source = make_preference_source(labeller, device=device, **config)
    sample: Callable[..., SegmentPairList] = sample_clustered_pairs  # never of one trajectory
    if sampler == "uniform":
        sample = partial(sample_segment_pairs, min_gap=min_gap)
    segment_pairs = sample(
        trajectories,
        pairs,
        length,
        rng=np.random.default_rng(seed),
        start_multiple=start_multiple or _picture_distance(trajectories, source),
    )
    text = instruction or (task_of_data(task, data).instruction if task else "")
    texts = _instructions(segment_pairs, text, source)
    check_pairs_readable(segment_pairs, source.needs, texts[0] if texts else None)
    if dry_run:
        _describe(segment_pairs, texts, labeller, source)
        return
    with counting_progress() as progress:
        bar = progress.add_task("labelling", total=len(segment_pairs))
        labelled = label_pairs(
            segment_pairs,
            source,
            instruction=texts,
            batch_size=batch_size,
            save_to=out,
            report=lambda _stage, n_done, total, _loss: progress.update(
                bar, completed=n_done, total=total
            ),
        )
    _print(labelled)
    options = [*data_options(data, reading), "--labels", str(out)]
    fit = ["vlfeedback", "fit", "reward", *options, "--out", "reward.safetensors"]
    cpl = ["vlfeedback", "train", "--learner", "cpl", *options, "--out", "policy"]
    typer.echo(
        f"The labels are {out}. Next, a reward model: {shlex.join(fit)}\n"
        f"or a policy at once: {shlex.join(cpl)}"
    )


def _picture_distance(trajectories: Sequence[Trajectory], labeller: PreferenceSource) -> int:
    """Steps between pictures, so that each segment begins where one is; 1 without pictures."""
    import numpy as np

    frames = trajectories[0].frames if trajectories else None
    if frames is None or len(frames.times) < 2 or not labeller.needs.frames:
        return 1
    return int(np.bincount(np.diff(frames.times)).argmax())


def _instructions(
    pairs: SegmentPairList, instruction: str, labeller: PreferenceSource
) -> list[str] | None:
    """The instruction of each pair; None where no pair has one."""
    from vlfeedback.tasks import get_task, list_tasks

    if instruction:
        return [instruction] * len(pairs)
    known = set(list_tasks())
    texts = []
    for trajectory in (first.trajectory for first, _ in pairs):
        named = get_task(trajectory.task).instruction if trajectory.task in known else ""
        texts.append(trajectory.instruction or named)
    if any(texts):
        return texts
    if labeller.needs.instruction:
        raise NeedsError(
            "The labeller reads an instruction and the data have none; give one with --instruction "
            "'close the drawer', or whatever the task is, or with --task."
        )
    return None


def _describe(
    pairs: SegmentPairList, texts: Sequence[str] | None, name: str, labeller: PreferenceSource
) -> None:
    from vlfeedback.types import PricedPerPair

    trajectory_ids = {segment.trajectory.id for pair in pairs for segment in pair}
    told_what = "" if texts is None else f", told {' or '.join(sorted(set(texts))[:3])!r}"
    price = ""
    if isinstance(labeller, PricedPerPair):
        price = f" It would cost about ${len(pairs) * labeller.cost_per_pair:.2f}."
    typer.echo(
        f"{name} would be asked about {len(pairs)} pairs of {pairs[0][0].length} steps from "
        f"{len(trajectory_ids)} trajectories{told_what}.{price}"
    )
    for first, second in pairs[:3]:
        typer.echo(
            f"  {first.trajectory.id} from step {first.start}  |  {second.trajectory.id} from step "
            f"{second.start}"
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
