"""An answer as it is kept: the columns that the store and files of answers have in common.

What is searched and summed has a column of its own. All else is in `value`, a JSON object:

- `asked`: what decides the answer, as `Question.asked` gives it: the words, the digests of the
  pictures, prompt, stage, parameters and model. The key is its SHA-256.
- `text`, `finish`, `problem`, `logprobs`: as in `Answer`; the text is the raw reply.
- `reported_model`: the name that the server gave itself.
- `server`: its address; `time`: when the answer came, UTC; `seconds`: that it took.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from vlfeedback.types import Outcome
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.questions import Question, key_of

__all__ = ["COLUMNS", "KEPT", "AnswerRow"]

KEPT = (Outcome.ANSWERED, Outcome.REFUSED, Outcome.UNPARSABLE)
"""What is kept: the model said something, and would say it again."""

_TEXTS = ("text", "finish", "problem", "reported_model", "server", "time")
_OUTCOMES = {outcome.word: outcome for outcome in KEPT}


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One kept answer.

    Attributes:
        key: of the question, see `Question.key`: 64 hexadecimal digits.
        model: that was asked, as the key has it.
        prompt: id and version, such as ``"rl-vlm-f/1"``.
        stage: which of the prompt's questions.
        outcome: ``"answered"``, ``"refused"`` or ``"unparsable"``.
        tokens_in: tokens read.
        tokens_out: tokens written.
        cost_usd: US dollars that whoever asked paid; None where the price was unknown.
        value: JSON, see above.
        crc: CRC-32 of all the others.
    """

    key: str
    model: str
    prompt: str
    stage: str
    outcome: str
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    value: str
    crc: int

    @classmethod
    def of(
        cls, key: str, question: Question, answer: Answer, *, model: str, server: str
    ) -> AnswerRow:
        """The row of an answer that has just come."""
        value = {
            "asked": question.asked(model),
            "text": answer.text,
            "finish": answer.finish,
            "problem": answer.problem,
            "logprobs": answer.logprobs,
            "reported_model": answer.model,
            "server": server,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": answer.seconds,
        }
        contents = (
            *(key, model, question.prompt, question.stage, answer.outcome.word),
            *(answer.tokens_in, answer.tokens_out),
            float(answer.cost_usd) if answer.price_known else None,
            json.dumps(value),
        )
        return cls(*contents, crc=_crc(contents))

    def answer(self) -> Answer:
        """The answer, as one that costs no more.

        Raises:
            ValueError: the row is not as it was written.
        """
        self._check_crc()
        value = json.loads(self.value)
        return Answer(
            text=value["text"],
            outcome=_OUTCOMES[self.outcome],
            logprobs=tuple(value["logprobs"]),
            finish=value["finish"],
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            model=value["reported_model"],
            problem=value["problem"],
            stored=True,
            price_known=self.cost_usd is not None,
        )

    def check(self) -> None:
        """Check all that a row from elsewhere may have wrong.

        Raises:
            ValueError: it is not as it was written, or its columns do not agree with each other.
        """
        self._check_crc()
        value = json.loads(self.value)
        asked = value["asked"]
        said = {name: asked[name] for name in ("model", "prompt", "stage")}
        if key_of(asked) != self.key or said != {name: getattr(self, name) for name in said}:
            raise ValueError("an answer has the key of another question")
        are_texts = all(isinstance(value[name], str) for name in _TEXTS)
        if not are_texts or not all(map(_is_scores, value["logprobs"])):
            raise ValueError("an answer holds something else than text and log-probabilities")
        if self.outcome not in _OUTCOMES:
            raise ValueError(f"an answer's outcome is {self.outcome!r}")
        numbers = (self.tokens_in, self.tokens_out, self.cost_usd or 0, value["seconds"])
        if not all(number >= 0 and math.isfinite(number) for number in numbers):
            raise ValueError(f"an answer has {min(numbers)} tokens, dollars or seconds")

    def _check_crc(self) -> None:
        if _crc(astuple(self)[:-1]) != self.crc:
            raise ValueError("an answer is not as it was written")


COLUMNS = tuple(field.name for field in fields(AnswerRow))
"""Names of the columns, in order."""


def _crc(contents: tuple[Any, ...]) -> int:
    return zlib.crc32(json.dumps(contents).encode())


def _is_scores(scores: Any) -> bool:
    return isinstance(scores, Mapping) and all(isinstance(p, float | int) for p in scores.values())
