import subprocess
import sys
from pathlib import Path

import pytest

import vlfeedback


@pytest.mark.parametrize("name", vlfeedback.__all__)
def test_every_public_name_is_there_and_listed(name: str) -> None:
    assert getattr(vlfeedback, name) is not None
    assert name in dir(vlfeedback)


@pytest.mark.slow
def test_a_type_checker_knows_the_public_names_and_no_others(tmp_path: Path) -> None:
    user = tmp_path / "user.py"
    names = ", ".join(vlfeedback.__all__)
    user.write_text(f"from vlfeedback import {names}\nfrom vlfeedback import make_sauce\n")
    mypy = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path), "--follow-imports=silent"]
    done = subprocess.run([*mypy, str(user)], capture_output=True, text=True, check=False)
    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert len(errors) == 1, done.stdout
    assert '"vlfeedback" has no attribute "make_sauce"' in errors[0]


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'make_sauce'"):
        vlfeedback.make_sauce  # type: ignore[attr-defined]  # noqa: B018


def test_importing_registers_every_source_on_every_task() -> None:
    import gymnasium as gym

    ids = [id for id in gym.registry if "Reward-" in id]
    assert len(ids) == len(vlfeedback.list_reward_sources()) * len(vlfeedback.list_tasks())
    assert "VLPReward-DrawerClose-v0" in ids
