"""Sums over what a store of answers holds."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Added", "Spent", "Total"]


@dataclass(frozen=True, slots=True)
class Spent:
    """What requests have cost, failed ones included.

    Attributes:
        usd: US dollars.
        tokens: read and written.
        requests: that were booked.
        failed: of these, those that nothing came back from.
        unpriced: of these, those whose price was unknown; they are not in `usd`.
        last: number of the last booked request.
    """

    usd: float = 0.0
    tokens: int = 0
    requests: int = 0
    failed: int = 0
    unpriced: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class Total:
    """Kept answers of one model, prompt and outcome.

    Attributes:
        model: that was asked.
        prompt: id and version.
        outcome: ``"answered"``, ``"refused"`` or ``"unparsable"``.
        answers: how many.
        tokens_in: read for all of them.
        tokens_out: written in all of them.
        cost_usd: US dollars that whoever asked has paid, where the price was known.
        unpriced: answers whose price was unknown.
    """

    model: str
    prompt: str
    outcome: str
    answers: int
    tokens_in: int
    tokens_out: int
    cost_usd: float
    unpriced: int


@dataclass(frozen=True, slots=True)
class Added:
    """What `AnswerStore.add_from` did.

    Attributes:
        added: answers that were not there.
        already_there: answers that were, and stayed as they were.
    """

    added: int
    already_there: int
