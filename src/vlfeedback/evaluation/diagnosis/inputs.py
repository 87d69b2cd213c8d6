"""What every source of a diagnosis is asked: the same episodes, pairs, clips and wordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from vlfeedback.data.instructions import instruction_corpus
from vlfeedback.data.pairings import RankedPairs
from vlfeedback.data.unseen_instructions import unseen_instructions
from vlfeedback.errors import NeedsError, UnknownNameError
from vlfeedback.evaluation.labels.pairings import draw_pairings, picture_stride
from vlfeedback.tasks import get_task
from vlfeedback.types import Segment, Trajectory

__all__ = [
    "LEVELS",
    "DiagnosisInputs",
    "choose_episodes",
    "choose_goal_episode",
    "prepare_diagnosis",
    "probed",
]

LEVELS = ("expert", "medium", "random")
"""Levels of optimality a diagnosis compares, best first; it can do without medium."""

_PROBED = 4  # episodes a level that are scored anew under other words and another camera
_CLIPS = 6  # clips of each of them
_WORDINGS = 3  # of the corpus, and as many that the corpus lacks


@dataclass(frozen=True, slots=True, eq=False)
class DiagnosisInputs:
    """One task's questions, equal for all sources."""

    task: str
    instruction: str
    episodes: tuple[Trajectory, ...]  # with levels, the environment's rewards, and pictures
    posed: Mapping[
        str, RankedPairs
    ]  # by pairing, see `vlfeedback.evaluation.labels.pairings.PAIRINGS`
    clips: tuple[Segment, ...]  # scored anew under other words and another camera
    wordings: tuple[str, ...]  # other ways to say the instruction
    retaken: Mapping[Trajectory, Trajectory] = field(default_factory=dict)  # by another camera
    camera: str = ""  # that other camera
    seed: int = 0

    @property
    def stride(self) -> int:
        """Steps from one picture to the next."""
        return picture_stride(self.episodes)

    def of_level(self, level: str) -> list[Trajectory]:
        """Episodes of one level, in order."""
        return [t for t in self.episodes if t.level == level]


def choose_episodes(
    trajectories: Sequence[Trajectory], n: int
) -> tuple[list[Trajectory], list[Trajectory]]:
    """The first `n` episodes of each of `LEVELS`, and the rest.

    Raises:
        NeedsError: there are no expert or no random episodes; or an episode lacks rewards.
    """
    chosen = [t for level in LEVELS for t in [t for t in trajectories if t.level == level][:n]]
    levels = {t.level for t in chosen}
    for level in ("expert", "random"):
        if level not in levels:
            raise NeedsError(
                f"None of {len(trajectories)} episodes has level == {level!r}, and a "
                "diagnosis compares experts with random actions; `vlfeedback collect` makes both, "
                "or give episodes of your own a level: dataclasses.replace(trajectory, level=...)."
            )
    for trajectory in chosen:
        if trajectory.env_rewards is None:
            raise NeedsError(
                f"Trajectory {trajectory.id!r} has no rewards of the environment to compare a "
                "source with; record it with env_rewards."
            )
    return chosen, [t for t in trajectories if t not in chosen]


def choose_goal_episode(
    evaluated: Sequence[Trajectory], rest: Sequence[Trajectory]
) -> tuple[Trajectory, list[Trajectory]]:
    """An expert episode whose last picture shows the goal, and the episodes left to evaluate.

    One that succeeds, of those that are not evaluated; where there are none, the last expert is
    evaluated no more.

    Raises:
        NeedsError: there is one expert episode alone.
    """
    spare = [t for t in rest if t.level == "expert"]
    kept = list(evaluated)
    if not spare:
        experts = [t for t in evaluated if t.level == "expert"]
        if len(experts) < 2:
            raise NeedsError(
                "A picture of the goal is the end of an expert episode that is not evaluated, and "
                f"there is {len(experts)}; collect at least 2, or set the source's goal yourself."
            )
        spare = experts[-1:]
        kept.remove(spare[0])
    succeed = [t for t in spare if t.successes is not None and t.successes.any()]
    return (succeed or spare)[0], kept


def probed(episodes: Sequence[Trajectory]) -> list[Trajectory]:
    """The episodes that are scored anew under other words and another camera."""
    return [t for level in LEVELS for t in [t for t in episodes if t.level == level][:_PROBED]]


def prepare_diagnosis(
    episodes: Sequence[Trajectory],
    task: str,
    *,
    n_pairs: int,
    length: int = 50,
    seed: int,
    retaken: Mapping[Trajectory, Trajectory] | None = None,
    camera: str = "",
) -> DiagnosisInputs:
    """Draw pairs and clips from the episodes of one task.

    Args:
        episodes: of `choose_episodes`, with pictures equally far apart.
        task: a name of `vlfeedback.tasks`.
        n_pairs: of each pairing.
        length: steps of a clip (VLP paper, Table 8: 50).
        seed: decides what is drawn.
        retaken: of some episodes, the same with pictures by another camera.
        camera: the name of that camera.

    Raises:
        UnknownNameError: there is no such task.
        ShapeError: no episode has `length` steps.
    """
    spec = get_task(task)
    posed = draw_pairings(episodes, spec.name, n_pairs=n_pairs, length=length, seed=seed)
    stride = picture_stride(episodes)
    clips = []
    for trajectory in probed(episodes):
        latest = (len(trajectory) - length) // stride
        starts = np.unique(np.rint(np.linspace(0, latest, _CLIPS))).astype(int) * stride
        clips += [trajectory.segment(int(s), length) for s in starts if latest >= 0]
    wordings = [*instruction_corpus(spec.name)[1 : 1 + _WORDINGS]]
    with suppress(UnknownNameError):  # only Meta-World's tasks have such texts
        wordings += unseen_instructions(spec.name, "phrase")[:_WORDINGS]
    return DiagnosisInputs(
        task=spec.name,
        instruction=spec.instruction,
        episodes=tuple(episodes),
        posed=posed,
        clips=tuple(clips),
        wordings=tuple(wordings),
        retaken=dict(retaken or {}),
        camera=camera,
        seed=seed,
    )
