"""Questions and settings that several tests of this folder use."""

from typing import Any

import numpy as np

from vlfeedback.testing.chat_server import ChatServer
from vlfeedback.vlms.questions import EncodedPicture, Question, Turn, encode_picture
from vlfeedback.vlms.settings import VLMSettings

MODEL = "some-model"


def question(words: str = "well?", *parts: str | EncodedPicture, **changes: Any) -> Question:
    return Question((Turn("user", (words, *parts)),), prompt="test/1", **changes)


def picture(brightness: int = 0, side: int = 4) -> EncodedPicture:
    return encode_picture(np.full((side, side, 3), brightness, dtype=np.uint8))


def settings(server: ChatServer, **changes: Any) -> VLMSettings:
    """Of the server's model: little waiting, and nothing kept on disk."""
    given = {"model": MODEL, "base_url": server.url, "store": "none", "first_wait_s": 0.01}
    return VLMSettings(**{**given, **changes})
