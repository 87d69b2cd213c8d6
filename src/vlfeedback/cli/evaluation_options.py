"""Options that several commands of `vlfeedback eval` have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlfeedback.cli.evaluation_episodes import Split
from vlfeedback.cli.output_options import file_to_write

__all__ = ["FiguresFile", "SourceSettings", "SplitName", "TasksInPlace"]

SourceSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="KEY=VALUE, a setting of the source; with several sources NAME.KEY=VALUE. VALUE "
        "is JSON, else text. Repeat for more.",
    ),
]

FiguresFile = Annotated[
    Path | None,
    typer.Option("--json", dir_okay=False, callback=file_to_write, help="Write all figures here."),
]

SplitName = Annotated[
    Split, typer.Option(help="Test tasks of the VLP paper, of ML45, or all 50 of Meta-World.")
]

TasksInPlace = Annotated[
    str, typer.Option(help="Comma-separated, in place of a split; with --data: of those there.")
]
