"""Rewards and preference labels from vision-language models, for any Gymnasium environment.

Importing registers the ids ``<Source>Reward-<Task>-v0`` and loads no torch and no simulator.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

from vlfeedback._version import __version__ as __version__
from vlfeedback.wrappers.ids import register_ids

# The public names stand in __init__.pyi, each imported from where it is; here they are looked up
# when they are used. Type checkers read that file in place of this one, so that a name which is
# not there is an error to them too.
_HOMES = {
    alias.name: statement.module
    for statement in ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")).body
    if isinstance(statement, ast.ImportFrom)
    for alias in statement.names
}
__all__ = sorted(_HOMES.keys() - {"adapters"})


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES[name]
    if home == __name__:
        return importlib.import_module(f"{__name__}.{name}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


register_ids()
