"""What an algorithm is at a moment: tensors and JSON values.

It is of stable-baselines3, or of sbx, whose networks are in JAX.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.save_util import recursive_getattr
from torch import Tensor

from vlfeedback.models.training_state import torch_generators

__all__ = ["algorithm_state", "restore_algorithm"]

_COUNTERS = ("num_timesteps", "_n_updates", "_episode_num", "_current_progress_remaining")


def algorithm_state(model: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Networks, optimisers, and all generators that it draws from; its buffer is not there.

    The generators are numpy's and torch's global ones, which stable-baselines3 draws from, and
    that of its action space.
    """
    tensors: dict[str, Tensor] = {}
    for name, saved in model.get_parameters().items():
        if "param_groups" not in saved:
            tensors |= {f"{name}/{key}": tensor for key, tensor in saved.items()}
            continue
        for index, state in saved["state"].items():
            tensors |= {f"{name}/{index}/{key}": torch.as_tensor(t) for key, t in state.items()}
    for name in model._get_torch_save_params()[1]:  # single tensors, such as the temperature
        tensors[f"variable/{name}"] = recursive_getattr(model, name)
    if _is_of_sbx(model):
        from vlfeedback.online.sbx_state import sbx_tensors

        tensors |= sbx_tensors(model)
    for k, generator in enumerate(torch_generators(str(model.device))):
        tensors[f"generator/{k}"] = generator.get_state()
    kind, keys, *rest = np.random.get_state(legacy=True)
    notes = {name: getattr(model, name) for name in _COUNTERS if hasattr(model, name)}
    notes["begins"] = np.asarray(model._last_episode_starts).tolist()
    notes["numpy"] = [kind, np.asarray(keys).tolist(), *rest]
    notes["actions"] = model.action_space.np_random.bit_generator.state
    return tensors, notes


def restore_algorithm(model: Any, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
    """Go back to an `algorithm_state`, in an algorithm that was made alike.

    Raises:
        KeyError: a tensor is missing.
        ValueError: they are of an algorithm of another kind or shape.
    """
    parameters = model.get_parameters()
    for name, saved in parameters.items():
        own = {
            k.removeprefix(f"{name}/"): t for k, t in tensors.items() if k.startswith(f"{name}/")
        }
        if "param_groups" not in saved:
            saved.update({key: own[key] for key in saved})
            continue
        saved["state"] = {}
        for key, tensor in own.items():
            index, _, what = key.partition("/")
            saved["state"].setdefault(int(index), {})[what] = tensor
    model.set_parameters(parameters, device=model.device)
    for name in model._get_torch_save_params()[1]:
        recursive_getattr(model, name).data = tensors[f"variable/{name}"].to(model.device)
    if _is_of_sbx(model):
        from vlfeedback.online.sbx_state import restore_sbx

        restore_sbx(model, tensors)
    for k, generator in enumerate(torch_generators(str(model.device))):
        generator.set_state(tensors[f"generator/{k}"])
    kind, keys, *rest = notes["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
    model.action_space.np_random.bit_generator.state = notes["actions"]
    for name in _COUNTERS:
        if name in notes:
            setattr(model, name, notes[name])
    if notes["begins"] is not None:
        model._last_episode_starts = np.array(notes["begins"], dtype=np.bool_)


def _is_of_sbx(model: Any) -> bool:
    return hasattr(model.policy, "actor_state")
