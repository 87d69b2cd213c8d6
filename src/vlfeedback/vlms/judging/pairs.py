"""Pairs as a model is shown them, two pictures and a goal, and labels of what it says of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vlfeedback.errors import NeedsError
from vlfeedback.types import Outcome, PreferenceLabels, SegmentBatch, SegmentPairs
from vlfeedback.types.labels import TiePolicy
from vlfeedback.vlms.judging.verdicts import SKIPPED, Verdict, agreed, labels_of, verdict_of_reply
from vlfeedback.vlms.questions import EncodedPicture, Question, encode_picture
from vlfeedback.vlms.vlm import VLM

__all__ = [
    "Compare",
    "PicturePair",
    "ask_in_two_stages",
    "label_shown",
    "orders_of",
    "show",
]


@dataclass(frozen=True, slots=True)
class PicturePair:
    """What a model is shown of one pair.

    Attributes:
        first: a picture of the first segment.
        second: a picture of the second.
        goal: the instruction that both are to follow.
    """

    first: EncodedPicture
    second: EncodedPicture
    goal: str

    def swapped(self) -> PicturePair:
        """The pair in the other order."""
        return PicturePair(self.second, self.first, self.goal)


Compare = Callable[[PicturePair], Coroutine[Any, Any, Verdict]]
"""Asks about one pair, in the order in which it is shown."""


def show(
    pairs: SegmentPairs,
    pictures_of: Callable[[SegmentBatch], Sequence[UInt8[np.ndarray, "H W 3"]]],
    *,
    source: str,
) -> list[PicturePair | None]:
    """Each pair as two pictures; None where there is nothing to ask.

    Nothing to ask have pairs whose pictures are the same, and such whose segments were told to do
    different things: which of them "is better" has no answer.

    Args:
        pairs: with pictures and instructions.
        pictures_of: one picture of each segment of a batch.
        source: id of the labeller, for messages.

    Raises:
        NeedsError: pictures or instructions are missing, or an instruction is empty.

    Source: RL-VLM-F's code drops pairs whose pictures differ by less than 1e-3 (L2), after it has
    asked about them; of uint8 pictures, those are the equal ones.
    """
    goals = [_instructions_of(side, source) for side in (pairs.first, pairs.second)]
    sides = [pictures_of(side) for side in (pairs.first, pairs.second)]
    return [
        None
        if goal != other_goal or np.array_equal(first, second)
        else PicturePair(encode_picture(first), encode_picture(second), goal)
        for goal, other_goal, first, second in zip(*goals, *sides, strict=True)
    ]


def orders_of(shown: Sequence[PicturePair | None], *, both: bool) -> list[PicturePair]:
    """The pairs that are asked about, each in the order or the orders in which it is asked."""
    asked = [pair for pair in shown if pair is not None]
    return [one for pair in asked for one in ((pair, pair.swapped()) if both else (pair,))]


def label_shown(
    vlm: VLM,
    shown: Sequence[PicturePair | None],
    compare: Compare,
    *,
    both_orders: bool = False,
    tie_policy: TiePolicy = "drop",
) -> PreferenceLabels:
    """Ask about all pairs, as many at a time as the model's settings allow.

    Args:
        vlm: the model.
        shown: see `show`; None is skipped.
        compare: asks about one of them.
        both_orders: ask about each pair in both orders, and answer where they agree.
        tie_policy: whether orders that differ leave it unsure ("drop") or tied ("half").

    What the model raises, such as a spent budget, is raised.
    """

    async def compare_both(pair: PicturePair) -> Verdict:
        orders = await asyncio.gather(compare(pair), compare(pair.swapped()))
        return agreed(*orders, tie_policy=tie_policy)

    ask = compare_both if both_orders else compare
    asked = [pair for pair in shown if pair is not None]
    verdicts = iter(vlm.run([ask(pair) for pair in asked]) if asked else [])
    return labels_of([SKIPPED if pair is None else next(verdicts) for pair in shown])


async def ask_in_two_stages(
    vlm: VLM, first: Question, second: Callable[[str], Question], *, tie_policy: TiePolicy
) -> Verdict:
    """Ask a question, and have another one make a label -1, 0 or 1 of the answer.

    Args:
        vlm: the model.
        first: about the pictures.
        second: the other question, given the answer; it is not asked where there is none.
        tie_policy: what -1 means.
    """
    seen = await vlm.answer(first)
    if seen.outcome != Outcome.ANSWERED:
        return Verdict.after([seen], outcome=seen.outcome)
    said = await vlm.answer(second(seen.text))
    return verdict_of_reply([seen, said], tie_policy=tie_policy)


def _instructions_of(batch: SegmentBatch, source: str) -> list[str]:
    texts = [text.strip().rstrip(".") for text in batch.instructions or ()]
    if len(texts) != len(batch) or not all(texts):
        raise NeedsError(
            f"{source!r} asks which of two segments follows an instruction better, and needs one "
            "for every segment: instructions=[...]."
        )
    return texts
