"""What decides an answer is in the key of its question, and nothing else."""

import json
from typing import Any

import numpy as np
import pytest
from tests.vlms.questions_by_hand import MODEL, black, question

from vlfeedback.vlms.questions import Question, Turn, encode_picture, key_of


def test_equal_questions_have_one_key_and_pictures_count_by_content() -> None:
    assert question().key(MODEL) == question().key(MODEL)
    grey = encode_picture(np.full((32, 32, 3), 99, np.uint8))
    other = Question((Turn("user", (grey, "Is the drawer open?")),), "drawer/1", "look")
    assert other.key(MODEL) != question().key(MODEL)


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "drawer/2"},
        {"stage": "judge"},
        {"choices": ("yes", "no")},
        {"schema": "{}"},
        {"top_logprobs": 5},
        {"max_tokens": 5},
        {"temperature": 1.0},
        {"sample": 1},
    ],
)
def test_each_setting_makes_it_another_question(change: dict[str, Any]) -> None:
    assert question(**change).key(MODEL) != question().key(MODEL)


def test_the_key_is_that_of_what_was_asked_also_when_it_was_written_down() -> None:
    asked = question(choices=("yes", "no")).asked(MODEL)
    assert asked["turns"] == [["user", [{"sha256": black().digest}, "Is the drawer open?"]]]
    assert key_of(json.loads(json.dumps(asked))) == question(choices=("yes", "no")).key(MODEL)


def test_a_whole_temperature_is_the_same_as_with_a_point() -> None:
    whole = question(temperature=1.0)
    object.__setattr__(whole, "temperature", 1)
    assert whole.key(MODEL) == question(temperature=1.0).key(MODEL)


def test_pictures_are_counted() -> None:
    assert question().follow_up("Yes.", black(), "and now?", black()).n_pictures == 3
