"""Minari's files, opened and read episode by episode with Minari itself, and nothing beside them.

Minari believes its files. Here, before it opens one: numbers of episodes and sizes of spaces are
no larger than a disk holds, no link leads out of the dataset, and no code that a file names runs.
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vlfeedback.adapters.minari_observations import n_states
from vlfeedback.data.foreign_files import check_size, path_inside, reading
from vlfeedback.data.hdf5_files import open_hdf5
from vlfeedback.errors import FileFormatError, InvalidTypeError, InvalidValueError, NeedsError
from vlfeedback.optional import require

if TYPE_CHECKING:
    from minari import MinariDataset

__all__ = ["NEEDED_BY", "episodes_of", "metadata_of", "open_minari"]

NEEDED_BY = "A Minari dataset"
_ID = re.compile(r"[-\w]+(/[-\w]+)*")
_WHAT = "Minari dataset"
_SPACES = ("observation_space", "action_space")


def open_minari(dataset: str | MinariDataset) -> MinariDataset:
    """Open a local dataset by its id; one that is open already is given back.

    Raises:
        FileFormatError: it is damaged.
        FileNotFoundError: there is no such local dataset.
        InvalidTypeError: actions are no arrays.
        InvalidValueError: this is no id of Minari, or a link in it leads out.
        MissingExtraError: Minari is not installed.
        NeedsError: it does not say of which spaces it is: Minari would make the environment that
            it names to ask, and run the code that it names.
    """
    minari = require("minari", extra="offline", needed_by=NEEDED_BY)
    if isinstance(dataset, str):
        dataset = _opened(minari, dataset)
    if dataset.action_space.shape is None:
        raise InvalidTypeError(
            f"Actions of {dataset.id} are {dataset.action_space}; expected arrays. Join their "
            "parts into one array in a dataset of your own."
        )
    return dataset


def episodes_of(dataset: MinariDataset) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Episodes as Minari reads them, one at a time, and what is noted of each.

    Raises:
        FileFormatError: the dataset is damaged.
    """
    with ExitStack() as stack:
        file = _hdf5_of(dataset, stack)
        for index in map(int, dataset.episode_indices):
            name = f"{dataset.id}/{index:06d}"
            with reading(f"Minari's {name}", "episode of Minari", advice=_advice(dataset.id)):
                if file is not None:
                    _walk(file[f"episode_{index}"])
                (about,) = dataset.storage.get_episode_metadata([index])
                (episode,) = dataset.iterate_episodes([index])
                _check_whole(episode, operator.index(about["total_steps"]), name)
            yield episode, about


def metadata_of(path: Path) -> dict[str, Any]:
    """The metadata of a dataset's folder of data, as JSON has them.

    Raises:
        FileFormatError: they are damaged, or say that there is more than there can be.
    """
    file = path / "metadata.json"
    with reading(file, "JSON file of a Minari dataset", advice=_advice("ID")):
        metadata = dict(json.loads(file.read_text(encoding="utf-8")))
        n_episodes = operator.index(metadata["total_episodes"])
        check_size(file, 8 * n_episodes, "the list of its episodes")
        for name in _SPACES:
            if name in metadata:
                _check_space(file, json.loads(metadata[name]))
        if not _ID.fullmatch(metadata["dataset_id"]):
            raise FileFormatError(f"{file} names the dataset {metadata['dataset_id']!r}: no id.")
    return metadata


def _opened(minari: Any, name: str) -> MinariDataset:
    from minari.storage.datasets_root_dir import get_dataset_path

    if not _ID.fullmatch(name):
        raise InvalidValueError(f"{name!r} is no id of Minari; expected such as 'door/human-v0'.")
    path = Path(get_dataset_path(name)) / "data"
    if not path.is_dir():
        raise FileNotFoundError(
            f"There is no local Minari dataset {name!r}. See which there are with: minari list "
            f"local; or get it with: minari download {name}"
        )
    with reading(f"Minari's {name}", _WHAT, advice=_advice(name)):
        for link in path.rglob("*"):
            if link.is_symlink():
                path_inside(path.parent, link.relative_to(path.parent), where=path.parent)
        missing = [space for space in _SPACES if space not in metadata_of(path)]
        if missing:
            raise NeedsError(
                f"Minari's {name} does not say its {missing[0]}, and Minari would make its "
                "environment to ask, which runs whatever code the dataset names. If you trust it, "
                f"open it yourself and read that: minari.load_dataset({name!r})."
            )
        return minari.MinariDataset(path)


def _advice(name: str) -> str:
    return f"It is damaged: get it again with: minari download {name}"


def _hdf5_of(dataset: MinariDataset, stack: ExitStack) -> Any | None:
    path = Path(dataset.storage.data_path) / "main_data.hdf5"
    return stack.enter_context(open_hdf5(path)) if path.is_file() else None


def _walk(group: Any) -> None:
    """Look at all parts of a group, each of which is checked as it is taken."""
    for name in group:
        part = group[name]
        if isinstance(part, Mapping):
            _walk(part)


def _check_space(file: Path, space: Any) -> None:
    """Refuse a space whose bounds would not fit: they are spread out when it is read."""
    if isinstance(space, dict):
        if "shape" in space:
            check_size(file, 8 * math.prod(map(operator.index, space["shape"])), "a space")
        for part in space.values():
            _check_space(file, part)
    elif isinstance(space, list):
        for part in space if any(isinstance(part, dict) for part in space) else ():
            _check_space(file, part)


def _check_whole(episode: Any, n_steps: int, name: str) -> None:
    lengths = {
        "rewards": len(episode.rewards),
        "actions": len(episode.actions),
        "terminations": len(episode.terminations),
        "truncations": len(episode.truncations),
    }
    wrong = [key for key, length in lengths.items() if length != n_steps]
    if wrong or n_states(episode.observations) not in (n_steps, n_steps + 1):
        raise FileFormatError(
            f"Minari's {name} has {n_steps} steps, {n_states(episode.observations)} observations, "
            f"and {lengths}; expected as many of all as there are steps, and an observation more."
        )
    for flags in (episode.terminations, episode.truncations):
        if np.asarray(flags).dtype.kind not in "biuf":
            raise FileFormatError(f"Minari's {name} has ends that are no truth values: {flags!r}.")
