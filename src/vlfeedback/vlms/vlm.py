"""Ask a vision-language model many questions at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Any, TypeVar
from weakref import finalize

from vlfeedback.errors import NeedsError
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.client.abilities import Abilities
from vlfeedback.vlms.client.asking import Asking
from vlfeedback.vlms.client.learning import Learned
from vlfeedback.vlms.client.line import Line
from vlfeedback.vlms.client.loop_thread import LoopThread
from vlfeedback.vlms.client.runs import Run
from vlfeedback.vlms.client.server import Server
from vlfeedback.vlms.ledger.budget import Budget
from vlfeedback.vlms.ledger.store import AnswerStore, open_store
from vlfeedback.vlms.questions import Question, Turn
from vlfeedback.vlms.settings import VLMSettings
from vlfeedback.vlms.transcript import note

__all__ = ["VLM"]

T = TypeVar("T")

_AHEAD = 2  # coroutines begun for each question in flight: some wait, some compute

_PROBE = Question(
    (Turn("user", ("Is water wet? Answer with one word, yes or no.",)),),
    prompt="vlfeedback.probe/1",
    top_logprobs=5,
    max_tokens=16,
)


class VLM:
    """One model of one server.

    It may be used from any thread, also where an event loop runs already, as in a notebook. Its
    connections are kept until `close`, or the end of a ``with`` block; asking opens them again.

    Args:
        settings: which model is asked, and how.
        store: where answers are kept; None is what the settings name.
        budget: of what may be spent; None is what the settings allow.

    Raises:
        MissingExtraError: the extra ``vlm`` is not installed.
        NeedsError: no model is named, the address is none, or the server wants an API key and
            there is none in the environment.
        UnknownNameError: there is no such dialect.
        InvalidValueError: a setting is out of its range.
        FileFormatError: the store, or the file of prices, is damaged.
        OSError: one of them cannot be opened.

    >>> # with VLM(VLMSettings(model="gpt-5-mini")) as vlm:
    >>> #     answers = vlm.ask([question, ...])
    """

    def __init__(
        self,
        settings: VLMSettings,
        *,
        store: AnswerStore | None = None,
        budget: Budget | None = None,
    ) -> None:
        settings.check()
        self.settings = settings
        self._server = Server(settings)
        self._store = open_store(settings) if store is None else store
        self._budget = Budget.of(settings, self._store) if budget is None else budget
        self._learned = Learned(settings, self._server)
        self._thread = LoopThread()
        self._asking: tuple[asyncio.AbstractEventLoop, Asking] | None = None
        finalize(self, _close, self._thread, self._server)

    @property
    def abilities(self) -> Abilities:
        """What the model can do, as far as it is known yet."""
        return self._learned.abilities

    async def answer(self, question: Question) -> Answer:
        """Ask one question; for the coroutines that `run` is given.

        A question that is being asked already, or was before, is not asked again. What comes of
        it is `Answer.outcome`; one bad question stops no other.

        Raises:
            AccessError: the server does not accept the API key, or wants one.
            UnknownNameError: it knows no such model, or address.
            QuotaSpentError: it answers nothing more today, or for this account.
            BudgetSpentError: the question might cost more than may be spent.
            ServerError: it cannot be reached, is something else, or answered none of the first
                16 questions.
            InvalidValueError: the model does not see pictures, or they are too many or too large.
        """
        if not self._thread.is_current:  # but in the event loop of another model or program
            return await self._thread.run_elsewhere(Run.alone(self.answer(question)))
        answer = await self._opened().answer(question, question.key(self.settings.asked_model))
        note(question, answer)
        return answer

    async def gives_logprobs(self) -> bool:
        """Whether the model gives log-probabilities; asks it a word if nobody knows yet.

        Where it gives none, or that cannot be found out, ask several times and count.

        Raises:
            VLFeedbackError: see `answer`.
        """
        if not self._thread.is_current:
            return await self._thread.run_elsewhere(Run.alone(self.gives_logprobs()))
        if self._learned.gives_logprobs is None:
            key = _PROBE.key(self.settings.asked_model)
            await self._opened().answer(_PROBE, key, keep=False)
        return bool(self._learned.gives_logprobs)

    def run(self, work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        """Do all of this, as much of it at a time as the settings allow.

        The first error ends it: no more is asked, what is in flight ends and is kept in the store,
        and the error is raised.

        Raises:
            NeedsError: this is one of the coroutines that `run` does.
        """
        if self._thread.is_current:
            for coroutine in work:
                coroutine.close()
            raise NeedsError(
                "A coroutine that VLM.run does called VLM.run; await VLM.answer there instead."
            )
        return self._thread.run(Run().do(work, at_a_time=_AHEAD * self.settings.in_flight))

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answers to all questions, in their order.

        Raises:
            VLFeedbackError: see `answer`.
        """
        return self.run([self.answer(question) for question in questions])

    def close(self) -> None:
        """Close the connections."""
        _close(self._thread, self._server)

    def __enter__(self) -> VLM:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _opened(self) -> Asking:
        """What asks in this event loop; after `close`, or in a forked process, it is another."""
        loop = asyncio.get_running_loop()
        if self._asking is None or self._asking[0] is not loop:
            line = Line(self.settings, self._server, self._learned, self._budget)
            self._asking = loop, Asking(line, self._store)
        return self._asking[1]


def _close(thread: LoopThread, server: Server) -> None:
    thread.close(server.close())
