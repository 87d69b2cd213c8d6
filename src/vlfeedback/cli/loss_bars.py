"""Progress bars of a training, one a stage."""

from __future__ import annotations

from vlfeedback.cli.console import progress_bars, text_column

__all__ = ["LossBars"]


class LossBars:
    """A progress bar for each stage, with a running mean of its loss."""

    def __enter__(self) -> LossBars:
        from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn

        self._progress = progress_bars(
            text_column("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            text_column("{task.fields[loss]}"),
        )
        self._progress.start()
        self._bars: dict[str, tuple[object, float]] = {}
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, line: str) -> None:
        """Show a line above the bars, to stay."""
        self._progress.console.print(line)

    def __call__(self, stage: str, step: int, steps: int, loss: float) -> None:
        """Show that `step` of `steps` are done, 0 if unknown; a loss of NaN is not shown."""
        bar, mean = self._bars.get(stage, (None, loss))
        if bar is None:
            bar = self._progress.add_task(stage, total=steps or None, completed=step - 1, loss="")
        mean += 0.02 * (loss - mean)
        self._bars[stage] = (bar, mean)
        text = "" if mean != mean else f"loss {mean:.3f}"
        self._progress.update(bar, completed=step, loss=text)  # type: ignore[arg-type]
