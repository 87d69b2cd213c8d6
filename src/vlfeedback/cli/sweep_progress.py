"""What is shown while a sweep runs: a bar of all its steps, one of each run at work, failures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from vlfeedback.cli.console import progress_bars, text_column

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from vlfeedback.sweeps.processes import Event

__all__ = ["watch"]


def watch(events: Iterable[Event], steps: Mapping[str, int]) -> int:
    """Show a sweep until it ends, or Ctrl-C ends it; returns how many runs failed.

    Args:
        events: of `vlfeedback.sweeps.execute.execute`.
        steps: of each run that is to be finished, by its id.
    """
    from rich.progress import (
        BarColumn,
        TaskProgressColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (text_column("{task.description}"), BarColumn(), TaskProgressColumn())
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    # Steps are reported once an evaluation, so speed has to be judged over a long time.
    with progress_bars(*columns, *times, speed_estimate_period=3600) as progress:
        bars = _Bars(progress, steps)
        for event in events:
            bars.show(event)
    return bars.failed


class _Bars:
    def __init__(self, progress: Progress, steps: Mapping[str, int]) -> None:
        self.failed = 0
        self._done = 0
        self._steps = steps
        self._reached = dict.fromkeys(steps, 0)
        self._bars: dict[str, TaskID] = {}
        self._progress = progress
        self._all = progress.add_task("", total=sum(steps.values()))
        self._describe()

    def show(self, event: Event) -> None:
        """Update the bars, and print runs that were retried or failed."""
        job = event.job
        if event.kind == "started":
            self._bars[job.id] = self._progress.add_task(f"  {job.id}", total=job.steps or None)
        elif event.kind == "progress":
            self._progress.update(self._bars[job.id], completed=event.steps)
            self._reached[job.id] = event.steps
        else:
            self._close(event)
        self._progress.update(self._all, completed=sum(self._reached.values()))
        self._describe()

    def _close(self, event: Event) -> None:
        job = event.job
        bar = self._bars.pop(job.id, None)
        if bar is not None:
            self._progress.remove_task(bar)
        if event.kind in ("retried", "failed"):
            log = f" Its log is {job.log}." if job.log.exists() else ""
            text = f"{job.id} {event.kind}: {event.reason}.{log}"
            self._progress.console.print(text, style="red", soft_wrap=True)
        if job.id in self._steps:  # a run, and no labels
            ended = event.kind != "retried"
            self._reached[job.id] = self._steps[job.id] if ended else 0
            self._done += event.kind in ("done", "shared")
            self.failed += event.kind == "failed"

    def _describe(self) -> None:
        text = f"{self._done} of {len(self._steps)} runs done, {len(self._bars)} running"
        if self.failed:
            text += f", {self.failed} failed"
        self._progress.update(self._all, description=text)
