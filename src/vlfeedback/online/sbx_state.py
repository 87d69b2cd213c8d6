"""Algorithms of sbx: what one is at a moment, as tensors, and a critic of it begun anew.

sbx (``sbx-rl``) is stable-baselines3 with networks in JAX. What learns there are trees of arrays
under a few names, which every update replaces by new ones.

Whoever has such an algorithm has imported JAX; this module is imported only then.

Code read: araffin/sbx at 0.28.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax.tree_util import keystr, tree_flatten_with_path
from torch import Tensor

__all__ = ["reset_sbx_critic", "restore_sbx", "sbx_tensors"]

_CRITICS = ("qf_state", "qf1_state", "qf2_state")  # TQC has two
_OF_POLICY = ("actor_state", *_CRITICS, "key", "noise_key")
_OF_ALGORITHM = ("ent_coef_state", "key", "reset_idx")


def sbx_tensors(algorithm: Any) -> dict[str, Tensor]:
    """Networks, targets, optimisers, temperature and random keys, named by their places.

    Args:
        algorithm: CrossQ, DDPG, SAC, TD3 or TQC of sbx.
    """
    leaves, _ = tree_flatten_with_path(_trees(algorithm))
    return {_name(path): torch.from_numpy(np.array(jnp.asarray(leaf))) for path, leaf in leaves}


def restore_sbx(algorithm: Any, tensors: Mapping[str, Tensor]) -> None:
    """Go back to `sbx_tensors`, in an algorithm that was made alike.

    Raises:
        KeyError: a tensor is missing.
        ValueError: one has another shape.
    """
    leaves, structure = tree_flatten_with_path(_trees(algorithm))
    arrays = []
    for path, leaf in leaves:
        array = jnp.array(tensors[_name(path)].numpy())
        if array.shape != np.shape(leaf):
            raise ValueError(f"{_name(path)} has shape {array.shape}; expected {np.shape(leaf)}.")
        arrays.append(int(array) if isinstance(leaf, int) else array)  # counters begin as such
    trees = jax.tree.unflatten(structure, arrays)
    for owner, values in ((algorithm, trees["algorithm"]), (algorithm.policy, trees["policy"])):
        for name, value in values.items():
            setattr(owner, name, value)


def reset_sbx_critic(algorithm: Any) -> None:
    """Give it a fresh critic, its target and its optimiser; see `reset_critic`.

    First weights are drawn by the algorithm's own key.

    Args:
        algorithm: CrossQ, DDPG, SAC, TD3 or TQC of sbx.
    """
    policy = algorithm.policy
    fresh = type(policy)(
        algorithm.observation_space,
        algorithm.action_space,
        algorithm.lr_schedule,
        **algorithm.policy_kwargs,
    )
    algorithm.key = fresh.build(algorithm.key, algorithm.lr_schedule, algorithm.qf_learning_rate)
    for name in _CRITICS:
        if hasattr(policy, name):
            # Its arrays alone: by all else of the old tree, updates know that they are compiled.
            structure = jax.tree.structure(getattr(policy, name))
            arrays = jax.tree.leaves(getattr(fresh, name))
            setattr(policy, name, jax.tree.unflatten(structure, arrays))


def _trees(algorithm: Any) -> dict[str, dict[str, Any]]:
    owners = (("algorithm", algorithm, _OF_ALGORITHM), ("policy", algorithm.policy, _OF_POLICY))
    return {
        kind: {name: getattr(owner, name) for name in names if hasattr(owner, name)}
        for kind, owner, names in owners
    }


def _name(path: tuple[Any, ...]) -> str:
    return "sbx/" + keystr(path, simple=True, separator="/")
