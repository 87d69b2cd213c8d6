"""A vision-language model of known accuracy and bias, for `ChatServer`: it reads painted values.

A picture painted by `picture_of_value` shows how much of the goal is achieved. The judge sees that
with an error, likes what it is shown first a little better, and answers the questions of the
labellers `rl-vlm-f`, `plare` and `verifier`, in words, in numbers and with log-probabilities.
"""

from __future__ import annotations

import base64
import io
import json
import re
import string
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8
from scipy.special import ndtr

from vlfeedback.errors import InvalidValueError
from vlfeedback.optional import require
from vlfeedback.testing.chat_replies import Reply

__all__ = ["SimulatedJudge", "picture_of_value"]

_SEEN = re.compile(r"-?\d\.\d{4}\b")  # the judge's own words; no prompt has such a number
_LETTERS = re.compile(r"letter from A to ([B-Z])")
_CLIP = re.compile(r"[Cc]lip ([AB])\?")
_TOKENS_OF_A_PICTURE = 85  # OpenAI's for one in low detail; it only has to be a number


def picture_of_value(value: float, size: int = 32) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """A picture that shows a value in [0, 1], to within 1/510: green is 0, red is 1.

    Raises:
        InvalidValueError: the value lies outside.
    """
    if not 0 <= value <= 1:
        raise InvalidValueError(f"value={value}; expected one in [0, 1].")
    red = round(255 * value)
    return np.full((size, size, 3), (red, 255 - red, 0), dtype=np.uint8)


