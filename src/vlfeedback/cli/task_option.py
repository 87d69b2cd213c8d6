"""Options that name several tasks or levels: ``--tasks drawer-close,door-open``."""

from __future__ import annotations

from vlfeedback.tasks import get_task

__all__ = ["parse_tasks", "split_names"]


def split_names(text: str) -> list[str]:
    """Names of a comma-separated list, each once, in their order.

    >>> split_names("random, expert,random")
    ['random', 'expert']
    """
    return list(dict.fromkeys(name.strip() for name in text.split(",")))


def parse_tasks(text: str) -> list[str]:
    """Names of the tasks in a comma-separated list, each once, in their order.

    Raises:
        UnknownNameError: there is no such task; the message suggests the nearest.

    >>> parse_tasks("drawer-close, DoorOpen")
    ['drawer-close', 'door-open']
    """
    return list(dict.fromkeys(get_task(name).name for name in split_names(text)))
