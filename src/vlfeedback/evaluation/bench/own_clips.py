"""An exam of our own: experts, half-way episodes and random actions of a collection, as pictured.

Known of a clip is its level, as long as its end bears it out: an expert that never succeeds, and
another that does, are in no pair. An expert gets on up to its first success. Clips of one task are
compared over its levels as RBM-EVAL-OOD does over its labels.

Unlike the other exams its clips have observations, actions and the environment's rewards, so that
any source can sit it, and ends of episodes at which the arm rests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vlfeedback.data.collection import Collection
from vlfeedback.data.contents import trajectory_digest
from vlfeedback.errors import NeedsError
from vlfeedback.evaluation.bench.exam import Exam, ExamClip, draw_pairs
from vlfeedback.types import SourceNeeds, Trajectory

__all__ = ["read_own_clips"]

_TIERS = {"random": 0, "medium": 1, "expert": 2}
_ARRAYS = ("observations", "actions", "env_rewards", "successes")


def read_own_clips(
    data: str | Path,
    *,
    tasks: Sequence[str] | None = None,
    n_pairs: int | None = None,
    seed: int = 0,
) -> Exam:
    """The exam in a folder of `vlfeedback collect`.

    Args:
        data: a collection with pictures.
        tasks: of it; default: all.
        n_pairs: that are compared; None for all.
        seed: decides which pairs.

    Raises:
        FileNotFoundError: there is no collection, or nothing of a task.
        NeedsError: a clip has no pictures, or there are none of these levels.
    """
    collection = Collection.open(data)
    clips = [
        _clip(trajectory, task, collection.task(task).instruction)
        for task in (collection.tasks() if tasks is None else tasks)
        for trajectory in collection.load(task)
        if trajectory.level in _TIERS
    ]
    if not clips:
        raise NeedsError(f"{data} has no clips of the levels {', '.join(_TIERS)}.")
    recorded = [clip.reader.trajectory for clip in clips if isinstance(clip.reader, RecordedClip)]
    arrays = {n for n in _ARRAYS if all(getattr(t, n) is not None for t in recorded)}
    return Exam(
        name="own",
        title="Our own clips",
        clips=clips,
        pairs=draw_pairs(clips, n_pairs, rng=np.random.default_rng(seed)),
        provides=frozenset({"frames", "first_frame", "instruction", *arrays}),
        metrics=("kendall_tau", "preference_accuracy", "ties", "voc", "voc_pearson"),
        settings={"pairs": n_pairs, "seed": seed, "collection": dict(collection.settings)},
        notes=(
            "An expert rests once it has succeeded, so that the end of a clip shows the task done "
            "and an arm at rest.",
        ),
    )


@dataclass(frozen=True, slots=True, eq=False)
class RecordedClip:
    """An episode; see `vlfeedback.evaluation.bench.exam.ClipReader`."""

    trajectory: Trajectory

    def load(self) -> Callable[[SourceNeeds], Trajectory]:
        """The episode, which reads its pictures when it is asked for them."""
        return lambda needs: self.trajectory

    def digest(self) -> str:
        """Of all that a source may read of it."""
        frames = self.trajectory.frames
        return trajectory_digest(self.trajectory, None if frames is None else frames.times)


def _clip(trajectory: Trajectory, task: str, instruction: str) -> ExamClip:
    if trajectory.frames is None or not len(trajectory.frames.times):
        raise NeedsError(
            f"Trajectory {trajectory.id!r} has no pictures; collect it with some: vlfeedback "
            "collect --frame-stride 7."
        )
    expert, known = trajectory.level == "expert", trajectory.successes is not None
    is_borne_out = not known or expert == (trajectory.first_success is not None)
    return ExamClip(
        id=trajectory.id,
        task=task,
        instruction=instruction,
        reader=RecordedClip(trajectory),
        tier=_TIERS[trajectory.level] if is_borne_out else None,
        rises=expert and is_borne_out,
        known=trajectory.level,
    )
