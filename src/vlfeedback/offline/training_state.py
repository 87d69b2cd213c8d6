"""State of a training in one safetensors file: all that its next step depends on.

A state is nested dictionaries, lists and tuples of tensors, arrays, numbers and texts, and comes
back as it was. Nothing in the file is executed when it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vlfeedback.errors import InvalidTypeError
from vlfeedback.models.checkpoint import (
    CheckpointFormat,
    read_checkpoint,
    save_checkpoint,
    understanding,
)

__all__ = ["algorithm_state", "load_algorithm_state", "load_state", "save_state"]

_FORMAT = CheckpointFormat(
    "vlfeedback-policy-training", 3, model="training of a policy", made_by="vlfeedback train"
)


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state, whole or not at all.

    Raises:
        TypeError: it holds something else than the module's header says.
    """
    tensors: dict[str, Tensor] = {}
    description = _describe(state, tensors)
    save_checkpoint(path, tensors, {"state": description}, file_format=_FORMAT)


def load_state(path: Path) -> dict[str, Any] | None:
    """Read what `save_state` wrote; None where there is no file.

    Raises:
        CheckpointError: it is truncated, foreign, or of another version.
    """
    if not path.is_file():
        return None
    description, tensors = read_checkpoint(path, file_format=_FORMAT)
    with understanding(path, file_format=_FORMAT):
        return dict(_restore(description["state"], tensors))


def algorithm_state(algo: Any) -> dict[str, Any]:
    """Networks, optimisers, schedules, random generators and count of a d3rlpy algorithm.

    torch's own generator is part of it: d3rlpy's learners draw dropout masks from it.
    """
    generators = getattr(algo.impl, "generators", ())
    return {
        "modules": {name: part.state_dict() for name, part in _parts(algo)},
        "generators": [generator.get_state() for generator in generators],
        "torch_generator": torch.get_rng_state(),
        "grad_step": algo.grad_step,
    }


def load_algorithm_state(algo: Any, state: Mapping[str, Any]) -> None:
    """Restore a built algorithm of the same settings from an `algorithm_state`."""
    for name, part in _parts(algo):
        part.load_state_dict(state["modules"][name])
    for generator, drawn in zip(
        getattr(algo.impl, "generators", ()), state["generators"], strict=True
    ):
        generator.set_state(drawn)
    torch.set_rng_state(state["torch_generator"])
    algo.set_grad_step(state["grad_step"])


def _parts(algo: Any) -> list[tuple[str, Any]]:
    modules = algo.impl.modules
    parts = [(field.name, getattr(modules, field.name)) for field in fields(modules)]
    return [(name, part) for name, part in parts if hasattr(part, "state_dict")]


def _describe(value: Any, tensors: dict[str, Tensor]) -> Any:
    """JSON values, with a name in place of each array, which goes to `tensors`."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor | np.ndarray):
        kind = "tensor" if isinstance(value, Tensor) else "array"
        name = str(len(tensors))
        tensors[name] = torch.as_tensor(value)
        return {kind: name}
    if isinstance(value, Mapping):
        return {"dict": [[key, _describe(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_describe(item, tensors) for item in value]}
    raise InvalidTypeError(
        f"{value!r} is no part of a training's state; expected tensors, arrays, numbers, texts, "
        "and dictionaries, lists and tuples of them."
    )


def _restore(description: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(description, dict):
        return description
    ((kind, value),) = description.items()
    if kind == "dict":
        return {key: _restore(item, tensors) for key, item in value}
    if kind in ("list", "tuple"):
        items = [_restore(item, tensors) for item in value]
        return items if kind == "list" else tuple(items)
    return tensors[value] if kind == "tensor" else tensors[value].numpy()
