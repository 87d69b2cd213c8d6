"""What questions will cost, before any of them is asked."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from vlfeedback.vlms.ledger.picture_tokens import picture_tokens
from vlfeedback.vlms.ledger.prices import dollars, find_price
from vlfeedback.vlms.ledger.store import AnswerStore
from vlfeedback.vlms.questions import EncodedPicture, Question
from vlfeedback.vlms.settings import VLMSettings

__all__ = ["Estimate", "estimate", "tokens_of"]

_BYTES_OF_A_TOKEN = 4  # of English, as OpenAI and Google say of theirs; other languages take more


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is to be asked, and what it will cost.

    Attributes:
        questions: different ones; equal ones are asked once.
        already_stored: of these, those whose answer is kept; they cost nothing.
        tokens_in: that the others will be read as.
        tokens_out: that their answers will take: as long as the kept answers to the same prompt and
            stage on average, else the most that each may take.
        usd: US dollars; None where nobody knows the price.
    """

    questions: int
    already_stored: int
    tokens_in: int
    tokens_out: int
    usd: float | None

    def __str__(self) -> str:
        cost = "at an unknown price" if self.usd is None else f"about {dollars(self.usd)}"
        return (
            f"{self.questions:,} questions, {self.already_stored:,} of them answered before; for "
            f"the others about {self.tokens_in:,} tokens are read and {self.tokens_out:,} written, "
            f"{cost}"
        )


def estimate(
    questions: Iterable[Question], settings: VLMSettings, store: AnswerStore | None
) -> Estimate:
    """Foresee what asking questions will cost; nothing is asked.

    Args:
        questions: any; each is looked at once.
        settings: the model, where it is asked, and prices.
        store: where answers are kept, see `open_store`; None: nowhere.

    Raises:
        FileFormatError: the file of prices or the store is damaged.
        OSError: one of them cannot be read.
    """
    model = settings.asked_model
    different = {question.key(model): question for question in questions}
    held = store.held(different) if store is not None else set()
    to_ask = [question for key, question in different.items() if key not in held]
    answers = _AnswerLengths(store)
    price = find_price(settings)
    tokens_in = sum(tokens_of(question, settings.model) for question in to_ask)
    tokens_out = math.ceil(sum(answers.of(question) for question in to_ask))
    pictures = sum(question.n_pictures for question in to_ask)
    usd = None if price is None else price.cost(tokens_in, tokens_out, pictures)
    return Estimate(len(different), len(held), tokens_in, tokens_out, usd)


def tokens_of(question: Question, model: str) -> int:
    """About how many tokens a question is read as.

    Text by a token for each four bytes, which is rough; pictures by what is published of the model,
    see `vlfeedback.vlms.ledger.picture_tokens`.

    Args:
        question: any.
        model: that is asked.
    """
    parts = [part for turn in question.turns for part in turn.parts] + [question.schema]
    return sum(
        picture_tokens(model, part.width, part.height)
        if isinstance(part, EncodedPicture)
        else math.ceil(len(part.encode(errors="replace")) / _BYTES_OF_A_TOKEN)
        for part in parts
    )


class _AnswerLengths:
    """Tokens that answers take, by those that are kept."""

    def __init__(self, store: AnswerStore | None) -> None:
        self._store = store
        self._means: dict[tuple[str, str], float | None] = {}

    def of(self, question: Question) -> float:
        kind = (question.prompt, question.stage)
        if kind not in self._means:
            self._means[kind] = self._store.mean_tokens_out(*kind) if self._store else None
        mean = self._means[kind]
        return float(question.max_tokens if mean is None else min(mean, question.max_tokens))
