"""A training on disk while it runs, so that one that was cut off goes on where it was.

One safetensors file: tensors of the network and of the optimiser, and in its header the steps
done and the settings. Nothing in it is executed when it is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from vlfeedback.errors import CheckpointError, FileFormatError

__all__ = ["load_training_state", "save_training_state"]

_NETWORK, _OPTIMISER = "network.", "optimiser."


def save_training_state(
    path: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    *,
    step: int,
    settings: Mapping[str, Any],
) -> None:
    """Write the state after `step` steps; a file that is there is replaced at the end.

    Args:
        path: where, ``*.safetensors``.
        network: what is trained.
        optimiser: whose state is tensors, as Adam's is.
        step: how many steps are done.
        settings: JSON values that a run which goes on must share.
    """
    tensors = {_NETWORK + name: tensor for name, tensor in network.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"{_OPTIMISER}{index}.{name}": tensor for name, tensor in state.items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = json.dumps({"step": step, "settings": dict(settings)})
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    save_file(tensors, partial, metadata={"vlfeedback-training": header})
    partial.replace(path)


def load_training_state(
    path: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    *,
    settings: Mapping[str, Any],
) -> int:
    """Fill network and optimiser, in place, if there is something to go on with.

    Returns:
        How many steps are done; 0 where there is no file.

    Raises:
        CheckpointError: the file is truncated or foreign.
        FileFormatError: it was begun with other settings.
    """
    if not path.exists():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["vlfeedback-training"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError, KeyError) as error:
        raise CheckpointError(
            f"{path} is no readable training state ({error}); delete it to start again."
        ) from error
    begun, now = header["settings"], json.loads(json.dumps(dict(settings)))
    differing = [
        f"{name} was {begun.get(name)!r} and is {now.get(name)!r}"
        for name in sorted({*begun, *now})
        if begun.get(name) != now.get(name)
    ]
    if differing:
        raise FileFormatError(
            f"{path} was begun with other settings: {'; '.join(differing)}. Use the same ones to "
            "go on, or delete it to start again."
        )
    network.load_state_dict(
        {name.removeprefix(_NETWORK): t for name, t in tensors.items() if name.startswith(_NETWORK)}
    )
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith(_OPTIMISER):
            index, _, name = key.removeprefix(_OPTIMISER).partition(".")
            state.setdefault(int(index), {})[name] = tensor
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    return int(header["step"])
