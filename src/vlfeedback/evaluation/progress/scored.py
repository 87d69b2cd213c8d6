"""One source's scores along the clips of one task, each episode scored once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Float64, Int64

from vlfeedback.evaluation.diagnosis.episode_scores import (
    episode_score,
    scores_of_episode,
    steps_to_score,
)
from vlfeedback.evaluation.resampling import Bootstrap
from vlfeedback.scoring.paced import PacedSource
from vlfeedback.scoring.steps import score_along
from vlfeedback.tasks import TaskSpec
from vlfeedback.types import Trajectory

__all__ = ["ScoredClips", "TaskClips"]


@dataclass(frozen=True, slots=True, eq=False)
class TaskClips:
    """The clips of one task, equal for all sources.

    Attributes:
        task: it.
        episodes: of the levels expert, medium and random, with the environment's rewards.
        run_on: the same experts, found by `Trajectory.id`, that act on after success; may lack.
        other_camera: some of `episodes` seen by another camera.
        length: steps of a clip.
        seed: of the resamples; another task needs other ones.
    """

    task: TaskSpec
    episodes: Sequence[Trajectory]
    run_on: Sequence[Trajectory] = ()
    other_camera: Mapping[Trajectory, Trajectory] = field(default_factory=dict)
    length: int = 50
    seed: Sequence[int] = (0,)

    @property
    def experts(self) -> list[Trajectory]:
        """The best level."""
        return self.of_level("expert")

    def of_level(self, level: str) -> list[Trajectory]:
        """Episodes of one level, in order."""
        return [t for t in self.episodes if t.level == level]

    def bootstrap(self) -> Bootstrap:
        """Draws whole episodes by their ids, level by level: the same for every source."""
        levels = {t.id: t.level for t in self.episodes}
        return Bootstrap(levels, rng=np.random.default_rng([*self.seed]))


class ScoredClips:
    """What one source scores along the clips of a task.

    Args:
        source: of `vlfeedback.scoring.paced.paced`.
        clips: of a task.
    """

    def __init__(self, source: PacedSource, clips: TaskClips) -> None:
        self.source = source
        self.clips = clips
        self._along: dict[Trajectory, Float32[np.ndarray, " E"]] = {}

    def steps(self, trajectory: Trajectory) -> Int64[np.ndarray, " E"]:
        """Steps at which an episode is scored, ascending."""
        return steps_to_score(trajectory, self.source)

    def along(self, trajectory: Trajectory) -> Float64[np.ndarray, " E"]:
        """The score at each of `steps`.

        Raises:
            NeedsError: the episode lacks what the source reads.
            SourceAnswerError: see `vlfeedback.scoring.ask`.
        """
        if trajectory not in self._along:
            instruction = self.clips.task.instruction
            self._along[trajectory] = scores_of_episode(self.source, trajectory, instruction)
        return self._along[trajectory].astype(np.float64)

    def pay(self, trajectory: Trajectory) -> float:
        """What a policy would be paid for the episode; see `episode_score`."""
        self.along(trajectory)
        return episode_score(self.source, trajectory, self._along[trajectory])

    def at(
        self, trajectory: Trajectory, ends: Int64[np.ndarray, " K"]
    ) -> Float64[np.ndarray, " K"]:
        """The score of the clip that ends at each of these pictured steps.

        Of a source that scores windows, of the window there; of episodes, of the episode up to
        there; of single steps, the mean of its scores along the last `TaskClips.length` steps.

        Args:
            trajectory: an episode.
            ends: steps, ascending.
        """
        needs = self.source.needs
        if needs.granularity == "episode":
            texts = [self.clips.task.instruction]
            return np.asarray(score_along(self.source, trajectory, texts, ends)[0], np.float64)
        steps, scores = self.steps(trajectory), self.along(trajectory)
        last = np.searchsorted(steps, ends, side="right")
        if needs.granularity == "window":
            return np.asarray(scores[last - 1])
        first = np.searchsorted(steps, ends - self.clips.length, side="right")
        return np.array(
            [scores[a:b].mean() for a, b in zip(first, last, strict=True)], dtype=np.float64
        )
