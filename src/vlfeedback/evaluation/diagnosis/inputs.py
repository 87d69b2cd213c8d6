"""The inputs of a diagnosis, equal for all sources: episodes, pairs, segments and wordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from vlfeedback.data.instructions import instruction_corpus
from vlfeedback.data.pairings import RankedPairs
from vlfeedback.data.unseen_instructions import unseen_instructions
from vlfeedback.errors import UnknownNameError
from vlfeedback.evaluation.labels.pairings import draw_pairings, picture_stride
from vlfeedback.tasks import TaskSpec, get_task
from vlfeedback.types import Segment, Trajectory

__all__ = ["LEVELS", "DiagnosisInputs", "prepare_diagnosis", "probed"]

LEVELS = ("expert", "medium", "random")
"""Levels of optimality a diagnosis compares, best first; it can do without medium."""

_PROBED = 4  # episodes a level that are scored anew under other words and another camera
_SEGMENTS = 6  # segments of each of them
_WORDINGS = 3  # of the corpus, and as many that the corpus lacks


@dataclass(frozen=True, slots=True, eq=False)
class DiagnosisInputs:
    """One task's episodes and what is cut from them, equal for all sources."""

    task: TaskSpec
    episodes: tuple[Trajectory, ...]  # with levels, the environment's rewards, and pictures
    pairings: Mapping[str, RankedPairs]  # by the names of `evaluation.labels.pairings.PAIRINGS`
    segments: tuple[Segment, ...]  # scored anew under other words and another camera
    wordings: tuple[str, ...]  # other ways to say the instruction
    retaken: Mapping[Trajectory, Trajectory] = field(default_factory=dict)  # by another camera
    camera: str = ""  # that other camera
    why_not_retaken: str = ""  # a sentence, where another camera was wanted and could not be had
    seed: int = 0

    @property
    def instruction(self) -> str:
        """The right one."""
        return self.task.instruction

    @property
    def stride(self) -> int:
        """Steps from one picture to the next."""
        return picture_stride(self.episodes)

    def of_level(self, level: str) -> list[Trajectory]:
        """Episodes of one level, in order."""
        return [t for t in self.episodes if t.level == level]


def probed(episodes: Sequence[Trajectory]) -> list[Trajectory]:
    """The episodes that are scored anew under other words and another camera."""
    return [t for level in LEVELS for t in [t for t in episodes if t.level == level][:_PROBED]]


def prepare_diagnosis(
    episodes: Sequence[Trajectory],
    task: str | TaskSpec,
    *,
    n_pairs: int,
    length: int = 50,
    seed: int,
    retaken: Mapping[Trajectory, Trajectory] | None = None,
    camera: str = "",
    why_not_retaken: str = "",
) -> DiagnosisInputs:
    """Draw pairs and segments from the episodes of one task.

    Args:
        episodes: of `choose_episodes`, with pictures equally far apart.
        task: a name of `vlfeedback.tasks`, or a task of one's own.
        n_pairs: of each pairing.
        length: steps of a segment (VLP paper, Table 8: 50).
        seed: decides what is drawn.
        retaken: of some episodes, the same with pictures by another camera.
        camera: the name of that camera.
        why_not_retaken: a sentence, where they could not be had.

    Raises:
        UnknownNameError: there is no such task.
        ShapeError: no episode has `length` steps.
    """
    spec = get_task(task)
    pairings = draw_pairings(episodes, spec, n_pairs=n_pairs, length=length, seed=seed)
    stride = picture_stride(episodes)
    segments = []
    for trajectory in probed(episodes):
        latest = (len(trajectory) - length) // stride
        starts = np.unique(np.rint(np.linspace(0, latest, _SEGMENTS))).astype(int) * stride
        segments += [trajectory.segment(int(s), length) for s in starts if latest >= 0]
    return DiagnosisInputs(
        task=spec,
        episodes=tuple(episodes),
        pairings=pairings,
        segments=tuple(segments),
        wordings=_wordings(spec),
        retaken=dict(retaken or {}),
        camera=camera,
        why_not_retaken=why_not_retaken,
        seed=seed,
    )


def _wordings(spec: TaskSpec) -> tuple[str, ...]:
    """Some of the corpus, and some that it lacks; none for a task without either."""
    wordings: list[str] = []
    with suppress(UnknownNameError):
        wordings += instruction_corpus(spec)[1 : 1 + _WORDINGS]
        wordings += unseen_instructions(spec, "phrase")[:_WORDINGS]
    return tuple(wordings)
