"""The options ``--data``, ``--reading`` and ``--task``: the trajectories a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlfeedback.cli.settings import parse_json_object
from vlfeedback.errors import NeedsError

if TYPE_CHECKING:
    from vlfeedback.types import Trajectory

__all__ = ["DATA_HELP", "READING_HELP", "data_options", "read_data"]

DATA_HELP = (
    "A folder or .h5 file of `vlfeedback collect` or `relabel`, an .hdf5 of D4RL, robomimic or "
    "ManiSkill, a .npz, minari:ID, or lerobot:FOLDER."
)
READING_HELP = 'How the dataset is read, as JSON, such as {"camera": "top"}.'


def read_data(data: str, reading: str = "{}", task: str = "") -> list[Trajectory]:
    """The trajectories of a dataset that are of one task.

    Args:
        data: see `vlfeedback.adapters.formats.open_dataset`.
        reading: settings of the format's adapter, a JSON object.
        task: which task's; may be left out where all are of one. A dataset that names no tasks is
            taken to be of the one asked for.

    Raises:
        NeedsError: they are of several tasks and none is chosen, or of others.
        UnknownNameError, FileNotFoundError, FileFormatError: see `open_dataset`.
    """
    from vlfeedback.adapters.formats import open_dataset
    from vlfeedback.tasks import get_task

    dataset = open_dataset(data, parse_json_object("--reading", reading))
    trajectories = list(dataset.read())
    tasks = sorted({trajectory.task for trajectory in trajectories})
    if not task and len(tasks) > 1:
        raise NeedsError(
            f"{data} holds trajectories of {len(tasks)} tasks: {', '.join(map(repr, tasks[:5]))}"
            f"{' ...' if len(tasks) > 5 else ''}. Choose one with --task."
        )
    if not task or tasks == [""]:
        return trajectories
    name = task if task in tasks else get_task(task).name
    episodes = [trajectory for trajectory in trajectories if trajectory.task == name]
    if not episodes:
        raise NeedsError(
            f"{data} holds trajectories of {', '.join(map(repr, tasks[:5]))}, and none of {name!r}."
        )
    return episodes


def data_options(data: str, reading: str = "{}") -> list[str]:
    """The same options for a command that follows."""
    return ["--data", data, *(["--reading", reading] if reading != "{}" else [])]
