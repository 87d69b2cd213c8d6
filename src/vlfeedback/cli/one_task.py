"""Options that name one task: ``--task``, or ``--env-id`` and ``--instruction`` of one's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer

from vlfeedback.tasks import TaskSpec, get_task, own_task

__all__ = ["parse_task", "task_of_data"]


def parse_task(name: str, *, env_id: str, instruction: str, data: Path | None) -> TaskSpec:
    """The task that the options name.

    Args:
        name: of a known task, or of a folder in `data`; of `env_id`'s, what files call it.
        env_id: Gymnasium id of a task of one's own, or "".
        instruction: what is to be done, or "" for the task's own words.
        data: a collection, which may know tasks that nobody else does.

    Raises:
        UnknownNameError: there is no such task; the message suggests the nearest.
        typer.BadParameter: they name none.
    """
    if env_id:
        if not instruction:
            raise typer.BadParameter(
                "--env-id needs words for what is to be done.", param_hint="--instruction"
            )
        return own_task(env_id, instruction, name=name)
    if not name:
        raise typer.BadParameter(
            "Name the task, or give --env-id and --instruction.", param_hint="--task"
        )
    from vlfeedback.data.collection import Collection

    spec = get_task(name) if data is None else Collection.open(data).task(name)
    return replace(spec, instruction=instruction) if instruction else spec


def task_of_data(name: str, data: str) -> TaskSpec:
    """The task of this name, as the data describe it if they are a collection, else as registered.

    Raises:
        UnknownNameError: there is no such task; the message suggests the nearest.
    """
    from vlfeedback.data.collection import Collection

    try:
        collection = Collection.open(Path(data))
    except FileNotFoundError:  # an .h5 file, "minari:ID" ...
        return get_task(name)
    return collection.task(name)
