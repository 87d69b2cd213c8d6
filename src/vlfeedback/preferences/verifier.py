"""A graded judge: how well each segment does, as the mean over the probabilities of 20 letters.

Paper:    "LLM-as-a-Verifier" (arXiv 2607.05391), zero-shot on RoboRewardBench among others
Code read: llm-as-a-verifier/llm-as-a-verifier at 115de30 (MIT)
Weights:  none; any model behind an OpenAI-compatible server that gives log-probabilities
Needs:    frames (some of each segment), instruction
Returns:  prefer_second in {0, 0.5, 1}, or in [0, 1] with `soft`; SKIPPED where both look the same
Recipe:   1 show both segments at once, as A and B, as its code does; 2 for each of C criteria, K
          times and in both orders, have the model say what matters (temperature 1 where K > 1);
          3 ask for the score of A and for that of B, one letter each from A (best) to T, and take
          the mean over the letters' probabilities; 4 average over criteria, repeats and orders:
          R = 1/(CK) sum_c sum_k sum_g p(v_g) phi(v_g); 5 compare R, or label with sigmoid(R_second
          - R_first). The criterion stands last, so that a server can reuse what it read before it.
Without:  a server that gives no log-probabilities is asked for each letter `samples` times at
          temperature 1, and the mean of those counts; that is said once.
Differs:  words and criteria are ours (it has none for robots); a segment is a strip of key frames,
          see `vlfeedback.vlms.judging.strips`. Every repeat is asked in both orders, where the
          code takes turns; two of its repeats are one of ours. The letter of B does not depend on
          that of A, which the code puts before it.
          What is not answered is left out, where it counts as 0.5.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from jaxtyping import Float64

from vlfeedback.data.calibration import preference_probability
from vlfeedback.errors import InvalidValueError
from vlfeedback.types import CostForecast, Outcome, PreferenceLabels, SegmentPairs, SourceNeeds
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.judging.explaining import explain, foresee
from vlfeedback.vlms.judging.pairs import PicturePair, label_shown, orders_of, show
from vlfeedback.vlms.judging.replies import read_letter
from vlfeedback.vlms.judging.score_tokens import MOST_LETTERS, expected_score, letter_scale
from vlfeedback.vlms.judging.strips import strips_of
from vlfeedback.vlms.judging.verdicts import Verdict
from vlfeedback.vlms.questions import Question, Turn
from vlfeedback.vlms.settings import VLMSettings
from vlfeedback.vlms.vlm import VLM

__all__ = ["CRITERIA", "Verifier", "VerifierConfig"]

PROMPT = "verifier/1"
"""Name and version of the words."""

CRITERIA = (
    "Goal reached: at the end of the clip, is the state that the task asks for there?",
    "Progress: from the start of the clip to its end, how much nearer have the robot and the "
    "objects come to that state?",
    "Nothing undone: is nothing that helped undone again, and no object lost, dropped or pushed "
    "out of reach?",
)
"""Of manipulation; our choice, untested on robots."""

_LEAD = """\
You judge how well a robot does a task. Two clips show two attempts. Each is given as key frames \
side by side, in the order of time from left to right; the step at which a frame was taken is \
written beneath it. Judge by what the frames show alone.
Task: {goal}
Clip A:"""
_SECOND = "Clip B:"
_SCALE = """\
Clips are scored with one letter from A to {last}, best to worst, in even steps: A is entirely \
fulfilled, {middle} half, {last} not at all.
Score by this criterion alone. {criterion}"""
_REASON = "First say, in a few sentences, what both clips show that matters for the criterion."
_SCORE = "Which letter from A to {last} is the score of Clip {clip}? Reply with the letter alone."

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class VerifierConfig(VLMSettings):
    """Settings of `verifier`, and those of `VLMSettings`.

    Attributes:
        criteria: what clips are scored by, one question each; the mean of all counts.
        granularity: G, letters of the scale, 2 to 20; 20 in the code.
        repeats: K, how often each criterion is judged; above 1 only with `reason`, since the same
            question has the same probabilities.
        reason: the model says what matters before it scores, as in the code; without, a third of
            the questions fall away.
        both_orders: each clip is A once and B once.
        orders_must_agree: where the clip that is preferred depends on the order, it is a tie;
            else the mean of both orders decides.
        soft: label with the probability sigmoid(scale * gap of scores), as in the code.
        scale: of that sigmoid; 1 in the code, where the gap of scores lies in [-1, 1].
        tie_margin: a gap of scores of at most this is a tie.
        samples: of each letter, where the server gives no log-probabilities.
        key_frames: of a segment, first and last among them; our choice.
        frame_stride: steps from one recorded picture to the next: 7 in most collections.
        max_tokens: of each answer; 4096 in the code.
    """

    criteria: Sequence[str] = CRITERIA
    granularity: int = 20
    repeats: int = 1
    reason: bool = True
    both_orders: bool = True
    orders_must_agree: bool = False
    soft: bool = False
    scale: float = 1.0
    tie_margin: float = 0.0
    samples: int = 5
    key_frames: int = 4
    frame_stride: int = 7
    max_tokens: int = 1024


@dataclass(frozen=True, slots=True)
class _Score:
    """Of one clip: in [0, 1] where `outcome` is ANSWERED, and what it took."""

    answers: tuple[Answer, ...]
    outcome: Outcome = Outcome.ANSWERED
    value: float = float("nan")


@dataclass(frozen=True, slots=True)
class _Judgement:
    """Scores of a pair's segments in each order, (orders, 2); NaN where `outcome` says why."""

    scores: Float64[np.ndarray, "orders 2"]
    answers: tuple[Answer, ...]
    outcome: Outcome = Outcome.ANSWERED


