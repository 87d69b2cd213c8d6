"""What a vision-language model said, and what came of asking."""

from __future__ import annotations

from dataclasses import dataclass

from vlfeedback.types import Outcome

__all__ = ["Answer", "TokenScores"]

TokenScores = dict[str, float]
"""Log-probability of the alternatives of one token of an answer, by their text."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question.

    Attributes:
        text: what the model said: its content, else its reasoning; "" where it said nothing. A
            choice that was asked for as JSON is its word alone.
        outcome: ANSWERED; REFUSED, by the model or a filter; UNPARSABLE, empty, or cut off before
            it began; FAILED, nothing came back. Whoever parses `text` may find that it is no answer
            after all.
        logprobs: for each token of the answer, in order; empty where there are none.
        finish: why the model stopped, as the server says: ``"stop"``, ``"length"`` ...
        tokens_in: tokens read.
        tokens_out: tokens written, reasoning included.
        cost_usd: by the table of prices; 0 where it was `stored`.
        seconds: from the first try to the answer; 0 where it was `stored`.
        model: the name that the server gives itself.
        problem: why there is no answer; "" where there is one.
        stored: it was asked before, and came from the store, or was being asked already.
        price_known: False where no table has a price for the model; `cost_usd` is 0 then.
    """

    text: str
    outcome: Outcome = Outcome.ANSWERED
    logprobs: tuple[TokenScores, ...] = ()
    finish: str = "stop"
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0
    seconds: float = 0.0
    model: str = ""
    problem: str = ""
    stored: bool = False
    price_known: bool = True

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.tokens_in + self.tokens_out
