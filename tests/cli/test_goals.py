"""`vlfeedback goals`, from the command line to the pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.warm_python import command_line
from typer.testing import CliRunner

from vlfeedback.cli.app import app
from vlfeedback.data.collection import Collection
from vlfeedback.errors import NeedsError


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["goals", *arguments])
    if result.exception is not None:
        raise result.exception
    return result.output


def test_goals_are_the_last_pictures_of_experts_that_succeeded(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    said = run(str(tiny_dataset), "--out", str(tmp_path), "--count", "2")
    assert "2 goals are written" in said
    assert {p.name for p in tmp_path.iterdir()} == {"drawer-close.png", "drawer-close-2.png"}
    experts = Collection.open(tiny_dataset).load("drawer-close", ["expert"])
    for trajectory, name in zip(experts, ["drawer-close.png", "drawer-close-2.png"], strict=True):
        assert trajectory.successes is not None and trajectory.successes.any()
        assert trajectory.frames is not None
        (last,) = trajectory.frames.read(trajectory.frames.times[-1:])
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / name)), last)


def test_more_goals_than_episodes_that_succeeded_are_refused(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        NeedsError,
        match=r"has 2 expert episodes .* and 3 are asked for.* --episodes 6 --frame-stride 7 --out",
    ):
        run(str(tiny_dataset), "--out", str(tmp_path), "--count", "3")


def test_what_is_lacking_is_said_and_the_advice_gives_it(tmp_path: Path) -> None:
    """CartPole is collected without pictures where nobody asks for some."""
    options = ["--tasks", "cart-pole-balance", "--episodes", "1", "--workers", "1"]
    collect = ["collect", "--levels", "expert", *options]
    data, other = tmp_path / "data", tmp_path / "other"
    command_line(*collect, "--out", data, check=True)
    with pytest.raises(NeedsError) as refusal:
        run(str(data), "--out", str(tmp_path / "goals"))
    assert "has 1 expert episodes of 'cart-pole-balance': 1 succeed, 0 of those have pictures" in (
        str(refusal.value)
    )
    looked = CliRunner().invoke(app, ["browse", str(data)])
    assert isinstance(looked.exception, NeedsError)
    for message in (str(refusal.value), str(looked.exception)):
        assert "--frame-stride 7" in message and "--out OTHER" in message
    collect += ["--frame-stride", "7", "--frame-size", "32", "--out", str(other)]
    command_line(*collect, check=True)
    assert "1 goals are written" in run(str(other), "--out", str(tmp_path / "goals"))
    assert CliRunner().invoke(app, ["browse", str(other)]).exit_code == 0
