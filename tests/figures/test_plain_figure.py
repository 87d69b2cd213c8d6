"""Text of others in plots."""

import ast
from pathlib import Path

import numpy as np
import pytest

import vlfeedback
from vlfeedback.figures import plain_figure as module
from vlfeedback.figures.inline_picture import data_uri
from vlfeedback.figures.reward_curve import draw_reward_curve
from vlfeedback.types import ArrayFrames, Trajectory


@pytest.mark.parametrize("words", ["$\\undefined$", "from $5 to $6", "$"])
def test_dollars_in_names_and_instructions_are_no_formula(words: str) -> None:
    episode = Trajectory(
        observations=np.zeros((5, 1), np.float32),
        actions=np.zeros((4, 1), np.float32),
        frames=ArrayFrames(np.arange(5), np.zeros((5, 8, 8, 3), np.uint8)),
        id=words,
    )
    steps, scores = np.arange(4), {words: np.arange(4, dtype=np.float32)}
    figure = draw_reward_curve(episode, steps, scores, title=words, unit=words)
    assert data_uri(figure).startswith("data:image/png;base64,")
    assert words in [text.get_text() for text in figure.texts]
    assert not any(text.get_parse_math() for text in figure.texts)


def test_every_figure_is_a_plain_one() -> None:
    for path in Path(vlfeedback.__file__).parent.rglob("*.py"):
        if path == Path(module.__file__) or path.name == "published.py":  # a Figure of a table
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "id", getattr(node.func, "attr", ""))
                assert called != "Figure", path
