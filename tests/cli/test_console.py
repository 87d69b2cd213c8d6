"""Text of others on the terminal: shown as it is, whatever stands in it."""

from __future__ import annotations

import ast
import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from rich.panel import Panel
from rich.progress import TextColumn
from rich.table import Table

from vlfeedback import cli
from vlfeedback.cli.console import console, plain, progress_bars, styled, text_column
from vlfeedback.cli.progress import one_bar

HOSTILE = ["[/b]x", "[bold]x", "[red]", "[link=http://x.org]x[/link]", ":smile:", "a[b]"]


def shown(*texts: object) -> str:
    """What a console prints, without its own line ends."""
    screen = console()
    screen.file = io.StringIO()
    for text in texts:
        screen.print(text)
    return screen.file.getvalue()


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_others_is_shown_as_it_is(text: str) -> None:
    assert shown(text) == f"{text}\n"
    assert shown(styled(text, "bold red")) == f"{text}\n"
    table = Table(text, title=text, caption=text)
    table.add_row(text)
    assert shown(table).count(text) == 4
    assert text in shown(Panel(text, title="ours"))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_bar_of_that_name_is_drawn(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with one_bar(text) as report:
        report(text, 1, 2, float("nan"))
    assert text in capsys.readouterr().out
    with progress_bars(text_column("{task.description}")) as bars:
        bars.console.print(text)
    assert text in capsys.readouterr().out


def test_a_terminal_is_sent_no_commands_of_others() -> None:
    wiped = "a\x1b[2J\x07\x9b31m\r\tb\nc"
    assert plain(wiped) == "a\\x1b[2J\\x07\\x9b31m\\x0d\tb\nc"
    table = Table()
    table.add_row(wiped)
    for text in (wiped, table, styled(wiped, "bold")):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown(text))


def test_nothing_but_the_console_knows_rich_s_ways_to_read_markup() -> None:
    """A new command gets it for nothing: consoles, texts and text columns come from one module."""
    forbidden = {"rich.console", "rich.markup", "rich.text", "rich.status", "rich.prompt"}
    folder = Path(cli.__file__).parent
    for path in [*folder.parent.rglob("*.py")]:
        if path == folder / "console.py":
            continue
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in forbidden:
                raise AssertionError(f"{path}: {node.module}; use vlfeedback.cli.console")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in (Console.__name__, TextColumn.__name__, "Progress"), path
            if isinstance(node, ast.ImportFrom) and node.module == "rich":
                assert {name.name for name in node.names} <= {"box"}, path
