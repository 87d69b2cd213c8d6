"""Where the library keeps what it was not told a place for."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["CACHE_VARIABLE", "cache_folder"]

CACHE_VARIABLE = "VLFEEDBACK_CACHE"
"""Environment variable that names another folder."""


def cache_folder() -> Path:
    """The user's folder for what the library keeps; it may not be there yet.

    ``$VLFEEDBACK_CACHE``, else ``$XDG_CACHE_HOME/vlfeedback``, else ``~/.cache/vlfeedback``.

    Source: XDG Base Directory Specification, 0.8: a relative path in the variable is invalid.
    """
    own = os.environ.get(CACHE_VARIABLE, "")
    if own:
        return Path(own).expanduser()
    shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (shared if shared.is_absolute() else Path.home() / ".cache") / "vlfeedback"
