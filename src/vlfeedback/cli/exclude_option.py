"""The option that keeps tasks out of a training: ``--exclude drawer-close,door-close``."""

from __future__ import annotations

from typing import Annotated

import typer

from vlfeedback.cli.task_option import split_names
from vlfeedback.tasks import VLP_TEST_TASKS

__all__ = ["TEST_TASKS", "Exclude", "parse_exclude"]

TEST_TASKS = ",".join(VLP_TEST_TASKS)

Exclude = Annotated[
    str, typer.Option(help="Comma-separated tasks never trained on; 'none' trains on all.")
]


def parse_exclude(text: str) -> list[str]:
    """Names of the tasks to leave out.

    >>> parse_exclude("drawer-close, door-close")
    ['drawer-close', 'door-close']
    >>> parse_exclude("none")
    []
    """
    return [] if text == "none" else split_names(text)
