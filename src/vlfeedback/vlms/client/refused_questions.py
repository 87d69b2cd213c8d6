"""What is wrong with a question that a server refuses, or with the way in which it was asked."""

from __future__ import annotations

import re
from collections.abc import Mapping

from vlfeedback.errors import InvalidValueError
from vlfeedback.vlms.client.abilities import Feature
from vlfeedback.vlms.client.error_bodies import ErrorBody
from vlfeedback.vlms.client.problems import Asked, Problem, Remedy, stop

__all__ = ["refused_pictures", "refused_question"]

_FILTERED = {"content_filter", "content_policy_violation"}
_TOO_LONG = re.compile(
    r"context.{0,10}(length|window|size)|maximum context|too long", re.IGNORECASE
)
_TOO_MANY_TOKENS = re.compile(
    r"max_(completion_)?tokens.{0,80}(too large|at most|less than|exceed)", re.IGNORECASE
)
_NAMES: Mapping[Feature, str] = {
    "top_logprobs": r"logprobs",
    "response_format": r"response_format|json_schema|json_object|structured.output|guided|grammar",
    "token_field": r"max_tokens|max_completion_tokens",
    "temperature": r"temperature",
    "no_thinking": r"chat_template_kwargs|enable_thinking|reasoning_effort|thinking",
}
_PICTURE = r"image|picture|\bvision\b|multi-?modal|mmproj"
_TOO_MANY_PICTURES = re.compile(rf"(at most \d+|too many).{{0,20}}({_PICTURE})", re.IGNORECASE)
_TOO_LARGE = re.compile(
    rf"({_PICTURE}).*(too (large|big)|exceed|larger|pixels|dimension)"
    r"|(payload|request|body)( \w+)? (is )?too large",
    re.IGNORECASE,
)
_BLIND = re.compile(
    rf"({_PICTURE}).*\b(not?|only)\b.{{0,20}}support|\bnot? support.*({_PICTURE})"
    rf"|unsupported.*({_PICTURE})|not a multi-?modal"
    rf"|({_PICTURE}).*(not configured|disabled)",
    re.IGNORECASE,
)


def refused_pictures(status: int, said: ErrorBody, answer: str, asked: Asked) -> Problem | None:
    """What is wrong with pictures, which the next question has too."""
    if _TOO_LONG.search(said.message) or _of_param(said, asked):
        return None
    if status < 500 and _TOO_MANY_PICTURES.search(said.message):
        return stop(
            InvalidValueError(
                f"{answer} Show {asked.model!r} fewer pictures, or let the server take more "
                "(vLLM: --limit-mm-per-prompt)."
            )
        )
    if status == 413 or (status < 500 and _TOO_LARGE.search(said.message)):
        return stop(
            InvalidValueError(f"{answer} The pictures are too large for it; make them smaller.")
        )
    if _BLIND.search(said.message):
        error = InvalidValueError(
            f"{asked.model!r} does not see pictures; name a vision-language model. {answer}"
        )
        return Problem(Remedy.STOP, str(error), feature="pictures", error=error)
    return None


def refused_question(status: int, said: ErrorBody, answer: str, asked: Asked) -> Problem:
    """What is wrong with this question, or with the way in which it was asked."""
    if said.codes & _FILTERED:
        return Problem(Remedy.ACCEPT, f"A filter of the server stopped the question. {answer}")
    if _TOO_MANY_TOKENS.search(said.message):
        return Problem(Remedy.GIVE_UP, f"{answer} Allow the answer less with max_tokens.")
    if _TOO_LONG.search(said.message) or "context_length_exceeded" in said.codes:
        return Problem(
            Remedy.GIVE_UP,
            f"{answer} Ask with fewer or smaller pictures, or a smaller max_tokens.",
        )
    if status in (400, 422) and (feature := _named(said, asked)):
        return Problem(Remedy.LEAVE_OUT, answer, feature=feature)
    return Problem(Remedy.GIVE_UP, f"The server refused the question to {asked.model!r}. {answer}")


def _named(said: ErrorBody, asked: Asked) -> Feature | None:
    """The feature that a complaint is about: the first that it names, of those that were used."""
    return _of_param(said, asked) or _first_in(said.message, asked)


def _of_param(said: ErrorBody, asked: Asked) -> Feature | None:
    return _first_in(said.param, asked)


def _first_in(text: str, asked: Asked) -> Feature | None:
    places = {
        match.start(): feature
        for feature, names in _NAMES.items()
        if feature in asked.features and (match := re.search(names, text, re.IGNORECASE))
    }
    return places[min(places)] if places else None