class SimulatedJudge:
    """Answers requests as a model would that sees values with an error, and has a bias.

    It perceives each picture of a question as its value + noise * e, with e standard normal and
    drawn from the pictures and their order: the same question is seen alike, and the two orders of
    a pair are two looks. The first of two pictures gains `position_bias`. Told to choose, it takes
    the larger; told to score, its letters are normal around what it perceived, `spread` wide. At a
    temperature above 0 it draws from that spread, each time anew, whatever it says; looking again
    does not make it see better.

    A strip is seen as the mean of its frames: only coloured pixels count, margins and marks are
    grey. Where the conversation says what it saw before, it believes that.

    Args:
        noise: standard deviation of what it perceives, in units of the value.
        position_bias: in units of the value.
        unsure_within: a gap of at most this is "-1".
        spread: standard deviation of what it says at temperature 1, in units of the value.
        flip: probability that it takes two pictures for each other, and so prefers the worse one.
        read: the value in [0, 1] of a picture file's bytes; that of `picture_of_value` by default.
        seed: another seed, other errors.

    >>> from vlfeedback.testing.chat_server import ChatServer
    >>> with ChatServer(otherwise=SimulatedJudge(noise=0.1, position_bias=0.05)) as server:
    ...     server.url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(
        self,
        *,
        noise: float = 0.0,
        position_bias: float = 0.0,
        unsure_within: float = 0.0,
        spread: float = 0.1,
        flip: float = 0.0,
        read: Callable[[bytes], float] | None = None,
        seed: int = 0,
    ) -> None:
        self.noise = noise
        self.position_bias = position_bias
        self.unsure_within = unsure_within
        self.spread = spread
        self.flip = flip
        self.read = read or _painted_value
        self.seed = seed
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, request: Any) -> Reply:
        """The reply to one request, the JSON of a chat completion."""
        turns = [_Turn.of(message) for message in request["messages"]]
        words, asked = "\n".join(turn.words for turn in turns), turns[-1].words
        pictures = [url for turn in turns for url in turn.pictures]
        draws = self._draws(request)
        seen = [float(number) for number in _SEEN.findall(words)] or self._look(pictures)
        scores: dict[str, float] = {}
        if clip := _CLIP.search(asked):
            said, scores = self._letter(words, seen["AB".index(clip[1])], draws)
        else:
            if draws is not None and pictures:
                seen = [value + self.spread * draws.standard_normal() for value in seen]
            lines = [_description(seen)] if pictures else []
            if "-1" in asked:
                lines.append(self._choice(seen) if len(seen) == 2 else f"{_clipped(seen[0]):.2f}")
            said = "\n".join(lines)
        n_read = len(words.split()) + _TOKENS_OF_A_PICTURE * len(pictures)
        tokens = (n_read, len(said.split()))
        return Reply(said, logprobs=(scores,) if scores else (), tokens=tokens)

    def chance_of_second(self, gap: Float64[np.ndarray, " N"]) -> Float64[np.ndarray, " N"]:
        """P[it says that the second is better], asked once, at temperature 0.

        Args:
            gap: value of the second less value of the first.
        """
        width = self.noise * np.sqrt(2)  # two errors

        def chance(gap: Float64[np.ndarray, " N"]) -> Float64[np.ndarray, " N"]:
            margin = gap - self.position_bias - self.unsure_within
            return np.asarray(ndtr(margin / width) if width else np.where(margin > 0, 1.0, 0.0))

        return (1 - self.flip) * chance(gap) + self.flip * chance(-gap)

    def _draws(self, request: Any) -> np.random.Generator | None:
        """What a request at a temperature draws from, other numbers each time; else None."""
        if not request.get("temperature"):
            return None
        key = json.dumps(request, sort_keys=True)
        with self._lock:
            self._asked[key] += 1
            return self._generator(f"{self._asked[key]} {key}")

    def _generator(self, of: str) -> np.random.Generator:
        digest = blake2b(f"{self.seed} {of}".encode(), digest_size=8).digest()
        return np.random.default_rng(int.from_bytes(digest, "little"))

    def _look(self, pictures: Sequence[str]) -> list[float]:
        """What it perceives of pictures, in their order."""
        draws = self._generator(" ".join(pictures))
        errors = draws.standard_normal(len(pictures))
        seen = np.array([self.read(_file_in(url)) for url in pictures]) + self.noise * errors
        if len(pictures) == 2:
            if draws.random() < self.flip:
                seen = seen[::-1]
            seen[0] += self.position_bias
        return [round(float(one), 4) for one in seen]

    def _choice(self, seen: Sequence[float]) -> str:
        gap = seen[1] - seen[0]
        if abs(gap) <= self.unsure_within:
            return "-1"
        return "1" if gap > 0 else "0"

    def _letter(
        self, words: str, seen: float, draws: np.random.Generator | None
    ) -> tuple[str, dict[str, float]]:
        """The letter, and log-probabilities of all of them."""
        scale = _LETTERS.search(words)
        letters = string.ascii_uppercase[: ord(scale[1]) - ord("A") + 1] if scale else "AB"
        worth = 1 - np.arange(len(letters)) / (len(letters) - 1)
        log = -0.5 * ((worth - _clipped(seen)) / self.spread) ** 2
        log -= np.log(np.exp(log - log.max()).sum()) + log.max()
        chosen = log.argmax() if draws is None else draws.choice(len(letters), p=np.exp(log))
        return letters[chosen], dict(zip(letters, log.tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class _Turn:
    """A message: its words, and the addresses of its pictures, which are their data."""

    words: str
    pictures: tuple[str, ...] = ()

    @classmethod
    def of(cls, message: Any) -> _Turn:
        content = message["content"]
        if isinstance(content, str):
            return cls(content)
        texts = [part["text"] for part in content if part["type"] == "text"]
        urls = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
        return cls("\n".join(texts), tuple(urls))


def _description(seen: Sequence[float]) -> str:
    places = ("The first", "The second")
    return " ".join(
        f"{place} shows {value:.4f} of the goal."
        for place, value in zip(places, seen, strict=False)
    )


def _file_in(url: str) -> bytes:
    return base64.b64decode(url.partition(",")[2])


def _painted_value(file: bytes) -> float:
    """The mean value of a picture's coloured pixels, see `picture_of_value`."""
    require("PIL", extra="vlm", needed_by="a simulated judge")
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"), np.float64).reshape(-1, 3)
    coloured = pixels[np.ptp(pixels, axis=1) > 64]
    red, green = coloured[:, 0].sum(), coloured[:, 1].sum()
    return float(red / (red + green)) if red + green else 0.5


def _clipped(value: float) -> float:
    return min(max(value, 0.0), 1.0)
