"""Files that are there whole, or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

__all__ = ["new_file"]


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a path to write to, which becomes `path` when the block ends, and only then.

    What was at `path` before stays until then, and stays after an error. The other name has the
    same ending, since some writers look at it.

    Raises:
        OSError: the folder cannot be made, or nothing was written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"partial.{path.name}")
    try:
        yield partial
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
