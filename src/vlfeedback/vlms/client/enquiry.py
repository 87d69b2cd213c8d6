"""One question, from its turn to its answer: asked again where that may help."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from vlfeedback.types import Outcome
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.client.abilities import Abilities, Feature
from vlfeedback.vlms.client.chat_completions import answer_of
from vlfeedback.vlms.client.chat_requests import features_of, request_of
from vlfeedback.vlms.client.line import Line
from vlfeedback.vlms.client.problems import Problem, Remedy
from vlfeedback.vlms.client.runs import Run
from vlfeedback.vlms.client.waits import LONGEST_WAIT_S, own_wait
from vlfeedback.vlms.ledger.estimate import tokens_of
from vlfeedback.vlms.questions import Question

__all__ = ["Enquiry"]

_PATIENCE = 10  # times `tries`: how often it is sent away to come back at a named time; our choice

_log = logging.getLogger(__name__)


class Enquiry:
    """Asks one question over a line.

    Args:
        line: to the model.
        question: what is asked.
        key: of the question.
    """

    def __init__(self, line: Line, question: Question, key: str) -> None:
        self._line = line
        self._question = question
        self._key = key
        self._run = Run.current()
        self._tokens = tokens_of(question, line.settings.model)
        self._sent_s: float | None = None  # on the loop's clock, when it was sent first

    async def answer(self) -> Answer:
        """The answer, whatever its outcome.

        Raises:
            VLFeedbackError: no question will be answered.
            RunEndedError: the run has ended.
        """
        failures = sent_away = 0
        tries = self._line.settings.tries
        while True:
            result = await self._try()
            if isinstance(result, Answer):
                return result
            if result.error is not None and result.remedy is Remedy.STOP:
                raise result.error
            if result.remedy is Remedy.ACCEPT:
                return Answer("", Outcome.REFUSED, finish="content_filter", problem=result.text)
            if result.remedy is Remedy.GIVE_UP:
                return self._failed(result, result.text)
            if result.remedy is Remedy.WAIT and result.wait_s is not None:
                sent_away += 1
            else:
                failures += 1
            if failures >= tries or sent_away >= tries * _PATIENCE:
                n_tries = failures + sent_away
                return self._failed(result, f"{result.text} Given up after {n_tries} tries.")
            is_ominous = result.error is not None and not self._line.has_answered
            _log.log(
                logging.WARNING if is_ominous else logging.INFO, "%s Trying again.", result.text
            )
            await self._wait(result, failures)

    async def _wait(self, problem: Problem, failures: int) -> None:
        wait_s = problem.wait_s
        if wait_s is None:
            first_s = self._line.settings.first_wait_s
            wait_s = own_wait(max(failures, 1), first_s=first_s, key=self._key)
        wait_s = min(wait_s, LONGEST_WAIT_S)
        if problem.remedy is Remedy.WAIT:
            self._line.pace.pause(wait_s)
        else:
            async with self._run.waiting():
                await asyncio.sleep(wait_s)

    async def _try(self) -> Answer | Problem:
        """Ask once; alone, if the question uses what no question has used before."""
        learned, lock = self._line.learned, self._line.first_of_its_kind
        if self._is_usual():
            return await self._in_some_way()
        async with self._run.waiting():
            await lock.acquire()
        try:
            await learned.meet()
            if not self._is_usual():
                result = await self._in_some_way()
                learned.try_all(self._features())
                return result
        finally:
            lock.release()
        return await self._in_some_way()

    def _is_usual(self) -> bool:
        learned = self._line.learned
        return learned.dialect is not None and learned.has_tried(self._features())

    async def _in_some_way(self) -> Answer | Problem:
        """Ask, and again without whatever the server refuses."""
        learned = self._line.learned
        used = learned.abilities
        while True:
            result = await self._send(used)
            if isinstance(result, Answer):
                learned.see_answer(self._features(), used, result)
                return result
            if result.feature == "pictures":
                learned.see_blindness()
            if result.feature is None or result.remedy is not Remedy.LEAVE_OUT:
                return result
            lesser = learned.leave_out(result.feature, used)
            if lesser is None:
                return replace(result, remedy=Remedy.GIVE_UP)
            used = lesser

    async def _send(self, used: Abilities) -> Answer | Problem:
        pace = self._line.pace
        await pace.enter(self._tokens, self._run)
        try:
            return await self._pay(used)
        finally:
            pace.leave()

    async def _pay(self, used: Abilities) -> Answer | Problem:
        """Send the request at the budget's expense."""
        budget, question = self._line.budget, self._question
        budget.reserve(self._tokens, question.max_tokens, pictures=question.n_pictures)
        result: Answer | Problem = Problem(Remedy.GIVE_UP, "Interrupted.")
        try:
            result = await self._exchange(used)
        finally:
            paid = budget.spend(
                result
                if isinstance(result, Answer)
                else Answer("", Outcome.FAILED, problem=result.text)
            )
        return paid if isinstance(result, Answer) else result

    async def _exchange(self, used: Abilities) -> Answer | Problem:
        line, loop = self._line, asyncio.get_running_loop()
        self._sent_s = loop.time() if self._sent_s is None else self._sent_s
        features = self._features()
        request = request_of(
            self._question, line.server.model, line.learned.dialect_or_plain, used, features
        )
        body = await line.server.ask(request, features)
        if isinstance(body, Problem):
            return body
        seconds = loop.time() - self._sent_s
        answer = answer_of(body, self._question, seconds=seconds)
        if answer is None:
            return line.server.no_completion(body)
        line.answered()
        line.pace.settle(self._tokens, answer)
        return answer

    def _features(self) -> frozenset[Feature]:
        return features_of(self._question, no_thinking=self._line.learned.switches_thinking_off)

    def _failed(self, problem: Problem, text: str) -> Answer:
        self._line.failed(problem, since_s=self._sent_s or 0.0)
        _log.warning("A question to %r has no answer. %s", self._line.server.model, text)
        return Answer("", Outcome.FAILED, finish="", problem=text)
