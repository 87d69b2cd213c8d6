"""The command line, run in this process, and what its files say apart from time and machine."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from vlfeedback.cli import main

__all__ = ["cart_pole", "command", "figures", "meta_world", "printed_json"]

# What depends on when, where and with what it was run.
_DROPPED = frozenset(
    {
        *("command", "commit", "commits", "versions", "hardware", "machine", "date", "created"),
        *("seconds", "wall_seconds", "cpu_seconds", "cpu_hours", "segments_per_second", "speed"),
        *("data", "clips", "json", "figures", "page", "failures", "path", "out", "finished"),
    }
)


def command(*arguments: object) -> str:
    """Run ``vlfeedback ARGUMENTS``; returns what it prints.

    Raises:
        RuntimeError: it failed.
    """
    printed, complaints = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = ["vlfeedback", *map(str, arguments)]
    code: Any = 0
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complaints):
            main()
    except SystemExit as ended:
        code = ended.code or 0
    finally:
        sys.argv = before
    if code:
        raise RuntimeError(f"{arguments} ended with {code}: {complaints.getvalue()}")
    return printed.getvalue()


def printed_json(*arguments: object) -> Any:
    """What a command with ``--json`` prints."""
    return json.loads(command(*arguments))


def figures(path: Path) -> Any:
    """All of a JSON file that is no matter of time, machine or folder."""
    return _kept(json.loads(path.read_text(encoding="utf-8")))


def _kept(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _kept(part) for key, part in value.items() if key not in _DROPPED}
    if isinstance(value, list):
        return [_kept(part) for part in value]
    return value


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Kept as long as this process."""
    return tempfile.TemporaryDirectory(prefix="pinned-")


@cache
def cart_pole() -> Path:
    """A small collection of CartPole."""
    out = Path(_folder().name) / "cartpole"
    options = ("--episodes", 4, "--horizon", 40, "--workers", 1)
    command("collect", "--out", out, "--tasks", "cart-pole-balance", *options)
    return out


@cache
def meta_world() -> Path:
    """A small collection of three tasks of Meta-World."""
    out = Path(_folder().name) / "mtvlp"
    tasks = "door-open,drawer-open,drawer-close"
    options = ("--episodes", 2, "--horizon", 90, "--workers", 1)
    command("collect", "--out", out, "--tasks", tasks, *options)
    return out
