"""Policies of stable-baselines3 from the files of ``model.save``, with nothing in them executed.

Such a zip holds weights, which are read as weights alone, and the algorithm's arguments as JSON
with pickles in it. stable-baselines3's own ``load`` unpickles; this reads the JSON around them,
and refuses a policy of which it does not say enough.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym

from vlfeedback.data.foreign_files import reading
from vlfeedback.errors import CheckpointError
from vlfeedback.optional import require

__all__ = ["load_policy"]

# By the module that a file names: policies of vectors.
_POLICIES = {
    "stable_baselines3.common.policies": "ActorCriticPolicy",  # A2C, PPO
    "stable_baselines3.dqn.policies": "DQNPolicy",
    "stable_baselines3.sac.policies": "SACPolicy",
    "stable_baselines3.td3.policies": "TD3Policy",  # DDPG too
}
_NOT_NEEDED = (":type:", ":serialized:", "optimizer_class", "optimizer_kwargs")
_ACTIVATION = re.compile(r"<class 'torch\.nn\.modules\.activation\.(\w+)'>")
_MOST_BYTES = 2**30  # of what the zip unpacks to
_ADVICE = (
    "If you trust where it comes from, load it in a module of yours, and give its function: "
    "--policy my_module:act."
)


def load_policy(
    path: str | Path, observation_space: gym.Space[Any], action_space: gym.Space[Any]
) -> Any:
    """The policy of a model that stable-baselines3 saved, to call `predict` of.

    Args:
        path: what ``model.save(path)`` of A2C, DDPG, DQN, PPO, SAC or TD3 wrote, with
            ``"MlpPolicy"`` and no other `policy_kwargs` than widths, numbers and activations.
        observation_space: of the environment that it acts in.
        action_space: likewise.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is damaged or no such file, its policy is of another kind, or does not
            fit the spaces.
        MissingExtraError: stable-baselines3 is not installed.
    """
    require("stable_baselines3", extra="online", needed_by=f"The policy {path}")
    import importlib

    import torch

    with (
        reading(path, "model of stable-baselines3", advice=_ADVICE, error=CheckpointError),
        zipfile.ZipFile(path) as archive,
    ):
        arguments = json.loads(_unpacked(archive, "data"))
        module = arguments["policy_class"]["__module__"]
        kwargs = _plain(arguments["policy_kwargs"] or {})
        weights = {}
        if module in _POLICIES:  # those of sbx have no weights beside their pickles
            file = io.BytesIO(_unpacked(archive, "policy.pth"))
            weights = torch.load(file, "cpu", weights_only=True)
    if module not in _POLICIES or kwargs is None:
        what = "settings that are pickled" if module in _POLICIES else f"a policy of {module}"
        raise CheckpointError(f"{path} has {what}, which is not read. {_ADVICE}")
    with (
        reading(path, "policy for this environment", advice=_ADVICE, error=CheckpointError),
        torch.random.fork_rng(devices=[]),  # weights are drawn first, and then replaced
    ):
        kind = getattr(importlib.import_module(module), _POLICIES[module])
        policy = kind(observation_space, action_space, lambda _: 0.0, **kwargs)
        policy.load_state_dict(weights)
    policy.set_training_mode(False)
    return policy


def _plain(kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """Arguments of a policy; None where there are others than plain ones and activations.

    Beside a pickle the file has what is plain in it, and of the rest the text that Python prints.
    """
    from torch import nn

    plain = {name: value for name, value in kwargs.items() if name not in _NOT_NEEDED}
    if ":serialized:" in kwargs:
        for name, value in plain.items():
            activation = _ACTIVATION.fullmatch(value) if isinstance(value, str) else None
            if activation is not None:
                plain[name] = getattr(nn, activation[1])
            elif isinstance(value, str):
                return None
    return plain


def _unpacked(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _MOST_BYTES:
        raise CheckpointError(f"{archive.filename}: {name} unpacks to more than a gigabyte.")
    return archive.read(name)
