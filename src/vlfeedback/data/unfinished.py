"""Notes in a collection of what is still to come, so that whoever reads it learns of a cut.

A file is there whole or not at all, and a folder does not tell what was meant to be in it. The note
``<root>/<task>/unfinished.json`` names the levels while they are collected, and goes with the last.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vlfeedback.data.whole_files import read_json, write_json
from vlfeedback.errors import IncompleteCollectionWarning

__all__ = ["noted_as_unfinished", "tell_unfinished"]

_NOTE = "unfinished.json"
_NAMED = 4  # files in the message


@contextmanager
def noted_as_unfinished(folder: Path, levels: Sequence[str]) -> Iterator[None]:
    """Stands around the work on a task's levels; what ends it early leaves the note there.

    Args:
        folder: of the task.
        levels: that are still to come; none writes no note.
    """
    if levels:
        write_json(folder / _NOTE, {"levels": sorted({*levels, *_lacking(folder)})})
    yield
    if (folder / _NOTE).exists() and not _lacking(folder):
        (folder / _NOTE).unlink()


def tell_unfinished(folder: Path) -> None:
    """Warn if collecting a collection, or one task of it, was cut off or goes on.

    Warns:
        IncompleteCollectionWarning: files are still to come; it names some.
    """
    root = folder.parent if (folder / _NOTE).is_file() else folder
    tasks = [folder] if root != folder else sorted(n.parent for n in root.glob(f"*/{_NOTE}"))
    lacking = [f"{task.name}/{level}" for task in tasks for level in _lacking(task)]
    if lacking:
        more = "" if len(lacking) <= _NAMED else f" and {len(lacking) - _NAMED} more"
        warnings.warn(
            f"{folder} is incomplete: collecting it was cut off or still goes on, and it lacks "
            f"{', '.join(lacking[:_NAMED])}{more}. Run the same vlfeedback collect --out {root} "
            "again; what is there is kept.",
            IncompleteCollectionWarning,
            stacklevel=3,
        )


def _lacking(folder: Path) -> list[str]:
    if not (folder / _NOTE).is_file():
        return []
    levels = read_json(folder / _NOTE, advice="Delete it.").get("levels", [])
    return [level for level in map(str, levels) if not (folder / f"{level}.h5").exists()]
