"""What the library promises as a whole, whichever module breaks it."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import vlfeedback

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "vlfeedback"


def test_only_the_environments_own_reward_reads_the_environments_reward() -> None:
    readers = {
        path.name
        for room in ("rewards", "preferences", "encoders")
        for path in (PACKAGE / room).glob("*.py")
        if re.search(r"\.env_rewards\b|\[.env_reward.\]", path.read_text(encoding="utf-8"))
    }
    assert readers == {"env_reward.py", "teacher.py"}


@pytest.mark.parametrize("name", sorted(set(vlfeedback.__all__) - {"__version__"}))
def test_every_public_name_is_documented(name: str) -> None:
    assert inspect.getdoc(getattr(vlfeedback, name))


def test_every_public_name_is_found_where_it_says_it_lives() -> None:
    for name in set(vlfeedback.__all__) - {"__version__"}:
        thing = getattr(vlfeedback, name)
        assert getattr(importlib.import_module(thing.__module__), name) is thing


def test_the_code_of_the_readme_is_that_of_an_example() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    example = (ROOT / "examples" / "02_swap_the_source.py").read_text(encoding="utf-8")
    position = 0
    for line in filter(None, block.splitlines()):
        found = example.find(line + "\n", position)
        assert found >= 0, f"not in the example, or in another order: {line!r}"
        position = found


def test_nothing_is_unpickled() -> None:
    unsafe = re.compile(r"pickle\.load|weights_only=False|allow_pickle=True")
    assert not [p for p in PACKAGE.rglob("*.py") if unsafe.search(p.read_text(encoding="utf-8"))]
