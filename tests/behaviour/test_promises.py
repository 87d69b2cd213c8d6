"""What the library promises as a whole, whichever module breaks it."""

import importlib
import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import vlfeedback
from vlfeedback.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "vlfeedback"


def test_only_the_environments_own_reward_reads_the_environments_reward() -> None:
    readers = {
        path.name
        for room in ("rewards", "preferences", "encoders")
        for path in (PACKAGE / room).glob("*.py")
        if re.search(
            r"\.(env_rewards|successes)\b|\[.env_reward.\]", path.read_text(encoding="utf-8")
        )
    }
    assert readers == {"env_reward.py", "success.py", "teacher.py"}


@pytest.mark.parametrize("name", sorted(set(vlfeedback.__all__) - {"__version__"}))
def test_every_public_name_is_documented(name: str) -> None:
    assert inspect.getdoc(getattr(vlfeedback, name))


def test_every_public_name_is_found_where_it_says_it_lives() -> None:
    for name in set(vlfeedback.__all__) - {"__version__"}:
        thing = getattr(vlfeedback, name)
        assert getattr(importlib.import_module(thing.__module__), name) is thing


README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
def test_the_code_of_the_readme_runs_as_it_is_printed(block: str, tmp_path: Path) -> None:
    run = [sys.executable, "-W", "error", "-c", block]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def commands_of(page: Path) -> list[str]:
    """Command lines in the blocks of a page; those broken by a backslash are put together."""
    blocks = re.findall(
        r"^```[a-z]*\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.M
    )
    lines = [line for b in blocks for line in b.replace("\\\n", " ").splitlines()]
    return [line.partition("  #")[0] for line in lines if line.startswith("vlfeedback ")]


@pytest.mark.parametrize("line", [line for page in PAGES for line in commands_of(page)])
def test_a_command_in_the_pages_has_the_options_that_it_is_given(line: str) -> None:
    command: Any = get_command(app)
    name, arguments, context = "vlfeedback", shlex.split(line)[1:], None
    while True:
        context = command.make_context(name, arguments, parent=context)
        if not hasattr(command, "resolve_command"):
            return
        rest = [*context._protected_args, *context.args]
        name, command, arguments = command.resolve_command(context, rest)


def test_nothing_is_unpickled() -> None:
    unsafe = re.compile(r"pickle\.load|weights_only=False|allow_pickle=True")
    assert not [p for p in PACKAGE.rglob("*.py") if unsafe.search(p.read_text(encoding="utf-8"))]
