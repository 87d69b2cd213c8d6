"""`vlfeedback sweep`: train and judge policies from every source, task and seed of a file."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlfeedback.cli.output_options import folder_to_fill
from vlfeedback.cli.sweep_progress import watch

if TYPE_CHECKING:
    from vlfeedback.sweeps.execute import Planned

__all__ = ["sweep"]


def sweep(
    file: Annotated[Path, typer.Argument(help="TOML file; benchmarks/sweeps has examples.")],
    out: Annotated[
        Path,
        typer.Option(
            file_okay=False, callback=folder_to_fill, help="Folder to fill; run again to resume."
        ),
    ],
    data: Annotated[
        Path | None, typer.Option(help="Collection or .h5 file, instead of the one in FILE.")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes, of one thread each.")
    ] = os.cpu_count() or 1,
    seeds: Annotated[str, typer.Option(help="Comma-separated, instead of those in FILE.")] = "",
    steps: Annotated[
        int | None, typer.Option(min=1, help="Gradient steps of every run, instead of FILE's.")
    ] = None,
    share: Annotated[
        bool,
        typer.Option(
            "--share/--no-share",
            help="Train policies of equal labels once, or each for itself and compare.",
        ),
    ] = True,
    batched: Annotated[
        int,
        typer.Option(
            min=1,
            help="At most so many runs of a learner are trained together in one process, which "
            "takes less time a run: 4 is about the best on a CPU.",
        ),
    ] = 1,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Show what would be run, check that sources can read the data, and stop.",
        ),
    ] = False,
) -> None:
    """Run a sweep: label pairs, train a policy for each source, learner and seed, judge it.

    Every finished run is a JSON file in the folder. A run whose process is killed is tried once
    more; one that fails is reported with its log, and the others go on. The same command again
    does what is missing, and goes on with what was under way from its last evaluation; with other
    seeds it adds them.

    Example: vlfeedback sweep benchmarks/sweeps/smoke.toml --out outputs/smoke --data cartpole
    """
    from vlfeedback.sweeps.execute import check, execute, plan
    from vlfeedback.sweeps.folder import SweepFolder
    from vlfeedback.sweeps.specification import parse_sweep, read_table

    table = _override(read_table(file), data, seeds, steps)
    folder = SweepFolder(out)
    specification = folder.join(parse_sweep(table, name=file.stem, where=str(file)))
    check(specification)
    planned = plan(specification, folder)
    if dry_run:
        _show(planned, workers)
        return
    with folder.locked():
        folder.begin(
            table | {"seeds": list(specification.seeds)},
            name=specification.name,
            command="vlfeedback " + " ".join(sys.argv[1:]),
        )
        missing = {one.run.id: one.run.steps for one in planned if one.row is None}
        try:
            n_failed = watch(
                execute(specification, folder, n_workers=workers, share=share, together=batched),
                missing,
            )
        except KeyboardInterrupt:
            typer.echo("Stopped. Finished runs are kept; the same command goes on.", err=True)
            raise typer.Exit(130) from None
    typer.echo(
        f"{len(planned) - n_failed} of {len(planned)} runs are finished. "
        f"Next: vlfeedback report {out}"
    )
    if n_failed:
        raise typer.Exit(1)


def _override(
    table: dict[str, Any], data: Path | None, seeds: str, steps: int | None
) -> dict[str, Any]:
    """The tables of a sweep file with what the command line says instead."""
    tables = dict(table)
    if data is not None:
        tables["data"] = str(data)
    if seeds:
        tables["seeds"] = _parse_seeds(seeds)
    if steps is not None:
        tables["steps"] = steps
        learners = table.get("learners")
        if isinstance(learners, dict):  # what else it may be, `parse_sweep` refuses
            tables["learners"] = {name: _without_steps(x) for name, x in learners.items()}
    return tables


def _without_steps(learner: Any) -> Any:
    if not isinstance(learner, dict):
        return learner
    return {key: value for key, value in learner.items() if key != "steps"}


def _parse_seeds(text: str) -> list[int]:
    try:
        return [int(seed) for seed in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r}; expected whole numbers such as 0,1,2.", param_hint="--seeds"
        ) from error


def _show(planned: Sequence[Planned], workers: int) -> None:
    """Print a table of all runs, and about how long the missing ones will take."""
    from rich import box
    from rich.table import Table

    from vlfeedback.cli.console import console

    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("task", "source", "learner", "seed", "steps", "state"):
        table.add_column(heading, justify="right" if heading in ("seed", "steps") else "left")
    for run, row in ((one.run, one.row) for one in planned):
        source = "" if run.source is None else run.source.name
        state = "to do" if row is None else "finished"
        if row and row["same_labels_as"]:
            state += f", labels of {row['same_labels_as']}"
        names = (run.task, source, run.learner.name)
        table.add_row(*names, str(run.seed), f"{run.steps:,}", state)
    screen = console()
    screen.print(table)
    missing = [one.run for one in planned if one.row is None]
    screen.print(f"{len(missing)} of {len(planned)} runs are to do. {_estimate(planned, workers)}")


def _estimate(planned: Sequence[Planned], workers: int) -> str:
    """About how long the missing runs will take, from those that are finished."""
    seconds_per_step: dict[str, list[float]] = {}
    for run, row in ((one.run, one.row) for one in planned):
        if row is not None and not row["same_labels_as"]:
            rate = row["wall_seconds"] / run.steps
            seconds_per_step.setdefault(run.learner.name, []).append(rate)
    total, unknown = 0.0, set()
    for run in (one.run for one in planned if one.row is None):
        rates = seconds_per_step.get(run.learner.name)
        if rates:
            total += run.steps * sum(rates) / len(rates)
        else:
            unknown.add(run.learner.name)
    minutes = math.ceil(total / workers / 60)
    took = f"{minutes / 60:.1f} hours" if minutes > 90 else f"{minutes} minutes"
    sentence = f"About {took} with {workers} workers" if total else ""
    if unknown:
        names = ", ".join(sorted(unknown))
        sentence += (
            f"{'; how' if sentence else 'How'} long {names} take, the first finished run will tell"
        )
    return f"{sentence}." if sentence else ""
