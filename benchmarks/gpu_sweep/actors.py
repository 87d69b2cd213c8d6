"""Actors of many runs in few files: their parameters in float16, and a description in JSON.

``actors.json`` has of each run how it was trained, its learner as d3rlpy describes it, and of which
steps there are actors; ``actors-<n>.safetensors`` the parameters, named ``<run>/<step>``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from d3rlpy.base import LearnableConfigWithShape
from jaxtyping import Float16
from safetensors import safe_open
from safetensors.numpy import save_file

from vlfeedback.data.foreign_files import reading
from vlfeedback.data.whole_files import new_file, read_json, write_json
from vlfeedback.errors import InvalidValueError

# d3rlpy finds our learners once their modules are imported.
from vlfeedback.offline import bc, cpl, ipl, iql, sft  # noqa: F401

MAX_FILES = 7  # and the description: what is copied from a borrowed machine may be 8 files ...
MAX_BYTES = 16 * 2**20  # ... of so many bytes
_HEADER_BYTES = 256  # of a file's header, and of an actor's entry in it, at most
_DESCRIPTION = "actors.json"
_ADVICE = "Train them again."


def check_fit(sizes: Sequence[int]) -> None:
    """Refuse more actors than fit, given how many parameters each has.

    Raises:
        InvalidValueError: they do not fit.
    """
    used = [0]
    for size in sizes:
        if used[-1] + _bytes(size) > MAX_BYTES - _HEADER_BYTES:
            used.append(0)
        used[-1] += _bytes(size)
    if len(used) > MAX_FILES or max(used) > MAX_BYTES - _HEADER_BYTES:
        total = sum(_bytes(size) for size in sizes)
        raise InvalidValueError(
            f"{len(sizes)} actors take {total / 2**20:.0f} MiB, and {MAX_FILES} files of "
            f"{MAX_BYTES / 2**20:.0f} MiB have no space for them. Train fewer learners at a time "
            "(--learners), or keep fewer actors of each run (--actors)."
        )


def actor_of(policy: Any) -> Float16[np.ndarray, " P"]:
    """All parameters of a learner's policy."""
    flat = policy.impl.policy.mlp.flat.detach()[0]
    return np.asarray(flat.cpu().numpy().astype(np.float16))


def describe_learner(policy: Any) -> str:
    """A built learner's settings, scalers and shapes; JSON."""
    impl = policy.impl
    described = LearnableConfigWithShape(
        observation_shape=impl.observation_shape, action_size=impl.action_size, config=policy.config
    )
    return str(described.serialize())


class ActorWriter:
    """Fills a folder run by run; what was added is there after each `write`.

    Raises:
        InvalidValueError: the folder is not empty.
    """

    def __init__(self, folder: Path, description: Mapping[str, Any]) -> None:
        if folder.exists() and any(folder.iterdir()):
            raise InvalidValueError(f"{folder} is not empty; choose a new folder.")
        self._folder, self._description = folder, dict(description)
        self._runs: dict[str, Any] = {}
        self._files: list[dict[str, np.ndarray]] = [{}]
        self._first_changed = 0

    def add(self, run: str, actors: Mapping[int, np.ndarray], facts: Mapping[str, Any]) -> None:
        """Add a run's actors by step, and what is known of the run."""
        where = {}
        for step, actor in actors.items():
            used = sum(_bytes(other.size) for other in self._files[-1].values())
            if used + _bytes(actor.size) > MAX_BYTES - _HEADER_BYTES:
                self._files.append({})
            self._files[-1][f"{run}/{step}"] = actor
            where[str(step)] = self._name(len(self._files) - 1)
        self._runs[run] = {**facts, "actors": where}

    def write(self) -> None:
        """Write the files that have changed, and the description last."""
        for number in range(self._first_changed, len(self._files)):
            with new_file(self._folder / self._name(number)) as partial:
                save_file(self._files[number], partial)
        self._first_changed = len(self._files) - 1
        write_json(self._folder / _DESCRIPTION, self._description | {"runs": self._runs}, indent=1)

    def _name(self, number: int) -> str:
        return f"actors-{number}.safetensors"


class SavedActors:
    """What an `ActorWriter` wrote.

    Raises:
        FileNotFoundError: there is nothing.
        FileFormatError: it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / _DESCRIPTION
        if not path.is_file():
            raise FileNotFoundError(f"No actors in {folder}: it has no {_DESCRIPTION}.")
        description = read_json(path, advice=_ADVICE)
        with reading(path, "description of actors", advice=_ADVICE):
            self.runs: dict[str, Any] = description.pop("runs")
        self.folder, self.description = folder, description

    @torch.no_grad()
    def policies(self, run: str) -> Iterator[tuple[int, Any]]:
        """The learner with each of the run's actors, and the steps before it; one and the same."""
        facts = self.runs[run]
        with reading(self.folder / _DESCRIPTION, "description of a learner", advice=_ADVICE):
            learner = LearnableConfigWithShape.deserialize(facts["learner"]).create("cpu")
        flat = learner.impl.policy.mlp.flat
        for step, name in facts["actors"].items():
            path = self.folder / Path(name).name
            with (
                reading(path, "file of actors", advice=_ADVICE),
                safe_open(path, framework="pt") as file,
            ):
                flat.copy_(file.get_tensor(f"{run}/{step}").view_as(flat))
            yield int(step), learner


def _bytes(size: int) -> int:
    return 2 * size + _HEADER_BYTES
