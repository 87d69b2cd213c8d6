"""`vlfeedback weights`: which files sources read, where they come from, and what a file is."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["weights_app"]

weights_app = typer.Typer(
    no_args_is_help=True,
    help="Weights of others: where they come from, under which licence, and what a file is.",
)


@weights_app.command("list")
def list_weights(
    source: Annotated[str, typer.Option(help="One source; default: all of them.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """List for each source its files, where they are, their licence and expected size.

    Nothing is downloaded.

    Example: vlfeedback weights list --source r3m
    """
    from vlfeedback.rewards.released import released_for, released_weights

    weights, problems = ({source: released_for(source)}, {}) if source else released_weights()
    releases = list(weights.values())
    for problem in problems.values():
        typer.secho(problem, fg="red", err=True)
    if as_json:
        typer.echo(json.dumps([asdict(released) for released in releases], indent=2))
        return
    from rich.table import Table

    from vlfeedback.cli.console import console

    screen = console()
    table = Table("source", "file", "MB", "pass as", "licence of the weights", "from")
    for released in releases:
        licence = released.weights_licence
        style = "yellow" if released.non_commercial else None
        if not released.files:
            cells = (released.source, "bundled", "", "", licence, "the library")
            table.add_row(*cells, style=style)
        for row, file in enumerate(released.files):
            argument = " ".join(filter(None, [f"{file.setting}=...", file.choose]))
            if file.setting == "pretrained":
                argument = file.choose
            name, once = ("", "") if row else (released.source, licence)
            cells = (name, file.name, f"{file.megabytes:g}", argument, once, file.where)
            table.add_row(*cells, style=style)
    screen.print(table)
    for released in releases:
        if released.note:
            screen.print(f"{released.source}: {released.note}")
    screen.print("Next: vlfeedback weights check FILE")


@weights_app.command("check")
def check_weights(
    path: Annotated[Path, typer.Argument(help="A weights file.", metavar="FILE")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Tell what a file is, whether it is the one its authors released, and whether it loads.

    The exit status is 1 where no source can load it. Nothing in the file is executed.

    Example: vlfeedback weights check ~/.r3m/r3m_50/model.pt
    """
    from vlfeedback.rewards.weights_check import check

    checked = check(path.expanduser())
    if as_json:
        typer.echo(json.dumps(asdict(checked), indent=2))
    else:
        _print_check(checked)
    if not any(problem == "" for problem in checked.loads.values()):
        raise typer.Exit(1)


def _print_check(checked: Any) -> None:
    typer.echo(f"{checked.path}: {checked.what}")
    typer.echo(
        f"{checked.megabytes:.1f} MB, {checked.n_tensors} tensors, "
        f"{checked.n_parameters / 1e6:.1f} million parameters, {', '.join(checked.dtypes)}"
    )
    typer.echo(f"sha256 {checked.sha256}{checked.known_as and ' = ' + checked.known_as}")
    if not checked.loads:
        typer.secho("No source reads it. See: vlfeedback weights list", fg="red")
    for source, problem in checked.loads.items():
        if problem:
            typer.secho(f"{source}: does not load: {problem}", fg="red")
        else:
            settings = " ".join(f"{k}={v}" for k, v in checked.settings.items())
            typer.secho(f"{source}: loads" + (f" with {settings}" if settings else ""), fg="green")
