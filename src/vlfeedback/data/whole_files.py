"""Files and folders that are there whole, or not at all: written beside their name, then renamed.

Every writer of the library goes through here. The other name is unique to the writer, so that two
processes never write into one another's, and ends in ``.partial``, which no reader looks at: a
killed process leaves at most that.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vlfeedback.data.writable import TRIAL, explained
from vlfeedback.errors import FileFormatError

__all__ = [
    "PARTIAL",
    "delete_partials",
    "is_partial",
    "new_file",
    "new_folder",
    "partial_path",
    "read_json",
    "whole_name",
    "write_json",
]

PARTIAL = ".partial"
"""How the names of files end that are being written."""

_UNFINISHED = re.compile(rf"(?P<name>.+)\.(?P<process>\d+)-[0-9a-f]+{re.escape(PARTIAL)}")


@contextlib.contextmanager
def new_file(path: str | Path) -> Iterator[Path]:
    """Give a path to write to, which becomes `path` when the block ends, and only then.

    What was at `path` before stays until then, and stays after an error. The folder is made.

    Raises:
        WriteError: the disk is full, or it or the folder may not be written.
        OSError: nothing was written.
    """
    path = Path(path)
    partial = partial_path(path)
    try:
        with explained(path, partial):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(path: str | Path, *, hidden: bool = False) -> Iterator[Path]:
    """Give an empty folder to fill, which becomes `path` when the block ends, and only then.

    Args:
        path: the folder.
        hidden: its name begins with a dot until then, for readers that take every other folder.

    Raises:
        WriteError: the disk is full, or it may not be written.
        OSError: there is something at `path` by then.
    """
    path = Path(path)
    partial = partial_path(path, hidden=hidden)
    try:
        with explained(path, partial):
            partial.mkdir(parents=True)
            yield partial
            partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def partial_path(path: Path, *, hidden: bool = False) -> Path:
    """Where a writer of `path` writes first: another name beside it at every call."""
    dot = "." if hidden else ""
    return path.with_name(f"{dot}{path.name}.{os.getpid()}-{secrets.token_hex(4)}{PARTIAL}")


def delete_partials(path: Path) -> None:
    """Delete what writers of `path` left beside it that are no more: nothing of a live process's.

    Names that `partial_path` does not give are somebody else's, and stay.
    """
    for partial in path.parent.glob(f"*{PARTIAL}"):
        match = _UNFINISHED.fullmatch(partial.name)
        if match is None or match["name"].removeprefix(".") != path.name.removeprefix("."):
            continue
        if _is_running(int(match["process"])):
            continue
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True


def whole_name(path: Path) -> str:
    """The name that a file will have when it is whole; its own, where it is no `partial_path`."""
    match = _UNFINISHED.fullmatch(path.name)
    return path.name if match is None else match["name"]


def is_partial(path: Path) -> bool:
    """Whether a path is what a writer has not finished, or tries a folder with."""
    return path.name.endswith((PARTIAL, TRIAL))


def write_json(path: str | Path, value: Mapping[str, Any], *, indent: int | None = 2) -> None:
    """Write a JSON object, whole or not at all.

    Raises:
        ValueError: it holds NaN or infinity, for which JSON has no numbers.
    """
    text = json.dumps(dict(value), indent=indent, allow_nan=False) + "\n"
    with new_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def read_json(path: str | Path, *, advice: str) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        path: the file.
        advice: what to do where it is damaged, as a sentence.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it holds no JSON object.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path} is no JSON ({error}). {advice}") from error
    if not isinstance(value, dict):
        raise FileFormatError(f"{path} holds no JSON object. {advice}")
    return value
