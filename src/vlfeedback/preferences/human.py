"""People as labellers: pairs wait in a folder until somebody compares them on a page in a browser.

Paper:    Christiano et al. 2017, "Deep reinforcement learning from human preferences", section
          2.2.2: two short clips; one is better, both are equally good, or one cannot tell
Needs:    frames (of both segments), instruction
Returns:  prefer_second 0, 1, or 0.5 for equal; UNSURE for "can't tell"; SKIPPED where nobody
          answered in time, and where nothing tells the two clips apart
Recipe:   1 put the pairs into the queue; 2 people answer on the page of ``vlfeedback serve QUEUE``;
          3 of several answers to a pair the most frequent one counts, UNSURE where there is none
Left out: the paper's choice of which pairs to ask about: see `vlfeedback.data.queries`

A pair is known by its pictures and its instruction. Asked again, by a run that goes on after a stop
or by another run, it has its answer at once; the other way round it has the mirrored one.
"""

from __future__ import annotations

import shlex
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from vlfeedback.data.label_queue import Choice, ClipPair, LabelQueue, QueuedAnswer
from vlfeedback.data.served_queues import is_served
from vlfeedback.errors import InvalidValueError, NeedsError, VLFeedbackWarning
from vlfeedback.types import (
    CostForecast,
    Outcome,
    PreferenceLabels,
    SegmentBatch,
    SegmentPairs,
    SourceNeeds,
)

__all__ = ["HumanConfig", "HumanLabeller", "majority"]

_NOT_ASKED = ""  # in place of a ticket
_PREFER_SECOND: dict[Choice, float] = {"first": 0.0, "second": 1.0, "equal": 0.5, "unsure": 0.5}


