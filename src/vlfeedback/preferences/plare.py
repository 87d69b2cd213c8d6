"""PLARE: a vision-language model compares two segments, each shown as a strip of key frames.

Paper:    Luu et al. 2025, "Policy Learning from Large Vision-Language Model Feedback without
          Reward Modeling" (PLARE)
Code read: tunglm2203/plare at 8be59b6 (MIT, a fork of jhejna/cpl)
Weights:  none; any model behind an OpenAI-compatible server (theirs was gemini-2.0-flash)
Needs:    frames (some of each segment), instruction
Returns:  prefer_second in {0, 1}; UNSURE, or a tie, for its -1; SKIPPED where both look the same
Recipe:   1 draw each segment as one strip, see `vlfeedback.vlms.judging.strips`; 2 ask RL-VLM-F's
          three questions about two videos; 3 in words alone, ask for 0, 1 or -1, which the server
          enforces where it can. Temperature 0.
Labels:   its code trains on -1 as 0.5 with the weight 0 (``ignore_unsure``), so "drop" has the same
          pairs; `vlfeedback.losses.contrastive` says what the weight 0 does to the mean.
Differs:  words are ours; strips are marked with the step of the segment, not with the number of the
          frame. Segments that look the same are never asked about.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial

from vlfeedback.errors import InvalidValueError
from vlfeedback.types import CostForecast, PreferenceLabels, SegmentPairs, SourceNeeds
from vlfeedback.vlms.judging.explaining import explain, foresee
from vlfeedback.vlms.judging.pairs import (
    PicturePair,
    ask_in_two_stages,
    label_shown,
    orders_of,
    show,
)
from vlfeedback.vlms.judging.replies import CHOICES
from vlfeedback.vlms.judging.strips import strips_of
from vlfeedback.vlms.judging.verdicts import Verdict, checked_tie_policy
from vlfeedback.vlms.questions import EncodedPicture, Question, Turn
from vlfeedback.vlms.settings import VLMSettings
from vlfeedback.vlms.vlm import VLM

__all__ = ["PLARE", "PLAREConfig"]

PROMPT = "plare/1"
"""Name and version of the words."""

_LEAD = """\
Here are two short videos. Each is given as {n} key frames side by side, in the order of time from \
left to right; the step at which a frame was taken is written beneath it.
Video 1:"""
_SECOND = "Video 2:"
_QUESTIONS = """\
1. What does Video 1 show?
2. What does Video 2 show?
3. The goal is [{goal}]. Do Video 1 and Video 2 differ in how well the goal is achieved?"""
_LABEL = """\
These questions were asked about two videos:
{questions}

This was the answer:
{answer}

Is the goal achieved better in Video 1 or in Video 2?
Reply with one line: 0 if it is Video 1, 1 if it is Video 2, or -1 if the answer is unsure or \
there is no difference."""


@dataclass(frozen=True, kw_only=True)
class PLAREConfig(VLMSettings):
    """Settings of `plare`, and those of `VLMSettings`.

    Attributes:
        key_frames: of a segment, first and last among them; 3 in the code.
        frame_stride: steps from one recorded picture to the next: 7 in most collections. The code
            takes every 9th of 64 steps, and of these pictures the first, fifth and last.
        both_orders: ask about each pair in both orders, and answer where they agree.
        tie_policy: what -1, and orders that differ, mean: "drop", unsure; "half", a tie that is
            trained on.
        max_tokens: of each answer; 1024 in the code.
    """

    key_frames: int = 3
    frame_stride: int = 7
    both_orders: bool = False
    tie_policy: str = "drop"
    max_tokens: int = 1024


class PLARE:
    """Asks which of two videos shows the goal achieved better; see the module's header.

    Raises:
        InvalidValueError: fewer than one key frame, or `tie_policy` is another word.
    """

    config_type = PLAREConfig
    needs = SourceNeeds(frames=True, instruction=True, frame_stride=7)

    def __init__(self, config: PLAREConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or PLAREConfig()
        if self.config.key_frames < 1:
            raise InvalidValueError(f"key_frames={self.config.key_frames}; expected at least 1.")
        self._tie_policy = checked_tie_policy(self.config.tie_policy)
        self.needs = replace(self.needs, frame_stride=self.config.frame_stride)

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
        shown = self._show(pairs)
        return [self._first(one) for one in orders_of(shown, both=self.config.both_orders)]

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        """Ask about each pair.

        Raises:
            NeedsError: pictures or instructions are missing.

        What the model raises, such as a spent budget, is raised.
        """
        return label_shown(
            self._vlm,
            self._show(pairs),
            self._compare,
            both_orders=self.config.both_orders,
            tie_policy=self._tie_policy,
        )

    def foresee(self, pairs: SegmentPairs) -> CostForecast:
        """What asking about these pairs will take; see `ForeseesCost`."""
        orders = orders_of(self._show(pairs), both=self.config.both_orders)
        following = [self._label(one.goal, answer="") for one in orders]
        return foresee([self._first(one) for one in orders], following, self.config)

    def explain(self, pairs: SegmentPairs) -> list[list[tuple[str, str]]]:
        """All questions and raw answers behind each pair's label; see `ExplainsLabels`."""
        return explain(type(self)(self.config).label, pairs)

    @cached_property
    def _vlm(self) -> VLM:
        return VLM(self.config)

    def _show(self, pairs: SegmentPairs) -> list[PicturePair | None]:
        return show(pairs, partial(strips_of, n=self.config.key_frames), source="plare")

    async def _compare(self, shown: PicturePair) -> Verdict:
        label = partial(self._label, shown.goal)
        return await ask_in_two_stages(
            self._vlm, self._first(shown), label, tie_policy=self._tie_policy
        )

    def _label(self, goal: str, answer: str) -> Question:
        words = _LABEL.format(questions=_QUESTIONS.format(goal=goal), answer=answer)
        return replace(self._question("label", words), choices=CHOICES)

    def _first(self, shown: PicturePair) -> Question:
        lead = _LEAD.format(n=self.config.key_frames)
        questions = _QUESTIONS.format(goal=shown.goal)
        return self._question("compare", lead, shown.first, _SECOND, shown.second, questions)

    def _question(self, stage: str, *parts: str | EncodedPicture) -> Question:
        return Question((Turn("user", parts),), PROMPT, stage, max_tokens=self.config.max_tokens)
