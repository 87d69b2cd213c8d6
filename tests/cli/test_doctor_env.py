"""`vlfeedback doctor --env`: what it prints, what it writes, and how it ends."""

import sys
from pathlib import Path

import gymnasium as gym
import matplotlib.image
import numpy as np
import pytest
from typer.testing import CliRunner

from vlfeedback.cli.app import app
from vlfeedback.cli.doctor_env import write_sheet
from vlfeedback.evaluation.environment import Inspection

WORLD = """
import gymnasium as gym
from vlfeedback.testing import PointReachEnv

class Striped(PointReachEnv):
    def render(self):
        picture = super().render()
        picture[:4] = 120
        return picture

class Dark(PointReachEnv):
    def render(self):
        return 0 * super().render()

gym.register("Striped-v0", Striped, max_episode_steps=9)
gym.register("Dark-v0", Dark, max_episode_steps=9)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module of the user's, which is the current one."""
    (tmp_path / "doctors_world.py").write_text(WORLD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def doctor(*arguments: str) -> tuple[int, str]:
    ids = set(gym.registry)
    try:
        result = CliRunner().invoke(app, ["doctor", *arguments])
    finally:
        for id in set(gym.registry) - ids:
            del gym.registry[id]
    sys.modules.pop("doctors_world", None)
    return result.exit_code, " ".join(result.output.split())


def test_an_environment_without_a_problem_ends_in_0_and_the_next_command(home: Path) -> None:
    arguments = ["--env", "doctors_world:Striped-v0", "--env-option", "size=96", "--steps", "3"]
    status, printed = doctor(*arguments, "--sheet", "seen/sheet.png")
    assert status == 0 and "96 x 96 (height x width), uint8" in printed
    assert "Pictures: seen/sheet.png." in printed
    next_command = "vlfeedback collect --out episodes --env-id doctors_world:Striped-v0"
    assert f"No problem. Next: {next_command} --env-option size=96 --instruction" in printed
    height, width, _ = matplotlib.image.imread(home / "seen" / "sheet.png").shape
    assert width > 4 * 96 and height > 96


def test_a_problem_ends_in_1_and_says_what_to_do(home: Path) -> None:
    status, printed = doctor("--env", "doctors_world:Dark-v0", "--steps", "3")
    assert status == 1
    assert "all are of one colour, (0, 0, 0)" in printed and "Look at the camera" in printed
    assert "2 problems to mend first." in printed  # of one colour, and never changing


def test_an_environment_that_is_not_there_leaves_no_sheet(home: Path) -> None:
    status, printed = doctor("--env", "nowhere_at_all:A-v0")
    assert status == 1 and "No module named 'nowhere_at_all'" in printed
    assert not (home / "doctor.png").exists()


def test_an_option_without_a_value_is_refused(home: Path) -> None:
    status, printed = doctor("--env", "doctors_world:Dark-v0", "--env-option", "size")
    assert status == 2 and "expected NAME=VALUE" in printed


def test_the_sheet_shows_eight_pictures_of_many_in_two_rows(tmp_path: Path) -> None:
    pictures = tuple(np.full((40, 60, 3), 10 * place, np.uint8) for place in range(21))
    write_sheet(Inspection("A-v0", (), pictures, (0, 9)), tmp_path / "sheet.png")
    drawn = (255 * matplotlib.image.imread(tmp_path / "sheet.png")[..., :3]).round().astype(int)
    shades = {
        int(pixel[0]) for row in drawn[::4] for pixel in row[::4] if len(set(pixel.tolist())) == 1
    }
    places = {round(place) for place in np.linspace(0, 20, 8)}
    assert {10 * place for place in places} <= shades
    assert 10 * 1 not in shades  # the second of them is none of the eight
