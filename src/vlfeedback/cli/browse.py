"""`vlfeedback browse`: contact sheets of a collected dataset, on one page."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

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
        typer.Option(file_okay=False, help="Folder to fill; default: `browse` inside of DATA."),
    ] = None,
) -> None:
    """Draw a contact sheet of every task, to see at a glance what the levels do.

    Each picture is captioned with its step and reward; success and the step at which an episode
    was stopped are marked. The table on the page counts all episodes, not only the drawn ones.

    Example: vlfeedback browse mtvlp --tasks drawer-close,door-open
    """
    from PIL import Image
    from rich.progress import track

    from vlfeedback.data.collection import Collection
    from vlfeedback.errors import UnknownNameError
    from vlfeedback.figures.episode_sheet import episode_sheet
    from vlfeedback.reports.collection_page import collection_page, summarise_levels

    collection = Collection.open(data)
    folder = out or data / "browse"
    names = split_names(tasks) if tasks else collection.tasks()
    asked = split_names(levels) if levels else []
    found, sheets, summaries = set(), {}, {}
    for task in track(names, description="drawing"):
        trajectories = collection.load(task)
        found |= {t.level for t in trajectories}
        chosen = [t for t in trajectories if not asked or t.level in asked]
        if not chosen:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        sheet = episode_sheet(chosen, episodes=episodes, n_frames=frames)
        sheets[task] = f"{task}.png"
        Image.fromarray(sheet).save(folder / sheets[task])
        summaries[task] = summarise_levels(chosen)
    if not sheets:
        raise UnknownNameError(
            f"{data} holds nothing of {levels or 'any level'!r}; it has {sorted(found)}."
        )
    instructions = {}
    for task in sheets:
        with suppress(UnknownNameError):  # recorded elsewhere, under a name of its own
            instructions[task] = collection.task(task).instruction
    page = collection_page(
        sheets,
        summaries,
        collection.settings,
        title=f"Dataset {data.name}",
        instructions=instructions,
    )
    (folder / "index.html").write_text(page, encoding="utf-8")
    typer.echo(f"Sheets of {len(sheets)} tasks are drawn. Open {folder / 'index.html'}")
