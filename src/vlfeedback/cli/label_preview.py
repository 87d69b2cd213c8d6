"""What `vlfeedback label` says before it asks: ``--dry-run``, and the page of ``--preview``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vlfeedback.cli.console import console

if TYPE_CHECKING:
    from vlfeedback.data.sampling import SegmentPairList
    from vlfeedback.types import PreferenceSource

__all__ = ["describe_job", "without_option", "write_preview"]


def describe_job(
    pairs: SegmentPairList, texts: Sequence[str] | None, name: str, labeller: PreferenceSource
) -> str:
    """What would be asked, and what that would take where the labeller can tell; asks nobody.

    Args:
        pairs: all of them.
        texts: what is told of each, or nothing.
        name: of the labeller.
        labeller: it.
    """
    from vlfeedback.scoring.foresight import foresee_job
    from vlfeedback.types import MeasuresPairs

    if isinstance(labeller, MeasuresPairs):
        labeller = labeller.measured_on(pairs)
    forecast = foresee_job(labeller, pairs, instructions=texts)
    trajectory_ids = {segment.trajectory.id for pair in pairs for segment in pair}
    told_what = "" if texts is None else f", told {' or '.join(sorted(set(texts))[:3])!r}"
    lines = [
        f"{name} would be asked about {len(pairs)} pairs of {pairs[0][0].length} steps from "
        f"{len(trajectory_ids)} trajectories{told_what}."
        + ("" if forecast is None else f" It would take about {forecast}.")
    ]
    lines += [
        f"  {first.trajectory.id} from step {first.start}  |  {second.trajectory.id} from step "
        f"{second.start}"
        for first, second in pairs[:3]
    ]
    return "\n".join(lines)


def write_preview(
    page: Path,
    pairs: SegmentPairList,
    texts: Sequence[str] | None,
    name: str,
    labeller: PreferenceSource,
) -> None:
    """Ask about some of the pairs, write the page, and say the same in a few lines.

    The arguments are those of `describe_job`, behind the page's path.
    """
    from vlfeedback.evaluation.labels.preview import preview_labels
    from vlfeedback.reports.preview_page import describe_preview, write_preview_page

    with console().status("asking about some pairs, in both orders"):
        preview = preview_labels(pairs, labeller, instructions=texts)
    command = ["vlfeedback", *sys.argv[1:]]
    following = shlex.join(without_option(command, "--preview"))
    write_preview_page(
        page, preview, labeller=name, next_command=following, command=shlex.join(command)
    )
    for line in describe_preview(preview):
        typer.echo(line)
    typer.echo(f"Look at {page}. All pairs: {following}")


def without_option(words: Sequence[str], option: str) -> list[str]:
    """A command without an option that takes one value.

    >>> without_option(["label", "--preview", "page.html", "--pairs", "9"], "--preview")
    ['label', '--pairs', '9']
    >>> without_option(["label", "--preview=page.html"], "--preview")
    ['label']
    """
    kept: list[str] = []
    values = iter(words)
    for word in values:
        if word == option:
            next(values, None)
        elif not word.startswith(f"{option}="):
            kept.append(word)
    return kept
