"""RL-VLM-F: a vision-language model compares the last pictures of two segments.

Paper:    Wang et al. 2024, "RL-VLM-F"; Offline RL-VLM-F, sections III and IV
Code read: yufeiwang63/RL-VLM-F at febe2f2, which states no licence: for its facts alone
Weights:  none; any model behind an OpenAI-compatible server (theirs are retired)
Needs:    frames (the last of each segment; segments are single pictures there), instruction
Returns:  prefer_second in {0, 1}; UNSURE for its -1; SKIPPED where the pictures are the same
Recipe:   1 show both pictures in one message, and ask what each shows and whether they differ as
          to the goal; 2 in words alone, repeat the questions with the answer, and ask for one
          line: 0, 1 or -1. Temperature 0.
Variants: "one-stage" asks for the line at once, and reads the last one; "score" grades pictures one
          by one, see `vlfeedback.preferences.rl_vlm_f_scores`. Both are baselines of the code.
Differs:  words are ours. A reply that is no label is UNPARSABLE, where the code calls it -1. Equal
          pictures are never asked about, where it asks and drops the answer.
Left out: cropping, and hiding the robot, which are matters of the environment's camera.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import ClassVar

from vlfeedback.errors import UnknownNameError
from vlfeedback.preferences import rl_vlm_f_scores
from vlfeedback.registry import suggest
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
from vlfeedback.vlms.judging.strips import last_pictures
from vlfeedback.vlms.judging.verdicts import Verdict, checked_tie_policy, verdict_of_reply
from vlfeedback.vlms.questions import EncodedPicture, Question, Turn
from vlfeedback.vlms.settings import VLMSettings
from vlfeedback.vlms.vlm import VLM

__all__ = ["RLVLMF", "RLVLMFConfig"]

_PROMPTS = {
    "two-stage": "rl-vlm-f/1",
    "one-stage": "rl-vlm-f.one-stage/1",
    "score": rl_vlm_f_scores.PROMPT,
}

_LEAD = "Here are two images.\nImage 1:"
_SECOND = "Image 2:"
_QUESTIONS = """\
1. What does Image 1 show?
2. What does Image 2 show?
3. The goal is: {goal}. Do Image 1 and Image 2 differ in how well the goal is achieved?"""
_LABEL = """\
These questions were asked about two images:
{questions}

This was the answer:
{answer}

Is the goal achieved better in Image 1 or in Image 2?
Reply with one line: 0 if it is Image 1, 1 if it is Image 2, or -1 if the answer is unsure or \
there is no difference."""
_ONE_STAGE = """\
{questions}

Is the goal achieved better in Image 1 or in Image 2?
Answer the questions, and end with one line: 0 if it is Image 1, 1 if it is Image 2, or -1 if you \
are unsure or there is no difference."""


@dataclass(frozen=True, kw_only=True)
class RLVLMFConfig(VLMSettings):
    """Settings of `rl-vlm-f`, and those of `VLMSettings`.

    Attributes:
        variant: "two-stage", as published, "one-stage" or "score".
        frame_stride: steps from one recorded picture to the next: 7 in most collections. Of
            longer segments the last that is read is compared, which 1 makes the very last.
        both_orders: ask about each pair in both orders, and answer where they agree; "score" has
            no order.
        tie_policy: what -1, and orders that differ, mean: "drop", unsure, as published; "half", a
            tie that is trained on.
        max_tokens: of each answer; 1000 is what the code gives GPT-4V.
    """

    variant_field: ClassVar[str] = "variant"

    variant: str = "two-stage"
    frame_stride: int = 7
    both_orders: bool = False
    tie_policy: str = "drop"
    max_tokens: int = 1000


class RLVLMF:
    """Asks which of two pictures shows the goal achieved better; see the module's header.

    Raises:
        UnknownNameError: there is no such variant.
        InvalidValueError: `tie_policy` is another word.
    """

    config_type = RLVLMFConfig
    needs = SourceNeeds(frames=True, instruction=True, frame_stride=7)

    def __init__(self, config: RLVLMFConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or RLVLMFConfig()
        if self.config.variant not in _PROMPTS:
            raise UnknownNameError(
                f"'rl-vlm-f' has no variant {self.config.variant!r}. "
                f"{suggest(self.config.variant, _PROMPTS)}Expected one of {', '.join(_PROMPTS)}."
            )
        self._tie_policy = checked_tie_policy(self.config.tie_policy)
        self.needs = replace(self.needs, frame_stride=self.config.frame_stride)
        self._scores = rl_vlm_f_scores.PictureScores(
            max_tokens=self.config.max_tokens, tie_policy=self._tie_policy
        )

    @property
    def model(self) -> str:
        """The model that is asked."""
        return self.config.model

    @property
    def prompt(self) -> str:
        """Name and version of the words."""
        return _PROMPTS[self.config.variant]

    def questions(self, pairs: SegmentPairs) -> list[Question]:
        """What is asked first about each pair, or each picture; see `foresee`.

        Raises:
            NeedsError: pictures or instructions are missing.
        """
        shown = show(pairs, last_pictures, source="rl-vlm-f")
        if self.config.variant == "score":
            return self._scores.questions(shown)
        return [self._first(one) for one in orders_of(shown, both=self.config.both_orders)]

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        """Ask about each pair.

        Raises:
            NeedsError: pictures or instructions are missing.

        What the model raises, such as a spent budget, is raised.
        """
        shown = show(pairs, last_pictures, source="rl-vlm-f")
        if self.config.variant == "score":
            return self._scores.label(self._vlm, shown)
        return label_shown(
            self._vlm,
            shown,
            self._compare,
            both_orders=self.config.both_orders,
            tie_policy=self._tie_policy,
        )

    def foresee(self, pairs: SegmentPairs) -> CostForecast:
        """What asking about these pairs will take; see `ForeseesCost`."""
        shown = show(pairs, last_pictures, source="rl-vlm-f")
        following: list[Question] = []
        if self.config.variant == "score":
            following = self._scores.following(shown)
        elif self.config.variant == "two-stage":
            orders = orders_of(shown, both=self.config.both_orders)
            following = [self._label(one.goal, answer="") for one in orders]
        return foresee(self.questions(pairs), following, self.config)

    def explain(self, pairs: SegmentPairs) -> list[list[tuple[str, str]]]:
        """All questions and raw answers behind each pair's label; see `ExplainsLabels`."""
        return explain(type(self)(self.config).label, pairs)

    @cached_property
    def _vlm(self) -> VLM:
        return VLM(self.config)

    async def _compare(self, shown: PicturePair) -> Verdict:
        tie_policy = self._tie_policy
        if self.config.variant == "one-stage":
            said = await self._vlm.answer(self._first(shown))
            return verdict_of_reply([said], tie_policy=tie_policy, line="last")
        label = partial(self._label, shown.goal)
        return await ask_in_two_stages(self._vlm, self._first(shown), label, tie_policy=tie_policy)

    def _label(self, goal: str, answer: str) -> Question:
        words = _LABEL.format(questions=_QUESTIONS.format(goal=goal), answer=answer)
        return replace(self._question("label", words), choices=CHOICES)

    def _first(self, shown: PicturePair) -> Question:
        questions = _QUESTIONS.format(goal=shown.goal)
        if self.config.variant == "one-stage":
            questions = _ONE_STAGE.format(questions=questions)
        return self._question("compare", _LEAD, shown.first, _SECOND, shown.second, questions)

    def _question(self, stage: str, *parts: str | EncodedPicture) -> Question:
        max_tokens = self.config.max_tokens
        return Question((Turn("user", parts),), self.prompt, stage, max_tokens=max_tokens)
