"""A model that judges clips in words: its settings, and what becomes of an answer that is none."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from vlfeedback.errors import InvalidValueError, NeedsError, SourceAnswerError
from vlfeedback.types import Outcome
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.judging.clips import Clip, ClipSettings, Scores, check_clip_settings
from vlfeedback.vlms.settings import VLMSettings
from vlfeedback.vlms.vlm import VLM

__all__ = ["JudgeSettings", "Judgement", "is_spoken", "model_of", "settled"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class JudgeSettings(ClipSettings, VLMSettings):
    """Settings of a source that asks a model about clips.

    Attributes:
        if_unanswered: the score where the model refuses, or says nothing that can be read, in the
            source's unit; a warning is logged. None: that is an error.
    """

    if_unanswered: float | None = None


def model_of(settings: JudgeSettings, *, source: str, fewest: int = 1) -> VLM:
    """The model that a source asks, once its settings are checked.

    Args:
        settings: of the source.
        source: its id, for messages.
        fewest: pictures that it shows at least.

    Raises:
        NeedsError: no model is named.
        InvalidValueError: a setting is out of its range.

    What `VLM` raises is raised too.
    """
    if not settings.model:
        raise NeedsError(
            f"{source!r} asks a vision-language model: pass model='its name', and base_url='the "
            "root of its API' where that is not OpenAI's."
        )
    check_clip_settings(settings, fewest=fewest)
    if settings.if_unanswered is not None and not math.isfinite(settings.if_unanswered):
        raise InvalidValueError(
            f"if_unanswered={settings.if_unanswered}; a reward is a finite number, or None."
        )
    return VLM(settings)


def is_spoken(answer: Answer) -> bool:
    """Whether the model said anything to the question: it did not refuse, and something came."""
    return answer.outcome not in (Outcome.FAILED, Outcome.REFUSED)


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What came of asking about one clip.

    Attributes:
        scores: of the pictures or prefixes that were asked about, in order of time; None where
            the model gave no usable answer.
        problem: why not, as a sentence.
        failed: nothing came back: asking again later may help.
    """

    scores: Float32[np.ndarray, " K"] | None
    problem: str = ""
    failed: bool = False

    @classmethod
    def unusable(cls, answer: Answer, problem: str) -> Judgement:
        """No scores, since `answer` is not one.

        Args:
            answer: what came back last.
            problem: what is wrong with its text, where it has some.
        """
        if not is_spoken(answer):
            failed = answer.outcome == Outcome.FAILED
            reason = answer.problem.rstrip(".") or repr(answer.text[:200])
            return cls(
                None, f"{'Nothing came back' if failed else 'It refused'}: {reason}.", failed
            )
        said = repr(answer.text[:200]) if answer.text else "nothing"
        cut_off = " It was cut off: raise max_tokens." if answer.finish == "length" else ""
        return cls(None, f"{problem} It said {said}.{cut_off}")


def settled(
    judgements: Sequence[Judgement],
    clips: Sequence[Clip],
    lengths: Sequence[int],
    settings: JudgeSettings,
    *,
    source: str,
) -> Scores:
    """The scores of all clips, with `JudgeSettings.if_unanswered` where there are none.

    Args:
        judgements: one a clip.
        clips: what was asked about.
        lengths: how many scores each clip has.
        settings: of the source.
        source: its id, for messages.

    Raises:
        SourceAnswerError: a clip has no scores and `if_unanswered` is None, or nothing came back.
    """
    scores = []
    for row, (judgement, clip, length) in enumerate(zip(judgements, clips, lengths, strict=True)):
        if judgement.scores is not None:
            scores.append(judgement.scores)
            continue
        problem = (
            f"{source!r} got no usable answer of {settings.model!r} about segment {row} of "
            f"{len(clips)}, {clip.instruction!r}. {judgement.problem}"
        )
        if judgement.failed:
            raise SourceAnswerError(
                f"{problem} Try again when the server answers; what was answered is kept, unless "
                "store='none'.",
                row=row,
            )
        if settings.if_unanswered is None:
            raise SourceAnswerError(
                f"{problem} Try another model, or go on without with if_unanswered=0.0, or "
                "whatever such a clip is to score. What was answered is kept, unless store='none'.",
                row=row,
            )
        _log.warning("%s It scores if_unanswered=%s.", problem, settings.if_unanswered)
        scores.append(np.full(length, settings.if_unanswered, dtype=np.float32))
    return scores
