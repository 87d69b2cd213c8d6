"""A folder to look a collected dataset through: a sheet of pictures a task, and one page."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from vlfeedback.data.collection import Collection
from vlfeedback.data.foreign_files import path_inside
from vlfeedback.data.whole_files import new_file
from vlfeedback.errors import UnknownNameError
from vlfeedback.figures.episode_sheet import episode_sheet
from vlfeedback.optional import require
from vlfeedback.reports.collection_page import collection_page, summarise_levels
from vlfeedback.types import Report

__all__ = ["write_contact_sheets"]


def write_contact_sheets(
    collection: Collection,
    out: str | Path,
    *,
    tasks: Sequence[str] | None = None,
    levels: Sequence[str] | None = None,
    episodes: int = 3,
    n_frames: int = 12,
    report: Report | None = None,
) -> Path:
    """Draw a contact sheet of every task, and write the page that shows them all.

    Args:
        collection: trajectories with pictures.
        out: folder to fill; it is made.
        tasks: names; default: all that are there.
        levels: default: all that are there.
        episodes: rows a task and level, at least 1; the page's table counts all episodes.
        n_frames: pictures a row at most, at least 2.
        report: called after each task.

    Returns:
        The page.

    Raises:
        FileNotFoundError: nothing was collected for a task.
        MissingExtraError: Pillow is not installed.
        UnknownNameError: none of the tasks has any of the levels.
        NeedsError: a trajectory has no pictures.
        InvalidValueError: a task's name leads out of `collection` or `out`.
    """
    out = Path(out)
    image = require("PIL.Image", extra="vision", needed_by="A contact sheet")
    names = collection.tasks() if tasks is None else list(tasks)
    all_levels: set[str] = set()
    sheets, summaries, instructions = {}, {}, {}
    for number, task in enumerate(names, start=1):
        trajectories = collection.load(task)
        all_levels |= {t.level for t in trajectories}
        selection = [t for t in trajectories if levels is None or t.level in levels]
        if selection:
            sheet = episode_sheet(selection, episodes=episodes, n_frames=n_frames)
            sheets[task] = f"{task}.png"
            with new_file(path_inside(out, sheets[task], where="A task's name")) as path:
                image.fromarray(sheet).save(path, format="png")
            summaries[task] = summarise_levels(selection)
            with suppress(UnknownNameError):  # recorded elsewhere, under a name of its own
                instructions[task] = collection.task(task).instruction
        if report is not None:
            report("sheets", number, len(names), float("nan"))
    if not sheets:
        raise UnknownNameError(
            f"{collection.root} holds nothing of {', '.join(levels or ['any level'])!r}; it has "
            f"{sorted(all_levels)}."
        )
    page = out / "index.html"
    with new_file(page) as path:
        text = collection_page(
            sheets,
            summaries,
            collection.settings,
            title=f"Dataset {collection.root.name}",
            instructions=instructions,
        )
        path.write_text(text, encoding="utf-8")
    return page
