"""An exam: clips with an instruction each, what is known of them, and pairs with a known order.

A source never sees what is known. A clip is read when it is its turn, for all sources at once, so
that no more than one is held in memory, and two while a labeller compares.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from vlfeedback.errors import InvalidValueError, NeedsError, UnknownNameError
from vlfeedback.evaluation.bench.metrics import METRICS
from vlfeedback.types import SourceNeeds, Trajectory

__all__ = ["ClipReader", "Exam", "ExamClip", "ExamPair", "draw_pairs", "why_not_asked"]

_NAMES = {
    "frames": "pictures",
    "first_frame": "the picture of the reset",
    "observations": "observations",
    "actions": "actions",
    "instruction": "an instruction",
    "env_rewards": "the environment's own rewards",
    "successes": "whether the task is done",
}


@runtime_checkable
class ClipReader(Protocol):
    """Where a clip comes from."""

    def load(self) -> Callable[[SourceNeeds], Trajectory]:
        """Read the clip; what is returned gives it to a source with these needs, as an episode.

        Raises:
            VLFeedbackError, OSError: it cannot be read.
        """

    def digest(self) -> str:
        """Differs where the clip does: answers are kept under it."""


@dataclass(frozen=True, slots=True, eq=False)
class ExamClip:
    """One clip, and what is known of it.

    Attributes:
        id: unique in its exam.
        task: clips of the same task and set are compared.
        instruction: what a source is told.
        reader: of its pictures, and of whatever else there is.
        set: the data set within the exam that it is of; figures are also given by set. "" for none.
        score: how well it ends, 1 (no success) to 5 (perfect); None: not known.
        tier: how good it is, larger is better; None: not known.
        rises: it gets on from its beginning to its end, or up to its first success.
        known: `score` or `tier` in words, for captions.
    """

    id: str
    task: str
    instruction: str
    reader: ClipReader
    set: str = ""
    score: int | None = None
    tier: int | None = None
    rises: bool = False
    known: str = ""

    def __post_init__(self) -> None:
        if self.score is not None and not 1 <= self.score <= 5:
            raise InvalidValueError(f"Clip {self.id!r} has score {self.score}; expected 1 to 5.")

    @property
    def unit(self) -> tuple[str, str]:
        """The task that intervals draw it with: set and task."""
        return self.set, self.task

    @property
    def worth(self) -> int | None:
        """Its tier, or its score; None where neither is known."""
        return self.score if self.tier is None else self.tier


@dataclass(frozen=True, slots=True)
class ExamPair:
    """Two clips of one task with a known order, by their places in `Exam.clips`.

    Attributes:
        better: the clip that should be preferred.
        worse: the other one.
        better_first: how a labeller sees them.
    """

    better: int
    worse: int
    better_first: bool


@dataclass(frozen=True, slots=True, eq=False)
class Exam:
    """What sources are asked about.

    Attributes:
        name: as the command line knows it.
        title: as pages do.
        clips: in order of their sets and tasks.
        pairs: of them.
        provides: names of what its clips have, of the fields of `SourceNeeds`.
        metrics: figures that it is made for, of `vlfeedback.evaluation.bench.metrics.METRICS`.
        tie_credit: what a pair of equal scores counts as, 0 (wrong) to 1.
        settings: what it was made with, JSON values.
        notes: sentences: where it is not, or may not be, what papers report.

    Raises:
        NeedsError: there are no clips.
        InvalidValueError: two clips have the same id.
        UnknownNameError: there is no such figure.
    """

    name: str
    title: str
    clips: Sequence[ExamClip]
    pairs: Sequence[ExamPair]
    provides: frozenset[str]
    metrics: Sequence[str]
    tie_credit: float = 0.5
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not self.clips:
            raise NeedsError(f"{self.title} has no clips here; there is nothing to ask about.")
        ids = [clip.id for clip in self.clips]
        if len(set(ids)) < len(ids):
            twice = next(name for name in ids if ids.count(name) > 1)
            raise InvalidValueError(f"Two clips are called {twice!r}; expected each once.")
        for name in self.metrics:
            if name not in METRICS:
                raise UnknownNameError(f"No figure {name!r}; there are: {', '.join(METRICS)}.")

    @property
    def units(self) -> dict[tuple[str, str], str]:
        """Every task, as intervals draw it, with its set."""
        return {clip.unit: clip.set for clip in self.clips}


def draw_pairs(
    clips: Sequence[ExamClip], n_pairs: int | None, *, rng: np.random.Generator
) -> list[ExamPair]:
    """Pairs of clips of the same set and task that are not worth the same.

    Args:
        clips: those whose worth is not known are in no pair.
        n_pairs: so many, drawn from all without replacement; None for all.
        rng: source of randomness: which, and which side the better one is on.

    Raises:
        InvalidValueError: `n_pairs` is below 1.
    """
    if n_pairs is not None and n_pairs < 1:
        raise InvalidValueError(f"n_pairs={n_pairs}; expected at least 1, or None for all.")
    tasks: dict[tuple[str, str], list[int]] = {}
    for place, clip in enumerate(clips):
        if clip.worth is not None:
            tasks.setdefault(clip.unit, []).append(place)
    worths = [-1 if clip.worth is None else clip.worth for clip in clips]
    ordered = [
        (a, b) if worths[a] > worths[b] else (b, a)
        for places in tasks.values()
        for a, b in itertools.combinations(places, 2)
        if worths[a] != worths[b]
    ]
    chosen = np.arange(len(ordered))
    if n_pairs is not None and n_pairs < len(ordered):
        chosen = np.sort(rng.choice(len(ordered), n_pairs, replace=False))
    sides = rng.random(len(chosen)) < 0.5
    return [ExamPair(*ordered[row], bool(s)) for row, s in zip(chosen, sides, strict=True)]


def why_not_asked(needs: SourceNeeds, exam: Exam) -> str:
    """Why a source with these needs cannot sit this exam; "" where it can."""
    missing = [_NAMES[n] for n in _NAMES if getattr(needs, n) and n not in exam.provides]
    return f"It reads {' and '.join(missing)}, which these clips have not." if missing else ""
