"""Segments of painted values to ask models about, and what the models were asked."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from vlfeedback.testing.simulated_judge import picture_of_value
from vlfeedback.types import SegmentBatch, SegmentPairs

GOAL = "close the drawer"


def segments(values: Sequence[float], *, n_pictures: int = 2, goal: str = GOAL) -> SegmentBatch:
    """Segments that show one value each, in pictures after every 7th step."""
    frames = np.stack([np.stack([picture_of_value(value)] * n_pictures) for value in values])
    steps = 7 * np.arange(n_pictures)
    return SegmentBatch(
        frames=frames,
        frame_steps=steps,
        length=int(steps[-1]) + 1,
        instructions=[goal] * len(values),
    )


def pairs(first: Sequence[float], second: Sequence[float], **more: Any) -> SegmentPairs:
    """Pairs of such segments."""
    return SegmentPairs(segments(first, **more), segments(second, **more))


@dataclass(frozen=True)
class Message:
    """A message of a request: its words, and its parts with a picture's array in their order."""

    role: str
    words: str
    parts: tuple[str | np.ndarray, ...]

    @property
    def pictures(self) -> list[np.ndarray]:
        """Those among the parts."""
        return [part for part in self.parts if not isinstance(part, str)]

    @property
    def kinds(self) -> str:
        """Letters for the parts: "t" a text, "p" a picture."""
        return "".join("t" if isinstance(part, str) else "p" for part in self.parts)


def messages_of(request: Any) -> list[Message]:
    """The conversation of a request; words may come as one text or as parts."""
    found = []
    for message in request["messages"]:
        content = message["content"]
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        parts = tuple(part.get("text", _array_of(part)) for part in content)
        words = "\n".join(part for part in parts if isinstance(part, str))
        found.append(Message(message["role"], words, parts))
    return found


def last_message(request: Any) -> Message:
    """The last one, which asks."""
    return messages_of(request)[-1]


def _array_of(part: Any) -> np.ndarray | None:
    if part["type"] != "image_url":
        return None
    data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)))
