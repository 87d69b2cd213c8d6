"""Tells what a server means that gives an error in place of an answer.

Source: the words of OpenAI's, Google's, vLLM's, Ollama's, LM Studio's and llama.cpp's errors, as
users report them. A rate limit, which is waited for, and a quota that is used up both come as 429.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from vlfeedback.errors import AccessError, QuotaSpentError, ServerError, UnknownNameError
from vlfeedback.vlms.client.error_bodies import ErrorBody
from vlfeedback.vlms.client.problems import Asked, Problem, Remedy, stop
from vlfeedback.vlms.client.refused_questions import refused_pictures, refused_question
from vlfeedback.vlms.client.waits import LONGEST_WAIT_S, asked_wait

__all__ = ["no_completion", "no_connection", "problem_of"]

_NO_QUOTA = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_OF_THE_DAY = re.compile(r'"quotaId"\s*:\s*"[^"]*PerDay|\blimit: 0\b')  # Gemini's


def problem_of(status: int, headers: Mapping[str, str], body: str, asked: Asked) -> Problem:
    """Tell what an answer with a status of 400 or above means.

    Args:
        status: of HTTP.
        headers: by lower-case names.
        body: as it came.
        asked: whom, and with what.
    """
    said = ErrorBody.read(asked.key.hide(body))
    answer = f"{asked.address} answered {status}: {said.message}."
    if problem := _of_account(status, said, answer, asked):
        return problem
    if status == 429:
        return _busy(headers, said, answer)
    if "pictures" in asked.features and (problem := refused_pictures(status, said, answer, asked)):
        return problem
    if status in (408, 409) or status >= 500:
        if headers.get("x-should-retry") == "false":
            return Problem(Remedy.GIVE_UP, answer)
        wait_s = asked_wait(headers, said.whole, datetime.now(UTC))
        return Problem(Remedy.REPEAT, answer, wait_s=wait_s)
    return refused_question(status, said, answer, asked)


def no_connection(reason: str, asked: Asked, *, reached: bool) -> Problem:
    """The connection broke, or there was none.

    Args:
        reason: why.
        asked: whom.
        reached: there was one.
    """
    reason = asked.key.hide(reason)
    if reached:
        return Problem(Remedy.REPEAT, f"{asked.address} broke off ({reason}).")
    text = f"{asked.address} cannot be reached ({reason})."
    advice = "Check base_url, and that the server runs."
    return Problem(Remedy.REPEAT, text, error=ServerError(f"{text} {advice}"))


def no_completion(reason: str, asked: Asked) -> Problem:
    """Something else came with status 200."""
    text = f"{asked.address} answered with no chat completion ({asked.key.hide(reason)})."
    advice = "Check that base_url is the root of an OpenAI-compatible API; it often ends in /v1."
    return Problem(Remedy.REPEAT, text, error=ServerError(f"{text} {advice}"))


def _of_account(status: int, said: ErrorBody, answer: str, asked: Asked) -> Problem | None:
    """What is wrong with the key, the account or the model's name."""
    if said.codes & _NO_QUOTA or status == 402 or (status == 429 and _of_the_day(said)):
        return stop(
            QuotaSpentError(
                f"The quota of {asked.model!r} is used up, and waiting a while does not help. "
                f"{answer} Raise it, or go on when it is renewed: answers so far are in the store, "
                "if there is one."
            )
        )
    no_logprobs = status == 403 and "top_logprobs" in asked.features
    if no_logprobs and "logprobs" in said.message.lower():
        return Problem(Remedy.LEAVE_OUT, answer, feature="top_logprobs")
    if status in (401, 403) or (status == 400 and "api key" in said.message.lower()):
        complaint = "does not accept the API key in" if asked.key else "wants an API key in"
        return stop(AccessError(f"The server {complaint} {asked.key.variable}. {answer}"))
    if status == 404:
        return stop(
            UnknownNameError(
                f"The server knows no model {asked.model!r}, or no such address; check both. "
                f"{answer}"
            )
        )
    return None


def _of_the_day(said: ErrorBody) -> bool:
    return _OF_THE_DAY.search(said.whole) is not None


def _busy(headers: Mapping[str, str], said: ErrorBody, answer: str) -> Problem:
    wait_s = asked_wait(headers, said.whole, datetime.now(UTC))
    if wait_s is not None and wait_s > LONGEST_WAIT_S:
        return stop(
            QuotaSpentError(
                f"{answer} It asks to wait for {wait_s:.0f} s, which is too long; go on later: "
                "answers so far are in the store, if there is one."
            )
        )
    return Problem(Remedy.WAIT, answer, wait_s=wait_s)
