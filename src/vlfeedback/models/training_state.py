"""State of a running training on disk, from which one that was cut off goes on.

One safetensors file: tensors of the network, of the optimiser and of torch's generators of random
numbers, and in its header the steps done, the settings and numpy's generators. Nothing in it is
executed when it is read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from vlfeedback.data.foreign_files import reading
from vlfeedback.data.seals import check_seal, sealed
from vlfeedback.data.store import as_json, check_same_settings
from vlfeedback.data.whole_files import new_file
from vlfeedback.errors import CheckpointError

__all__ = ["Generator", "TrainingState", "state_path", "torch_generators"]

_KEY = "vlfeedback-training"
_ADVICE = "Delete it to start again."
_NETWORK, _OPTIMISER, _GENERATOR = "network.", "optimiser.", "generator."

Generator = np.random.Generator | torch.Generator
"""What draws random numbers in a training."""


def state_path(out: str | Path, stage: str = "") -> Path:
    """Where the state of a training is kept that will write the weights file `out`."""
    out = Path(out)
    return out.with_name(".".join(filter(None, (out.stem, stage, "training.safetensors"))))


def torch_generators(device: str) -> list[torch.Generator]:
    """Torch's own generators that a training on this device draws from."""
    place = torch.device(device)
    if place.type != "cuda":
        return [torch.default_generator]
    torch.cuda.init()
    index = torch.cuda.current_device() if place.index is None else place.index
    return [torch.default_generator, torch.cuda.default_generators[index]]


class TrainingState:
    """All that the next step of a training depends on, in a file while it runs.

    A training calls `resume` once and `done` after every step; whoever began it calls `remove`
    once its outcome is saved.

    Args:
        path: where, ``*.safetensors``; None keeps nothing.
        settings: JSON values that a run which goes on must share.
        every: steps between two savings; the last step is always saved.

    Attributes:
        notes: JSON values of the training's own, saved with the rest and back after `resume`.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        settings: Mapping[str, Any] | None = None,
        *,
        every: int = 100,
    ) -> None:
        self._path = None if path is None else Path(path)
        self._settings, self._every = as_json(settings or {}), every
        self.notes: dict[str, Any] = {}

    def seconds(self) -> float:
        """Seconds that the saved training has taken; 0 where there is none.

        Raises:
            CheckpointError: the file is damaged or foreign.
            FileFormatError: it was begun with other settings.
        """
        if self._path is None or not self._path.exists():
            return 0.0
        with self._reading(self._path):
            return float(self._header(self._path).get("seconds", 0.0))

    def resume(
        self,
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        generators: Sequence[Generator] = (),
    ) -> int:
        """Restore network, optimiser and generators in place, if there is a file.

        Args:
            network: what is trained, with all that is changed by training.
            optimiser: whose state is tensors, as Adam's is.
            generators: what draws, in an order of their own; numpy's of the default kind.

        Returns:
            How many steps are done; 0 where there is no file.

        Raises:
            CheckpointError: the file is damaged or foreign.
            FileFormatError: it was begun with other settings.
        """
        self._network, self._optimiser, self._generators = network, optimiser, generators
        self._begin = time.monotonic() - self.seconds()
        if self._path is None or not self._path.exists():
            return 0
        with self._reading(self._path):
            return self._restore(self._path)

    def done(self, step: int, steps: int) -> None:
        """Save, where it is time to, after `step` of `steps`; what was saved before is replaced.

        Raises:
            OSError: the disk is full or not writable; what was saved before is whole.
        """
        if self._path is None or (step % self._every and step != steps):
            return
        tensors = {_NETWORK + name: tensor for name, tensor in self._network.state_dict().items()}
        for index, state in self._optimiser.state_dict()["state"].items():
            tensors |= {f"{_OPTIMISER}{index}.{name}": tensor for name, tensor in state.items()}
        numpy_states = {}
        for place, generator in enumerate(self._generators):
            if isinstance(generator, torch.Generator):
                tensors[f"{_GENERATOR}{place}"] = generator.get_state()
            else:
                numpy_states[str(place)] = generator.bit_generator.state
        header = {
            "step": step,
            "settings": self._settings,
            "generators": numpy_states,
            "notes": self.notes,
            "seconds": time.monotonic() - self._begin,
        }
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        with new_file(self._path) as partial:
            partial.write_bytes(sealed(save(tensors, metadata={_KEY: json.dumps(header)})))

    def remove(self) -> None:
        """Delete the file, if there is one."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _restore(self, path: Path) -> int:
        header = self._header(path)
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        self._network.load_state_dict(_under(_NETWORK, tensors))
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in _under(_OPTIMISER, tensors).items():
            index, _, name = key.partition(".")
            state.setdefault(int(index), {})[name] = tensor
        self._optimiser.load_state_dict({**self._optimiser.state_dict(), "state": state})
        generator_states = _under(_GENERATOR, tensors)
        for place, generator in enumerate(self._generators):
            if isinstance(generator, torch.Generator):
                generator.set_state(generator_states[str(place)])
            else:
                generator.bit_generator.state = header["generators"][str(place)]
        self.notes = dict(header.get("notes", {}))
        return int(header["step"])

    def _header(self, path: Path) -> dict[str, Any]:
        """What is written beside the tensors of a whole file of the same settings."""
        check_seal(path, advice=_ADVICE, error=CheckpointError)
        with safe_open(path, framework="pt") as file:
            header: dict[str, Any] = json.loads((file.metadata() or {})[_KEY])
        check_same_settings(
            header["settings"],
            self._settings,
            where=path,
            advice="Use the same ones to go on, or delete it to start again.",
        )
        return header

    def _reading(self, path: Path) -> AbstractContextManager[None]:
        return reading(path, "training state", advice=_ADVICE, error=CheckpointError)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors whose names begin with the prefix, by the rest of their names."""
    return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
