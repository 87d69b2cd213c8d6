"""The options ``--data``, ``--reading`` and ``--task``: the trajectories a command is about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vlfeedback.cli.settings import parse_json_object
from vlfeedback.errors import NeedsError

if TYPE_CHECKING:
    from vlfeedback.types import Trajectory

__all__ = [
    "DATA_HELP",
    "READING_HELP",
    "copy_name",
    "data_options",
    "read_data",
    "training_options",
]

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


def training_options(data: str, reading: str = "{}") -> list[str]:
    """The same options for `vlfeedback train` with a learner of trajectories.

    What the reading believes of ends of episodes, the learner has to be told as well.
    """
    trusted = parse_json_object("--reading", reading).get("trust_terminals") is True
    return [*data_options(data, reading), *(["--set", "trust_terminals=true"] if trusted else [])]


def copy_name(data: str) -> str:
    """A name for a relabelled copy of a dataset: of its format, as `relabel` asks for.

    >>> copy_name("data/d4rl.hdf5"), copy_name("mtvlp"), copy_name("lerobot:so100")
    ('relabelled.hdf5', 'relabelled', 'lerobot:relabelled')
    >>> copy_name("minari:D4RL/door/human-v2")
    'minari:D4RL/door/human-relabelled-v2'
    """
    kind, _, address = data.rpartition(":")
    if kind == "minari":
        name, version, number = address.rpartition("-v")
        return f"minari:{name or number}-relabelled{version}{number if version else '-v0'}"
    if kind:
        return f"{kind}:relabelled"
    path = Path(data)
    is_level = not path.exists() and path.with_name(f"{path.name}.h5").is_file()
    return f"relabelled{'.h5' if is_level else path.suffix}"
