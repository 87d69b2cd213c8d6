"""What a `VLM` tells of its questions and answers, if somebody listens."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.questions import Question

__all__ = ["AnswerStore", "Budget"]


@runtime_checkable
class AnswerStore(Protocol):
    """Keeps answers, so that no question is paid for twice."""

    def get(self, key: str) -> Answer | None:
        """The answer to a question that was asked before; None where there is none.

        Args:
            key: `Question.key`.
        """

    def put(self, key: str, question: Question, answer: Answer) -> None:
        """Keep an answer; one that FAILED is never put here."""


@runtime_checkable
class Budget(Protocol):
    """Says how much may still be asked, and what it cost."""

    def reserve(self, tokens_in: int, max_tokens_out: int) -> None:
        """Set aside what a request may cost; called before each.

        Args:
            tokens_in: that the request has, estimated.
            max_tokens_out: that its answer may have.

        Raises:
            VLFeedbackError: it would be too much; nothing more is asked then.
        """

    def spend(self, answer: Answer) -> Answer:
        """Book what a request cost, and fill in `Answer.cost_usd`.

        Called once after each `reserve`, also where no answer came: of a FAILED one without tokens.
        """
