"""Questions and answers for tests of what is kept of them."""

from typing import Any

import numpy as np

from vlfeedback.types import Outcome
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.questions import EncodedPicture, Question, Turn, encode_picture

MODEL = "some-model"


def black(size: int = 32) -> EncodedPicture:
    return encode_picture(np.zeros((size, size, 3), np.uint8))


def question(text: str = "Is the drawer open?", **changes: Any) -> Question:
    """One picture and one text."""
    settings = {"prompt": "drawer/1", "stage": "look", **changes}
    return Question((Turn("user", (black(), text)),), **settings)


def answer(text: str = "Yes.", **changes: Any) -> Answer:
    settings = {"tokens_in": 100, "tokens_out": 20, "cost_usd": 0.25, "seconds": 1.5, **changes}
    return Answer(text, settings.pop("outcome", Outcome.ANSWERED), **settings)