@dataclass(frozen=True, slots=True)
class HumanConfig:
    """How people are asked.

    Attributes:
        queue: the folder that pairs wait in, made where there is none; on a local disk.
        answers_per_pair: how many people answer each pair; the most frequent answer is its label.
        frame_stride: steps from one recorded picture to the next: 7 in most collections; 1 plays
            smoothly where every step has one.
        n_frames: most pictures that are shown of a segment, spread evenly, first and last included.
        timeout_s: seconds that `label` waits for answers; None: as long as it takes.
        poll_s: seconds from one look for answers to the next.
        undo_s: seconds in which a person may take an answer back before it is read.

    Raises:
        InvalidValueError: a number is out of its range.
    """

    queue: str = field(default="", metadata={"recorded": False})
    answers_per_pair: int = 1
    frame_stride: int = 7
    n_frames: int = 64
    timeout_s: float | None = field(default=None, metadata={"recorded": False})
    poll_s: float = field(default=0.5, metadata={"recorded": False})
    undo_s: float = field(default=5.0, metadata={"recorded": False})

    def __post_init__(self) -> None:
        for name in ("answers_per_pair", "frame_stride", "n_frames"):
            if getattr(self, name) < 1:
                raise InvalidValueError(f"{name}={getattr(self, name)}; expected at least 1.")
        if not self.poll_s > 0:
            raise InvalidValueError(f"poll_s={self.poll_s}; expected more than 0 seconds.")
        for name in ("timeout_s", "undo_s"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise InvalidValueError(f"{name}={value}; expected at least 0 seconds.")


class HumanLabeller:
    """Asks people; see the module's header.

    `label` waits for them. Training that must not wait calls `post`, goes on, and looks with
    `answers` when it likes.

    Args:
        config: the queue and how it is asked.
        device: as of all labellers; people need none.
        while_waiting: called after each look that found pairs unanswered, with their tickets.

    Raises:
        NeedsError: no queue is named.

    Example:
        >>> import tempfile
        >>> labeller = HumanLabeller(HumanConfig(queue=tempfile.mkdtemp()))
        >>> clips = np.zeros((2, 2, 8, 8, 3), np.uint8)  # N, F, H, W
        >>> pairs = SegmentPairs(
        ...     SegmentBatch(frames=clips, instructions=["get brighter"] * 2),
        ...     SegmentBatch(frames=clips + np.uint8(9), instructions=["get brighter"] * 2),
        ... )
        >>> tickets = labeller.post(pairs)
        >>> labeller.answers(tickets)  # nobody was there yet
        PreferenceLabels(N=2, answered=0, ties=0, skipped=2)
    """

    config_type = HumanConfig
    needs = SourceNeeds(frames=True, instruction=True, frame_stride=7)

    def __init__(
        self,
        config: HumanConfig | None = None,
        *,
        device: str = "cpu",
        while_waiting: Callable[[Sequence[str]], None] | None = None,
    ) -> None:
        self.config = config or HumanConfig()
        if not self.config.queue:
            raise NeedsError(
                "'human' needs a folder that pairs wait in, and queue is ''; pass queue=FOLDER, "
                "and run: vlfeedback serve FOLDER"
            )
        self.needs = replace(self.needs, frame_stride=self.config.frame_stride)
        self._while_waiting = while_waiting
        self._has_warned = False

    def post(self, pairs: SegmentPairs) -> list[str]:
        """Put pairs before people, and wait for nobody; what was asked before is not asked again.

        Returns:
            N tickets for `answers`, which other processes may use too; "" for a pair that nobody
            is asked about: nothing tells its clips apart, or they were told to do different things.

        Raises:
            NeedsError: pictures or instructions are missing.
            MissingExtraError: Pillow is not installed.
            WriteError: the queue's folder cannot be written to.
            FileFormatError: the queue is damaged.
        """
        asked = [_question(pairs, row, self.config.n_frames) for row in range(len(pairs))]
        posted = iter(
            self._queue.post(
                [pair for pair in asked if pair is not None], wanted=self.config.answers_per_pair
            )
        )
        return [_NOT_ASKED if pair is None else next(posted) for pair in asked]

    def answers(self, tickets: Sequence[str]) -> PreferenceLabels:
        """What people have said by now of the pairs with these tickets.

        Args:
            tickets: N of them, that `post` gave.

        Returns:
            N labels, with the seconds that people took; the outcome is SKIPPED as long as a pair
            has too few answers. A label that was once given stays.

        Raises:
            UnknownNameError: a ticket is of another queue.
            OSError: the queue can be neither read nor written.
        """
        asked = [ticket for ticket in tickets if ticket != _NOT_ASKED]
        read = iter(
            self._queue.read_answers(
                asked, wanted=self.config.answers_per_pair, settled_s=self.config.undo_s
            )
        )
        return _labels([() if ticket == _NOT_ASKED else next(read) for ticket in tickets])

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        """Ask about each pair, and wait until people have answered or `timeout_s` is over.

        Answers that come later are kept, and found when the pair is asked about again. Where nobody
        serves the queue, a warning says once which command does.

        Raises:
            NeedsError: pictures or instructions are missing.

        What `post` and `answers` raise is raised.
        """
        until = time.monotonic() + (
            float("inf") if self.config.timeout_s is None else self.config.timeout_s
        )
        tickets = self.post(pairs)
        while True:
            labels = self.answers(tickets)
            waiting = [
                ticket
                for ticket, outcome in zip(tickets, labels.outcome, strict=True)
                if ticket != _NOT_ASKED and outcome == Outcome.SKIPPED
            ]
            left_s = until - time.monotonic()
            if not waiting or left_s <= 0:
                return labels
            self._warn_if_unserved(len(waiting))
            if self._while_waiting is not None:
                self._while_waiting(waiting)
            time.sleep(min(self.config.poll_s, left_s))

    def foresee(self, pairs: SegmentPairs) -> CostForecast:
        """How many answers of people these pairs take at most: see `ForeseesCost`."""
        answers = float(len(pairs) * self.config.answers_per_pair)
        return CostForecast(questions=answers, cost_usd=0.0)

    @cached_property
    def _queue(self) -> LabelQueue:
        return LabelQueue(self.config.queue)

    def _warn_if_unserved(self, n_waiting: int) -> None:
        folder = Path(self.config.queue).expanduser()
        if self._has_warned or is_served(folder):
            return
        self._has_warned = True
        wait = "1 pair waits" if n_waiting == 1 else f"{n_waiting} pairs wait"
        warnings.warn(
            f"{wait} for people, and no page is served yet. In another terminal, "
            f"run: vlfeedback serve {shlex.quote(str(folder))}",
            VLFeedbackWarning,
            stacklevel=3,
        )


def majority(choices: Sequence[Choice]) -> Choice:
    """The most frequent choice; "unsure" where two are equally frequent.

    >>> majority(["first", "second", "first"]), majority(["first", "second"]), majority(["equal"])
    ('first', 'unsure', 'equal')

    Raises:
        InvalidValueError: there are none.
    """
    ranked = Counter(choices).most_common(2)
    if not ranked:
        raise InvalidValueError("0 choices; expected at least one.")
    if len(ranked) == 2 and ranked[0][1] == ranked[1][1]:
        return "unsure"
    return ranked[0][0]


def _labels(said: Sequence[Sequence[QueuedAnswer]]) -> PreferenceLabels:
    choices = [majority([one.choice for one in answers]) if answers else None for answers in said]
    outcomes = {None: Outcome.SKIPPED, "unsure": Outcome.UNSURE}
    return PreferenceLabels(
        np.array([_PREFER_SECOND.get(choice or "unsure", 0.5) for choice in choices], np.float32),
        np.array([outcomes.get(choice, Outcome.ANSWERED) for choice in choices], np.uint8),
        seconds=np.array([sum(one.seconds for one in answers) for answers in said], np.float64),
    )


def _question(pairs: SegmentPairs, row: int, n_frames: int) -> ClipPair | None:
    """What people are shown of one pair; None where there is nothing to ask."""
    first, second = (_shown(side, row, n_frames) for side in (pairs.first, pairs.second))
    instruction, other = (_instruction(side, row) for side in (pairs.first, pairs.second))
    if instruction != other or np.array_equal(first, second):
        return None
    return ClipPair(first, second, instruction)


def _shown(batch: SegmentBatch, row: int, n_frames: int) -> UInt8[np.ndarray, "F H W 3"]:
    if batch.frames is None:
        raise NeedsError(
            "People are shown pictures and this batch has none; gather with needs=labeller.needs."
        )
    places = np.unique(batch.spread_pictures(n_frames)[row])
    return np.asarray(batch.frames[row, places])


def _instruction(batch: SegmentBatch, row: int) -> str:
    if batch.instructions is None or not batch.instructions[row].strip():
        raise NeedsError(
            "People are asked which clip follows the instruction better, and there is none; pass "
            "instruction=..., or give the trajectories or the task one."
        )
    return batch.instructions[row]
