"""Options that several commands of `vlfeedback eval` have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlfeedback.cli.output_options import file_to_write

__all__ = ["FiguresFile", "SourceSettings"]

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
