"""The states of some episodes seen by another camera, where the task can show them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vlfeedback.collecting import retake_episodes
from vlfeedback.errors import MissingExtraError, NeedsError, RenderError
from vlfeedback.evaluation.diagnosis.inputs import probed
from vlfeedback.tasks import TaskSpec
from vlfeedback.types import Report, Trajectory

__all__ = ["Retaken", "retake_probed"]


@dataclass(frozen=True, slots=True)
class Retaken:
    """Episodes by the episode they show again; none where that cannot be had."""

    episodes: Mapping[Trajectory, Trajectory] = field(default_factory=dict)
    why_none: str = ""  # a sentence, where another camera was wanted


def retake_probed(
    evaluated: Sequence[Trajectory], task: TaskSpec, camera: str, *, report: Report | None = None
) -> Retaken:
    """The probed ones of the evaluated episodes, by another camera.

    Args:
        evaluated: episodes of the task.
        task: shows them again by its `TaskSpec.retake`.
        camera: as its environment calls it; "": none.
        report: called after each episode, with stage ``"seen by CAMERA"``.
    """
    frames = evaluated[0].frames
    if not task.retake or not camera or frames is None:
        return Retaken()
    episodes = probed(evaluated)
    size = int(frames.read(frames.times[:1]).shape[1])
    retaken = {}
    try:
        copies = retake_episodes(task, episodes, camera, frame_size=size)
        for number, (episode, other) in enumerate(zip(episodes, copies, strict=True), start=1):
            retaken[episode] = other
            if report is not None:
                report(f"seen by {camera}", number, len(episodes), float("nan"))
    except (MissingExtraError, NeedsError, RenderError) as error:
        return Retaken(why_none=str(error))
    return Retaken(retaken)
