"""Trajectories from a Minari dataset, and a relabelled copy of it that says where it came from.

An episode is read and written at a time. Minari by itself packs pictures as JPEG, with losses;
a copy keeps what was read, bit by bit.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Shaped

from vlfeedback.adapters.relabelled_copies import (
    env_rewards_or_nan,
    rewards_for_copy,
    split_rewards,
)
from vlfeedback.data.learning_checks import check_finite, check_terminals
from vlfeedback.data.whole_files import new_folder
from vlfeedback.errors import (
    InvalidTypeError,
    InvalidValueError,
    NeedsError,
    ShapeError,
    UnknownNameError,
)
from vlfeedback.optional import require
from vlfeedback.types import ArrayFrames, Trajectory

if TYPE_CHECKING:
    from minari import MinariDataset

__all__ = ["check_new_id", "read", "write_relabelled"]

_NEEDED_BY = "A Minari dataset"
_METADATA = "vlfeedback"  # key of a dataset's metadata: where its rewards came from
_ENV_REWARD = "env_reward"  # key of an episode's infos
_FLATTEN = "flatten"
_COPIED = (  # of the origin's metadata
    "algorithm_name",
    "author",
    "author_email",
    "code_permalink",
    "description",
    "eval_env_spec",
    "requirements",
)


def read(
    dataset: str | MinariDataset,
    *,
    observation: str | None = None,
    pictures: str | None = None,
    trust_terminals: bool = False,
) -> Iterator[Trajectory]:
    """Read the episodes of a dataset, in order, one at a time.

    Its rewards become `Trajectory.env_rewards`; those of a dataset that `write_relabelled` made
    become `Trajectory.rewards`, with the environment's own beside them.

    Args:
        dataset: id of a local dataset, such as ``"D4RL/door/human-v2"``, or the dataset.
        observation: where observations are dictionaries, which of their arrays to take, such as
            ``"observation"``; ``"flatten"`` for all of them in one vector, in the space's order.
        pictures: which of their arrays are pictures of every state for sources that read some.
            Observations that are pictures themselves are taken without it.
        trust_terminals: take it that episodes which all terminate at the same length do so, and
            did not run into a time limit.

    Raises:
        FileNotFoundError: there is no such local dataset.
        NeedsError: observations are dictionaries and none of their arrays was chosen.
        UnknownNameError: they have no such array.
        InvalidTypeError: observations are neither arrays nor dictionaries of them.
        InvalidValueError: a number is not finite, or time-outs are marked as terminals.
        MissingExtraError: Minari is not installed.
    """
    store = _open(dataset)
    _check_choice(store.observation_space, observation, pictures, store.id)
    return _episodes(store, observation, pictures, trust_terminals)


def write_relabelled(
    new_id: str,
    trajectories: Iterable[Trajectory],
    *,
    origin: str | MinariDataset,
    source: Mapping[str, Any] | str = "",
    instruction: str | None = None,
) -> MinariDataset:
    """Copy a dataset with the trajectories' rewards in place of its own.

    All else is the origin's: observations, actions, infos, the environment. The environment's
    own rewards are kept in ``infos["env_reward"]``, whose first number, that of the reset, is
    nan. The metadata's ``"vlfeedback"`` records origin, source and instruction.

    Args:
        new_id: such as ``"door/human-vlp-v0"``; a version is part of it.
        trajectories: what `read` gave of all of the origin's episodes, in order, relabelled.
        origin: id of the local dataset that was read, or the dataset.
        source: what gave the rewards: a name, or what `vlfeedback.rewards.source_to_json` gives.
        instruction: what it was told.

    Returns:
        The new dataset, whole; after an error there is none.

    Raises:
        FileExistsError: there is a local dataset of this id.
        InvalidValueError: `new_id` is none that Minari takes.
        NeedsError: a trajectory has no rewards.
        ShapeError: trajectories are not the origin's episodes.
    """
    minari = require("minari", extra="offline", needed_by=_NEEDED_BY)
    store = _open(origin)
    folder = check_new_id(new_id)
    with new_folder(folder, hidden=True) as partial:  # Minari lists every folder without a dot
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an author or a link to code that is not given
            _copy(store, trajectories, partial / "data", new_id)
        record = {"origin": store.id, "source": source, "instruction": instruction}
        _describe(partial / "data" / "metadata.json", record)
    return minari.MinariDataset(folder / "data")


def check_new_id(new_id: str) -> Path:
    """Where a new dataset of this id will be.

    Raises:
        FileExistsError: there is a local dataset of this id.
        InvalidValueError: it is no id that Minari takes.
        MissingExtraError: Minari is not installed.
    """
    require("minari", extra="offline", needed_by=_NEEDED_BY)
    from minari.dataset.minari_dataset import parse_dataset_id
    from minari.storage.datasets_root_dir import get_dataset_path

    try:
        parse_dataset_id(new_id)
    except (ValueError, TypeError) as error:
        raise InvalidValueError(
            f"{new_id!r} is no id of Minari; expected such as 'door/human-vlp-v0', of letters, "
            "digits, - and _, with a version."
        ) from error
    folder = Path(get_dataset_path(new_id))
    if folder.exists():
        raise FileExistsError(
            f"There is a local Minari dataset {new_id!r} already; choose another id or version, or "
            f"delete it with: minari delete {new_id}"
        )
    return folder


def _open(dataset: str | MinariDataset) -> MinariDataset:
    minari = require("minari", extra="offline", needed_by=_NEEDED_BY)
    if not isinstance(dataset, str):
        return dataset
    try:
        return minari.load_dataset(dataset)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"There is no local Minari dataset {dataset!r}. See which there are with: minari list "
            f"local; or get it with: minari download {dataset}"
        ) from error


def _episodes(
    dataset: MinariDataset, observation: str | None, pictures: str | None, trust_terminals: bool
) -> Iterator[Trajectory]:
    if not trust_terminals:
        _check_terminals(dataset)
    relabelled = _METADATA in dataset.storage.metadata
    for episode in dataset.iterate_episodes():
        yield _trajectory(dataset, episode, observation, pictures, relabelled)


def _check_terminals(dataset: MinariDataset) -> None:
    metadata = dataset.storage.get_episode_metadata(dataset.episode_indices)
    lengths = [int(episode["total_steps"]) for episode in metadata]
    if len(set(lengths)) == 1:  # the first episode that did not terminate ends the search
        terminated = all(bool(e.terminations[-1]) for e in dataset.iterate_episodes())
        check_terminals(
            lengths, [terminated] * len(lengths), where=f"Minari's {dataset.id}", trusted=False
        )


def _trajectory(
    dataset: MinariDataset,
    episode: Any,
    observation: str | None,
    pictures: str | None,
    relabelled: bool,
) -> Trajectory:
    name = f"{dataset.id}/{episode.id:06d}"
    length = len(episode)
    observations = _observations(episode.observations, observation)
    rewards = np.asarray(episode.rewards, dtype=np.float32)
    for key, rows in (
        ("rewards", rewards),
        ("observations", observations),
        ("actions", episode.actions),
    ):
        check_finite(rows, name=key, where=f"Minari's {name}", first=0)
    infos = episode.infos or {}
    own = infos.get(_ENV_REWARD, np.full(length, np.nan))[-length:] if relabelled else None
    relabelled_rewards, env_rewards = split_rewards(rewards, own)
    return Trajectory(
        observations=observations,
        actions=episode.actions,
        rewards=relabelled_rewards,
        env_rewards=env_rewards,
        successes=_successes(infos, length),
        terminated=bool(episode.terminations[-1]),
        truncated=bool(episode.truncations[-1]),
        frames=_frames(episode.observations, pictures),
        id=name,
    )


def _check_choice(space: Any, observation: str | None, pictures: str | None, name: str) -> None:
    keys = list(getattr(space, "spaces", None) or ())
    if not keys or not hasattr(space, "keys"):
        if observation is None and pictures is None and space.shape is not None:
            return
        raise InvalidTypeError(
            f"Observations of {name} are {space}; expected arrays, of which there is nothing to "
            "choose, or a dictionary of arrays."
        )
    for option, key in (("observation", observation), ("pictures", pictures)):
        if key is not None and key not in keys and (option, key) != ("observation", _FLATTEN):
            raise UnknownNameError(
                f"{option}={key!r} is none of the arrays of {name}'s observations: {keys}."
            )
    if observation is None:
        raise NeedsError(
            f"Observations of {name} are dictionaries of {keys}; choose one of them with "
            f"observation={keys[0]!r}, or take all in one vector with observation={_FLATTEN!r}."
        )


def _observations(observations: Any, observation: str | None) -> Shaped[np.ndarray, "L1 ..."]:
    if not isinstance(observations, dict):
        return np.asarray(observations)
    if observation != _FLATTEN:
        array = observations[observation]
        return _flattened(array) if isinstance(array, dict) else np.asarray(array)
    return _flattened(observations)


def _flattened(observations: dict[str, Any]) -> Shaped[np.ndarray, "L1 D"]:
    parts = [_flattened(v) if isinstance(v, dict) else np.asarray(v) for v in observations.values()]
    return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


def _frames(observations: Any, pictures: str | None) -> ArrayFrames | None:
    """Pictures of every state, where there are some."""
    frames = observations.get(pictures) if isinstance(observations, dict) else observations
    if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8 or frames.ndim != 4:
        if pictures is not None:
            raise ShapeError(
                f"pictures={pictures!r} chooses an array that is no stack of pictures; expected "
                "(L + 1, H, W, 3) uint8."
            )
        return None
    return ArrayFrames(np.arange(len(frames)), frames) if frames.shape[-1] == 3 else None


def _successes(infos: Mapping[str, Any], length: int) -> Bool[np.ndarray, " L"] | None:
    success = infos.get("success")
    if not isinstance(success, np.ndarray) or len(success) < length:
        return None
    # The first may be the reset's.
    return np.asarray(success[-length:].reshape(length, -1).any(axis=1))


def _copy(origin: MinariDataset, trajectories: Iterable[Trajectory], to: Path, new_id: str) -> None:
    from minari.data_collector import EpisodeBuffer
    from minari.dataset.minari_storage import MinariStorage

    storage = MinariStorage.new(
        to,
        observation_space=origin.observation_space,
        action_space=origin.action_space,
        env_spec=origin.env_spec,
        data_format=origin.storage.FORMAT,
        jpeg_encoding=False,
    )
    metadata = {k: v for k, v in origin.storage.metadata.items() if k in _COPIED}
    storage.update_metadata(
        {**metadata, "dataset_id": new_id, "minari_version": origin.minari_version}
    )
    relabelled = iter(trajectories)
    for episode in origin.iterate_episodes():
        trajectory = next(relabelled, None)
        name = f"{origin.id}/{episode.id:06d}"
        rewards = rewards_for_copy(trajectory, name=name, n_steps=len(episode))
        assert trajectory is not None  # or it would have been refused
        own = np.append(np.float32(np.nan), env_rewards_or_nan(trajectory))
        storage.update_episodes(
            [
                EpisodeBuffer(
                    observations=episode.observations,
                    actions=episode.actions,
                    rewards=rewards,
                    terminations=episode.terminations,
                    truncations=episode.truncations,
                    infos={**(episode.infos or {}), _ENV_REWARD: own},
                )
            ]
        )
    if next(relabelled, None) is not None:
        raise ShapeError(f"There are more trajectories than {origin.id} has episodes.")


def _describe(path: Path, record: dict[str, Any]) -> None:
    metadata = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**metadata, _METADATA: record}), encoding="utf-8")
