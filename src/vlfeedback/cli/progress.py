"""A progress bar that counts finished parts and estimates the remaining time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vlfeedback.cli.console import progress_bars, text_column

if TYPE_CHECKING:
    from rich.progress import Progress

    from vlfeedback.types import Report

__all__ = ["counting_progress", "one_bar"]


def counting_progress() -> Progress:
    """A display of any number of progress bars; to be entered by ``with``."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (text_column("{task.description}"), BarColumn(), MofNCompleteColumn())
    return progress_bars(*columns, TimeElapsedColumn(), TimeRemainingColumn())


@contextmanager
def one_bar(description: str) -> Iterator[Report]:
    """One progress bar while the block lasts, named after the current stage."""
    with counting_progress() as progress:
        bar = progress.add_task(description, total=None)

        def report(stage: str, done: int, total: int, _: float) -> None:
            progress.update(bar, completed=done, total=total or None, description=stage)

        yield report
