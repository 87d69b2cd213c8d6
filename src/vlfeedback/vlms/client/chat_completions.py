"""A server's chat completion as an answer; what it does not say is not made up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vlfeedback.types import Outcome
from vlfeedback.vlms.answers import Answer, TokenScores
from vlfeedback.vlms.client.chat_requests import ANSWER
from vlfeedback.vlms.client.structured import json_of
from vlfeedback.vlms.questions import Question

__all__ = ["answer_of"]

# OpenAI's word, and Gemini's where its endpoint does not translate them.
_FILTERED = (
    "content_filter",
    "safety",
    "prohibited_content",
    "blocklist",
    "recitation",
    "image_safety",
    "spii",
)
_CUT_OFF = ("length", "max_tokens")
_THINKING = re.compile(r"\s*<think>.*?(?:</think>|\Z)", re.DOTALL)


def answer_of(completion: Any, question: Question, *, seconds: float) -> Answer | None:
    """What a completion says; None where it is none.

    A choice that the request asked for as JSON is its word alone.

    Args:
        completion: JSON that came with status 200.
        question: that was asked.
        seconds: that it took.
    """
    choices = completion.get("choices") if isinstance(completion, Mapping) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, Mapping):
        return _blocked(completion, seconds) if isinstance(completion, Mapping) else None
    message = choice.get("message")
    message = message if isinstance(message, Mapping) else {}
    finish = str(choice.get("finish_reason") or "").lower()
    content = _THINKING.sub("", _text(message.get("content")), count=1)
    thoughts = _text(message.get("reasoning")) or _text(message.get("reasoning_content"))
    refusal = _text(message.get("refusal"))
    tokens_in, tokens_out = _usage(completion)
    text = content if content.strip() else refusal or thoughts
    outcome, problem = _outcome(content, refusal, thoughts, finish, question.max_tokens)
    return Answer(
        text=_unwrapped(text) if question.choices else text,
        outcome=outcome,
        logprobs=_logprobs(choice.get("logprobs")),
        finish=finish or "stop",
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        seconds=seconds,
        model=str(completion.get("model") or ""),
        problem=problem,
    )


def _outcome(
    content: str, refusal: str, thoughts: str, finish: str, max_tokens: int
) -> tuple[Outcome, str]:
    if refusal:
        return Outcome.REFUSED, "The model refuses."
    if finish.startswith(_FILTERED):
        return Outcome.REFUSED, f"A filter of the server stopped the answer ({finish})."
    if content.strip():
        return Outcome.ANSWERED, ""
    if finish in _CUT_OFF:
        doing = "was still thinking" if thoughts else "had said nothing"
        return Outcome.UNPARSABLE, (
            f"The model {doing} after max_tokens={max_tokens}; allow more, or switch thinking off "
            "(thinking='off')."
        )
    if thoughts:  # some servers put the answer of a thinking model there
        return Outcome.ANSWERED, ""
    return Outcome.UNPARSABLE, f"The model said nothing (it stopped with {finish or 'no reason'})."


def _unwrapped(text: str) -> str:
    """The word of ``{"answer": word}``; other texts as they are."""
    found = json_of(text)
    word = found.get(ANSWER) if isinstance(found, dict) and len(found) == 1 else None
    return word if isinstance(word, str) else text


def _blocked(completion: Mapping[str, Any], seconds: float) -> Answer | None:
    """Gemini has no choices at all where it does not take a question."""
    feedback = completion.get("prompt_feedback") or completion.get("promptFeedback")
    if not isinstance(feedback, Mapping):
        return None
    reason = feedback.get("block_reason") or feedback.get("blockReason")
    if not reason:
        return None
    tokens_in, tokens_out = _usage(completion)
    return Answer(
        text="",
        outcome=Outcome.REFUSED,
        finish="content_filter",
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        seconds=seconds,
        model=str(completion.get("model") or ""),
        problem=f"A filter of the server stopped the question ({reason}).",
    )


def _text(content: Any) -> str:
    """Content that is a text, or a list of parts of which some are."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [part.get("text") if isinstance(part, Mapping) else part for part in content]
    return "".join(part for part in parts if isinstance(part, str))


def _usage(completion: Mapping[str, Any]) -> tuple[int, int]:
    usage = completion.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    counts = [usage.get("prompt_tokens"), usage.get("completion_tokens")]
    tokens_in, tokens_out = (count if isinstance(count, int) else 0 for count in counts)
    return tokens_in, tokens_out


def _logprobs(logprobs: Any) -> tuple[TokenScores, ...]:
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(content, list):
        return ()
    return tuple(_scores(token) for token in content if isinstance(token, Mapping))


def _scores(token: Mapping[str, Any]) -> TokenScores:
    """The alternatives of a token, itself among them; of two with one text the likelier."""
    alternatives = token.get("top_logprobs")
    scores: TokenScores = {}
    for item in (token, *(alternatives if isinstance(alternatives, list) else ())):
        logprob = item.get("logprob") if isinstance(item, Mapping) else None
        if isinstance(logprob, int | float):
            text = str(item.get("token", ""))
            scores[text] = max(float(logprob), scores.get(text, float("-inf")))
    return scores
