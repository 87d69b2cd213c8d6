"""Has questions answered: from the store, with the same one in flight, or over the line."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.client.enquiry import Enquiry
from vlfeedback.vlms.client.line import Line
from vlfeedback.vlms.ledger.store import AnswerStore
from vlfeedback.vlms.questions import Question

__all__ = ["Asking"]


class Asking:
    """Answers for one event loop, none of them asked for twice at a time.

    Args:
        line: to the model.
        store: of answers; None keeps none.
    """

    def __init__(self, line: Line, store: AnswerStore | None) -> None:
        self._line = line
        self._store = store
        self._in_flight: dict[str, asyncio.Future[Answer]] = {}

    async def answer(self, question: Question, key: str, *, keep: bool = True) -> Answer:
        """The answer to a question.

        Args:
            question: what is asked.
            key: of the question.
            keep: look into the store first, and keep the answer there.

        Raises:
            VLFeedbackError: see `Enquiry.answer`; or what the store raises.
        """
        while (first := self._in_flight.get(key)) is not None:
            await asyncio.wait([first])
            if not first.cancelled():
                return _again(first.result())
        store = self._store if keep else None
        stored = None if store is None else store.get(key)
        if stored is not None:
            return _again(stored)
        mine: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._in_flight[key] = mine
        try:
            answer = await Enquiry(self._line, question, key).answer()
            if store is not None:  # which waits for the disk: others are asked meanwhile
                await asyncio.to_thread(store.put, key, question, answer)
            mine.set_result(answer)
        finally:
            del self._in_flight[key]
            mine.cancel()  # does nothing to one that has a result
        return answer


def _again(answer: Answer) -> Answer:
    """The same answer to whoever did not have to pay for it, or to wait."""
    return replace(answer, cost_usd=0.0, seconds=0.0, stored=True)
