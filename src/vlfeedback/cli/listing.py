"""`vlfeedback list`: what there is to choose from, plugins included."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Annotated, Any, Literal

import typer

from vlfeedback.errors import reason_of
from vlfeedback.registry import Entry, Registry
from vlfeedback.types import SourceNeeds

__all__ = [
    "list_names",
    "rows_of_learners",
    "rows_of_preferences",
    "rows_of_rewards",
    "rows_of_tasks",
]


def list_names(
    what: Annotated[
        Literal["rewards", "preferences", "learners", "tasks"], typer.Argument(help="Which.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """List reward sources, preference sources, learners or tasks.

    Example: vlfeedback list rewards
    """
    rows = {
        "rewards": rows_of_rewards,
        "preferences": rows_of_preferences,
        "learners": rows_of_learners,
        "tasks": rows_of_tasks,
    }[what]()
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        _print_table(what, rows)


def rows_of_rewards() -> list[dict[str, Any]]:
    """One row a reward source; see `_describe`."""
    from vlfeedback.rewards import REWARD_SOURCES

    return [_describe(REWARD_SOURCES, name) for name in REWARD_SOURCES.names()]


def rows_of_preferences() -> list[dict[str, Any]]:
    """One row a preference source, those made from reward sources included."""
    from vlfeedback.preferences import PREFERENCE_SOURCES, list_preference_sources
    from vlfeedback.rewards import REWARD_SOURCES

    rows = []
    for name in list_preference_sources():
        own = name in PREFERENCE_SOURCES
        row = _describe(PREFERENCE_SOURCES if own else REWARD_SOURCES, name)
        rows.append(row | {"summary": row["summary"] if own else f"sums of {name!r} rewards"})
    return rows


def rows_of_learners() -> list[dict[str, Any]]:
    """One row a learner; one that cannot be imported says why in ``problem``."""
    from vlfeedback.offline import LEARNERS, get_learner

    def read(name: str) -> dict[str, Any]:
        learner = get_learner(name)
        return {"reads": list(learner.reads), "summary": learner.summary}

    rows = []
    for name in LEARNERS.names():
        row = {"learner": name, "reads": [], "summary": "", "problem": ""}
        row["distribution"] = LEARNERS.entry(name).distribution
        rows.append(_completed(row, partial(read, name)))
    return rows


def rows_of_tasks() -> list[dict[str, Any]]:
    """One row a task, with an id to begin with; one that is broken says why in ``problem``."""
    from vlfeedback.rewards import REWARD_SOURCES
    from vlfeedback.tasks import TASKS

    def read(name: str) -> dict[str, Any]:
        spec = TASKS.load(name)
        id = f"{REWARD_SOURCES.entry(spec.source).gym_name}Reward-{spec.gym_name}-v0"
        return {"instruction": spec.instruction, "id": id}

    rows = [{"task": name, "instruction": "", "id": ""} for name in TASKS]
    return [_completed(row, partial(read, row["task"])) for row in rows]


def _describe(registry: Registry[Any], name: str) -> dict[str, Any]:
    """What is known of a source; one that fails, in whatever way, says why in ``problem``."""
    listed = registry.entry(name)
    row = {
        "source": name,
        "needs": [],
        "granularity": "",
        "summary": listed.summary,
        "distribution": listed.distribution,
        "problem": "",
    }

    def read() -> dict[str, Any]:
        entry = registry.full_entry(name)
        return _needs_of(registry.load(name)) | {"summary": _summary(registry, entry)}

    return _completed(row, read)


def _completed(row: dict[str, Any], read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The row with what `read` finds; why not, in ``problem``, where a plugin fails.

    It may fail in any way: looking at a class can run code of its own. The others are listed.
    """
    try:
        found = read()
        json.dumps(found)  # all of it is text, or lists of text
        return row | found
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return row | {"problem": reason_of(error)}


def _needs_of(cls: Any) -> dict[str, Any]:
    """What a class declares in `needs`; {} where only its instances have it."""
    needs = getattr(cls, "needs", None)
    if not isinstance(needs, SourceNeeds):
        return {}
    inputs = [field.name for field in fields(needs) if getattr(needs, field.name) is True]
    return {"needs": inputs, "granularity": needs.granularity}


def _summary(registry: Registry[Any], entry: Entry) -> str:
    docstring = registry.load(entry.name).__doc__
    return entry.summary or (docstring or "").strip().partition("\n")[0]


def _print_table(what: str, rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from vlfeedback.cli.console import console

    screen = console()
    columns = {
        "tasks": ("task", "instruction", "id"),
        "rewards": ("source", "needs", "granularity", "summary"),
        "preferences": ("source", "needs", "granularity", "summary"),
        "learners": ("learner", "reads", "summary"),
    }[what]
    table = Table(*columns)
    for row in rows:
        cells = (row[column] for column in columns)
        texts = (", ".join(cell) if isinstance(cell, list) else cell for cell in cells)
        table.add_row(*map(str, texts), style="red" if row.get("problem") else None)
    screen.print(table)
    for row in rows:
        if row.get("problem"):
            screen.print(f"{row[columns[0]]}: {row['problem']}", style="red")
