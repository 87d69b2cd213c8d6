"""The console: the one place where text meets the terminal, and it is shown as it is.

Names of sources, tasks and runs, instructions, paths and reasons of failures are other people's.
Nothing in them is read as rich's markup or emoji, nor as a terminal's commands; what we style
ourselves says so by a style, not by markup.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, TextColumn
    from rich.text import Text

__all__ = ["console", "plain", "progress_bars", "styled", "text_column"]

# All but tabs and line ends; and surrogates, which cannot be written.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def plain(text: str) -> str:
    r"""The text with control characters spelt out: a terminal obeys some of them.

    >>> plain("a\x1b[2J\n")
    'a\\x1b[2J\n'
    """
    return _CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def console() -> Console:
    """A console that shows every text, also in the cells and titles of tables, as it is."""
    return _plain_console()()


def styled(text: str, style: str) -> Text:
    """Text in a style of ours, such as ``"bold red"``, for a console or a table's cell."""
    from rich.text import Text

    return Text(plain(text), style=style)


def text_column(template: str, **options: Any) -> TextColumn:
    """A column of progress bars that shows text, such as ``"{task.description}"``."""
    from rich.progress import TextColumn

    return TextColumn(template, markup=False, **options)


def progress_bars(*columns: ProgressColumn, **options: Any) -> Progress:
    """A display of any number of progress bars; to be entered by ``with``."""
    from rich.progress import Progress

    return Progress(*columns, console=console(), **options)


@cache
def _plain_console() -> type[Console]:
    from rich.console import Console

    class PlainConsole(Console):
        """Every plain ``str`` passes through `render_str`, wherever it stands."""

        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(plain(text), **{**options, "markup": False, "emoji": False})

    return PlainConsole
