"""Options that name what a command writes: that it can be written is tried before all else."""

from __future__ import annotations

from pathlib import Path

from vlfeedback.data.writable import check_writable

__all__ = ["file_to_write", "folder_to_fill"]


def file_to_write(path: Path | None) -> Path | None:
    """Callback of an option that names a file.

    Raises:
        WriteError: it cannot be written.
    """
    if path is not None:
        check_writable(path)
    return path


def folder_to_fill(path: Path | None) -> Path | None:
    """Callback of an option that names a folder.

    Raises:
        WriteError: nothing can be written there.
    """
    if path is not None:
        check_writable(path, folder=True)
    return path
