"""`vlfeedback browse`: contact sheets of a collected dataset, on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlfeedback.cli.output_options import folder_to_fill
from vlfeedback.cli.task_option import split_names

__all__ = ["browse"]


def browse(
    data: Annotated[Path, typer.Argument(help="Folder made by `vlfeedback collect`.")],
    tasks: Annotated[
        str, typer.Option(help="Comma-separated task names; default: all that are there.")
    ] = "",
    levels: Annotated[
        str, typer.Option(help="Comma-separated levels; default: all that are there.")
    ] = "",
    episodes: Annotated[int, typer.Option(min=1, help="Rows a task and level.")] = 3,
    frames: Annotated[int, typer.Option(min=2, help="Pictures a row at most.")] = 12,
    out: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            callback=folder_to_fill,
            help="Folder to fill; default: `browse` inside of DATA.",
        ),
    ] = None,
) -> None:
    """Draw a contact sheet of every task, to see at a glance what the levels do.

    Each picture is captioned with its step and reward; success and the step at which an episode
    was stopped are marked. The table on the page counts all episodes, not only the drawn ones.

    Example: vlfeedback browse mtvlp --tasks drawer-close,door-open
    """
    from vlfeedback.cli.loss_bars import LossBars
    from vlfeedback.data.collection import Collection
    from vlfeedback.data.writable import check_writable
    from vlfeedback.reports.contact_sheets import write_contact_sheets

    folder = out or data / "browse"
    collection = Collection.open(data)
    check_writable(folder, folder=True)
    with LossBars() as bars:
        page = write_contact_sheets(
            collection,
            folder,
            tasks=split_names(tasks) if tasks else None,
            levels=split_names(levels) if levels else None,
            episodes=episodes,
            n_frames=frames,
            report=bars,
        )
    typer.echo(f"Open {page}")
