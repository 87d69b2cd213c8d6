"""The one place that knows which pip extra brings which package."""

from __future__ import annotations

import importlib
from types import ModuleType

from vlfeedback.errors import MissingExtraError

__all__ = ["hide_gym_notice", "import_d3rlpy", "require"]


def require(module: str, *, extra: str, needed_by: str) -> ModuleType:
    """Import an optional module, or say which extra installs it.

    Args:
        module: dotted import name, such as ``"open_clip"``.
        extra: the extra of ``vlfeedback`` that brings it, such as ``"vision"``.
        needed_by: what the user asked for, as the message should name it.

    Raises:
        MissingExtraError: the module, or something it imports, is not installed. The
            original error stays chained, since it names the module that was missing.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{needed_by} needs {module}, which could not be imported ({error}). "
            f'Install it with: pip install "vlfeedback[{extra}]"'
        ) from error


def import_d3rlpy(*, needed_by: str) -> ModuleType:
    """Import d3rlpy without what it prints meanwhile; see `require`."""
    hide_gym_notice()
    return require("d3rlpy", extra="offline", needed_by=needed_by)


def hide_gym_notice() -> None:
    """Keep the old `gym`, which some libraries import, from saying that nobody maintains it."""
    try:
        from gym_notices import notices
    except ImportError:
        return  # then there is no notice either
    notices.notices.clear()
