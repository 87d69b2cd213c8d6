"""A judge behind a local server that knows the true progress: a picture's mean brightness."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image

from vlfeedback.testing.chat_server import Reply
from vlfeedback.types import SegmentBatch

INSTRUCTION = "close the drawer"


def grey(*levels: int, size: int = 8) -> np.ndarray:
    """Pictures of one level each, (F, size, size, 3)."""
    return np.stack([np.full((size, size, 3), level, np.uint8) for level in levels])


def clip(*levels: int, reset: int = 0, stride: int = 1) -> SegmentBatch:
    """One segment whose pictures have these levels of grey, one every `stride` steps."""
    steps = np.arange(len(levels)) * stride
    return SegmentBatch(
        frames=grey(*levels)[None],
        first_frames=grey(reset),
        instructions=[INSTRUCTION],
        frame_steps=steps,
        length=int(steps[-1]) + 1,
    )


def seen(request: Any, turn: int = -1) -> list[Any]:
    """What a turn of a request shows, in order: texts, and the brightness of pictures."""
    content = request["messages"][turn]["content"]
    return [content] if isinstance(content, str) else [_part(part) for part in content]


def _part(part: Any) -> Any:
    if part["type"] == "text":
        return part["text"]
    png = base64.b64decode(part["image_url"]["url"].removeprefix("data:image/png;base64,"))
    return round(np.asarray(Image.open(io.BytesIO(png)), np.float64).mean())


def levels_seen(request: Any, turn: int = -1) -> list[int]:
    """Brightness of the pictures alone."""
    return [part for part in seen(request, turn) if isinstance(part, int)]


def frames_of_gvl(request: Any) -> dict[int, int]:
    """Brightness of each numbered frame of a question of `gvl`, in the order shown."""
    parts = seen(request, 0)
    return {
        int(text.removeprefix("Frame ").removesuffix(":")): level
        for text, level in pairwise(parts)
        if isinstance(text, str) and text.startswith("Frame ")
    }


def percentages(frames: dict[int, int], *, leave_out: tuple[int, ...] = ()) -> str:
    """The list that `gvl` asks for: full brightness is 100 percent."""
    entries = [
        {
            "frame_number": number,
            "frame_description": "a grey square",
            "task_completion_percentage": level / 2.55,
        }
        for number, level in frames.items()
        if number not in leave_out
    ]
    return json.dumps(entries)


def gvl_judge(request: Any) -> Reply:
    """Says each frame's brightness."""
    return Reply(f"Here you are:\n```json\n{percentages(frames_of_gvl(request))}\n```")


def scored(alternatives: dict[str, float]) -> Reply:
    """An answer of one token with the log-probabilities of its alternatives."""
    top = [{"token": t, "logprob": p, "bytes": None} for t, p in alternatives.items()]
    token: dict[str, Any] = {**top[0], "top_logprobs": top}
    return _said(token["token"], {"content": [token]})


def unscored(text: str) -> Reply:
    """An answer of a server that gives no log-probabilities, whoever asks for them."""
    return _said(text, None)


def _said(text: str, logprobs: Any) -> Reply:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": "length", "message": message, "logprobs": logprobs}
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    kind = {"id": "1", "object": "chat.completion", "created": 0, "model": "scripted"}
    return Reply(body={**kind, "choices": [choice], "usage": usage})


def true_false_judge(request: Any) -> Reply:
    """The chance of True is the brightness of the last picture, from 0 to 1."""
    chance = min(max(levels_seen(request)[-1] / 255, 1e-6), 1 - 1e-6)
    return scored({"True": math.log(chance), "False": math.log(1 - chance)})


def rubric_judge(request: Any) -> Reply:
    """From 1, black, to 5, white."""
    return Reply(f"It nearly did. ANSWER: {1 + round(levels_seen(request)[-1] / 255 * 4)}")


def robometer_heads(request: Any) -> list[list[float]]:
    """For each picture a sure progress of its brightness in ninths, and success as sure."""
    rows = []
    for level in levels_seen(request):
        ninth = round(level / 255 * 9)
        progress = [50.0 if place == ninth else 0.0 for place in range(10)]
        rows.append([*progress, math.log(3.0) if ninth == 9 else -math.log(3.0), 0.0, 0.0])
    return rows


Judge = Callable[[Any], Reply]
