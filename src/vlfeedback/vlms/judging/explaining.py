"""What labellers that ask models say of a job before it, and of their labels after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from vlfeedback.types import CostForecast, PreferenceLabels, SegmentPairs
from vlfeedback.vlms.ledger.estimate import estimate
from vlfeedback.vlms.ledger.prices import find_price
from vlfeedback.vlms.ledger.store import open_store
from vlfeedback.vlms.questions import Question
from vlfeedback.vlms.settings import VLMSettings
from vlfeedback.vlms.transcript import transcript, words_of

__all__ = ["explain", "foresee"]


def foresee(
    first: Sequence[Question], following: Sequence[Question], settings: VLMSettings
) -> CostForecast:
    """What asking will take, answers that are kept left out; nobody is asked.

    Args:
        first: all questions that can be told already.
        following: those that are asked once the first are answered, with nothing in the answers'
            place; as many follow each of the first.
        settings: the model, its prices and store.

    Raises:
        FileFormatError: the store or the file of prices is damaged.
        OSError: one of them cannot be read.
    """
    if not first:
        return CostForecast(cost_usd=0.0)
    store, price = open_store(settings), find_price(settings)
    begun = estimate(first, settings, store)
    is_new = (begun.questions - begun.already_stored) / begun.questions
    # Told apart by number: with no answers in them, many have the same words.
    then = estimate([replace(q, sample=k) for k, q in enumerate(following)], settings, None)
    read_again = round(len(following) / len(first) * begun.tokens_out)
    tokens_in = begun.tokens_in + round(is_new * then.tokens_in) + read_again
    tokens_out = begun.tokens_out + round(is_new * then.tokens_out)
    return CostForecast(
        questions=begun.questions - begun.already_stored + is_new * len(following),
        tokens=float(tokens_in + tokens_out),
        cost_usd=None if price is None else price.cost(tokens_in, tokens_out),
    )


def explain(
    label: Callable[[SegmentPairs], PreferenceLabels], pairs: SegmentPairs
) -> list[list[tuple[str, str]]]:
    """All questions and raw answers behind the label of each pair; see `ExplainsLabels`.

    Args:
        label: of a labeller that remembers nothing; its model's answers are kept.
        pairs: N of them.
    """
    told = []
    for row in range(len(pairs)):
        with transcript() as said:
            label(SegmentPairs(pairs.first.take([row]), pairs.second.take([row])))
        told.append(
            [(words_of(question), answer.text or answer.problem) for question, answer in said]
        )
    return told