class Verifier:
    """Scores both segments of a pair, and prefers the better score; see the module's header.

    Raises:
        InvalidValueError: a setting is out of its range.
    """

    config_type = VerifierConfig
    needs = SourceNeeds(frames=True, instruction=True, frame_stride=7)

    def __init__(self, config: VerifierConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or VerifierConfig()
        _check(self.config)
        self.needs = replace(self.needs, frame_stride=self.config.frame_stride)
        self._scale = letter_scale(self.config.granularity)
        self._gives_logprobs: bool | None = None  # not known before the first answer

    @property
    def model(self) -> str:
        """The model that is asked."""
        return self.config.model

    @property
    def prompt(self) -> str:
        """Name and version of the words."""
        return PROMPT

    def questions(self, pairs: SegmentPairs) -> list[Question]:
        """What is asked first about each pair; see `foresee`.

        Raises:
            NeedsError: pictures or instructions are missing.
        """
        return [
            question
            for pair in orders_of(self._show(pairs), both=self.config.both_orders)
            for criterion in self.config.criteria
            for repeat in range(self.config.repeats)
            for question in self._first(pair, criterion, repeat)
        ]

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        """Score both segments of each pair, and compare.

        Raises:
            NeedsError: pictures or instructions are missing.

        What the model raises, such as a spent budget, is raised.
        """
        return label_shown(self._vlm, self._show(pairs), self._compare)

    def scores(self, pairs: SegmentPairs) -> Float64[np.ndarray, "N 2"]:
        """Scores of the first and the second segment of each pair, in [0, 1].

        NaN where a pair was skipped or not answered. The same questions are asked as by `label`.

        Raises:
            NeedsError: pictures or instructions are missing.

        What the model raises, such as a spent budget, is raised.
        """
        shown = self._show(pairs)
        asked = [pair for pair in shown if pair is not None]
        judged = iter(self._vlm.run([self._judge(pair) for pair in asked]) if asked else [])
        nothing = np.full(2, np.nan)
        return np.array(
            [nothing if pair is None else next(judged).scores.mean(axis=0) for pair in shown]
        ).reshape(-1, 2)

    def foresee(self, pairs: SegmentPairs) -> CostForecast:
        """What asking about these pairs will take; see `ForeseesCost`."""
        first = self.questions(pairs)
        following = [self._letter(one, "", clip) for one in first for clip in "AB"]
        return foresee(first, following if self.config.reason else [], self.config)

    def explain(self, pairs: SegmentPairs) -> list[list[tuple[str, str]]]:
        """All questions and raw answers behind each pair's label; see `ExplainsLabels`."""
        return explain(type(self)(self.config).label, pairs)

    @cached_property
    def _vlm(self) -> VLM:
        return VLM(self.config)

    def _show(self, pairs: SegmentPairs) -> list[PicturePair | None]:
        return show(pairs, partial(strips_of, n=self.config.key_frames), source="verifier")

    async def _compare(self, shown: PicturePair) -> Verdict:
        judged = await self._judge(shown)
        if judged.outcome != Outcome.ANSWERED:
            return Verdict.after(judged.answers, outcome=judged.outcome)
        gaps = judged.scores[:, 1] - judged.scores[:, 0]
        gap = float(gaps.mean())
        differ = len(set(np.sign(gaps))) > 1
        if abs(gap) <= self.config.tie_margin or (self.config.orders_must_agree and differ):
            return Verdict.after(judged.answers)
        if self.config.soft:
            probability = preference_probability(np.array(gap), self.config.scale)
            return Verdict.after(judged.answers, prefer_second=float(probability))
        return Verdict.after(judged.answers, prefer_second=float(gap > 0))

    async def _judge(self, shown: PicturePair) -> _Judgement:
        """Mean scores over criteria and repeats, of those that were answered in every order."""
        orders = orders_of([shown], both=self.config.both_orders)
        rounds = [(c, k) for c in self.config.criteria for k in range(self.config.repeats)]
        graded = await asyncio.gather(
            *[self._grade(order, *one) for one in rounds for order in orders]
        )
        answers = tuple(a for pair in graded for score in pair for a in score.answers)
        values = np.array([[score.value for score in pair] for pair in graded])
        values = values.reshape(len(rounds), len(orders), 2)
        values[:, 1:] = values[:, 1:, ::-1].copy()  # the second order shows the second clip first
        complete = ~np.isnan(values).any(axis=(1, 2))
        if not complete.any():
            failed = next(s for pair in graded for s in pair if s.outcome != Outcome.ANSWERED)
            return _Judgement(np.full((len(orders), 2), np.nan), answers, failed.outcome)
        return _Judgement(values[complete].mean(axis=0), answers)

    async def _grade(
        self, shown: PicturePair, criterion: str, repeat: int
    ) -> tuple[_Score, _Score]:
        """Scores of both clips by one criterion, in the order in which they are shown."""
        questions = self._first(shown, criterion, repeat)
        if not self.config.reason:
            of_a, of_b = await asyncio.gather(*map(self._score, questions))
            return of_a, of_b
        (question,) = questions
        reasons = await self._vlm.answer(question)
        if reasons.outcome != Outcome.ANSWERED:
            nothing = _Score((), reasons.outcome)
            return replace(nothing, answers=(reasons,)), nothing
        of_a, of_b = await asyncio.gather(
            *[self._score(self._letter(question, reasons.text, clip)) for clip in "AB"]
        )
        return replace(of_a, answers=(reasons, *of_a.answers)), of_b

    async def _score(self, question: Question) -> _Score:
        """One clip's score: by probabilities of letters, or else the mean of sampled ones."""
        asked: tuple[Answer, ...] = ()
        if self._gives_logprobs is not False:
            answer = await self._vlm.answer(question)
            asked = (answer,)
            if answer.outcome != Outcome.ANSWERED:
                return _Score(asked, answer.outcome)
            if answer.logprobs:
                self._gives_logprobs = True
                is_letter = read_letter(answer.text, list(self._scale)) is not None
                score = expected_score(answer.logprobs, self._scale) if is_letter else None
                return self._graded(asked, [score])
            self._note_that_there_are_none()
        first = question.sample * self.config.samples
        drawn = [
            replace(question, top_logprobs=0, temperature=1.0, sample=first + sample)
            for sample in range(self.config.samples)
        ]
        samples = await asyncio.gather(*map(self._vlm.answer, drawn))
        letters = [read_letter(answer.text, list(self._scale)) for answer in samples]
        return self._graded(
            (*asked, *samples), [None if one is None else self._scale[one] for one in letters]
        )

    def _graded(self, answers: tuple[Answer, ...], values: list[float | None]) -> _Score:
        """The mean of what could be read; where nothing could, why."""
        known = [value for value in values if value is not None]
        if known:
            return _Score(answers, value=float(np.mean(known)))
        failed = (a.outcome for a in answers if a.outcome != Outcome.ANSWERED)
        return _Score(answers, next(failed, Outcome.UNPARSABLE))

    def _note_that_there_are_none(self) -> None:
        """Ask for no more log-probabilities, and say so; unless there were some before."""
        if self._gives_logprobs is None:
            self._gives_logprobs = False
            _log.warning(
                "The server of %r gives no log-probabilities; each score is the mean of %d letters "
                "drawn at temperature 1, which is coarser and costs more.",
                self.model,
                self.config.samples,
            )

    def _first(self, shown: PicturePair, criterion: str, repeat: int) -> list[Question]:
        """What is asked first: for reasons, or, without any, for the letters of A and of B."""
        config, letters = self.config, list(self._scale)
        middle = letters[len(letters) // 2]
        scale = _SCALE.format(last=letters[-1], middle=middle, criterion=criterion)
        lead = _LEAD.format(goal=shown.goal)
        parts = (lead, shown.first, _SECOND, shown.second, scale)
        if config.reason:
            turn = Turn("user", (*parts, _REASON))
            return [
                Question(
                    (turn,),
                    PROMPT,
                    "reason",
                    max_tokens=config.max_tokens,
                    temperature=1.0 if config.repeats > 1 else 0.0,
                    sample=repeat,
                )
            ]
        return [
            Question(
                (Turn("user", (*parts, self._ask(clip))),),
                PROMPT,
                max_tokens=config.max_tokens,
                **self._for_letter(clip),
            )
            for clip in "AB"
        ]

    def _letter(self, question: Question, reasons: str, clip: str) -> Question:
        return question.follow_up(reasons, self._ask(clip), **self._for_letter(clip))

    def _ask(self, clip: str) -> str:
        return _SCORE.format(last=list(self._scale)[-1], clip=clip)

    def _for_letter(self, clip: str) -> dict[str, Any]:
        return {
            "stage": f"score-{clip.lower()}",
            "choices": tuple(self._scale),
            "top_logprobs": MOST_LETTERS,
            "temperature": 0.0,
        }


def _check(config: VerifierConfig) -> None:
    criteria = config.criteria
    if isinstance(criteria, str) or not criteria or not all(one.strip() for one in criteria):
        raise InvalidValueError(
            f"criteria={criteria!r}; expected a list of at least one question in words."
        )
    for name in ("repeats", "samples", "key_frames"):
        if getattr(config, name) < 1:
            raise InvalidValueError(f"{name}={getattr(config, name)}; expected at least 1.")
    if config.repeats > 1 and not config.reason:
        raise InvalidValueError(
            f"repeats={config.repeats} with reason=False asks the same question again, and gets "
            "the same probabilities; set reason=True, or repeats=1."
        )
    if config.orders_must_agree and not config.both_orders:
        raise InvalidValueError(
            "orders_must_agree=True compares two orders, and both_orders=False asks in one; set "
            "both_orders=True."
        )
    for name in ("tie_margin", "scale"):
        if not getattr(config, name) >= 0:
            raise InvalidValueError(f"{name}={getattr(config, name)}; expected at least 0.")
