"""`vlfeedback goals`, from the command line to the pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
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
    with pytest.raises(NeedsError, match=r"has 2 expert episodes .* and 3 are asked for"):
        run(str(tiny_dataset), "--out", str(tmp_path), "--count", "3")
