"""A copy of a Minari dataset with other rewards, which says where it came from."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vlfeedback.adapters.minari_observations import n_states
from vlfeedback.adapters.minari_store import NEEDED_BY, episodes_of, metadata_of, open_minari
from vlfeedback.adapters.relabelled_copies import (
    env_rewards_or_nan,
    refuse_more,
    reward_rows,
    rewards_for_copy,
)
from vlfeedback.data.whole_files import new_folder
from vlfeedback.errors import FileFormatError, InvalidValueError
from vlfeedback.optional import require
from vlfeedback.types import Trajectory

if TYPE_CHECKING:
    from minari import MinariDataset

__all__ = ["ENV_REWARD", "RECORD", "check_new_id", "write_relabelled"]

RECORD = "vlfeedback"  # key of a dataset's metadata: where its rewards came from
ENV_REWARD = "env_reward"  # key of an episode's infos
_NOTED = ("id", "total_steps", "seed", "options")  # of each episode, by Minari itself


def write_relabelled(
    new_id: str,
    trajectories: Iterable[Trajectory],
    *,
    origin: str | MinariDataset,
    source: Mapping[str, Any] | str = "",
    instruction: str | None = None,
) -> MinariDataset:
    """Copy a dataset with the trajectories' rewards in place of its own.

    All else is the origin's: observations, actions, infos, seeds, metadata, the environment. The
    environment's own rewards are kept in ``infos["env_reward"]``, whose first number, that of the
    reset, is nan. The metadata's ``"vlfeedback"`` records origin, source and instruction.

    Args:
        new_id: such as ``"door/human-vlp-v0"``; a version is part of it.
        trajectories: what `read` gave of all of the origin's episodes, in order, relabelled.
        origin: id of the local dataset that was read, or the dataset.
        source: what gave the rewards: a name, or what `vlfeedback.rewards.source_to_json` gives.
        instruction: what it was told.

    Returns:
        The new dataset, whole, which was read once; after an error there is none.

    Raises:
        FileExistsError: there is a local dataset of this id.
        FileFormatError: the origin is damaged, or Minari cannot read what it wrote of it.
        InvalidValueError: `new_id` is none that Minari takes.
        NeedsError: a trajectory has no rewards.
        ShapeError: trajectories are not the origin's episodes.
    """
    minari = require("minari", extra="offline", needed_by=NEEDED_BY)
    store = open_minari(origin)
    folder = check_new_id(new_id)
    with new_folder(folder, hidden=True) as partial:  # Minari lists every folder without a dot
        data = partial / "data"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an author or a link to code that is not given
            rewards = _copy(store, trajectories, data, new_id)
        record = {"origin": store.id, "source": source, "instruction": instruction}
        _describe(data / "metadata.json", metadata_of(Path(store.storage.data_path)), record)
        _check_copy(minari.MinariDataset(data), rewards)
    return minari.MinariDataset(folder / "data")


def check_new_id(new_id: str) -> Path:
    """Where a new dataset of this id will be.

    Raises:
        FileExistsError: there is a local dataset of this id.
        InvalidValueError: it is no id that Minari takes.
        MissingExtraError: Minari is not installed.
    """
    require("minari", extra="offline", needed_by=NEEDED_BY)
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


def _copy(
    origin: MinariDataset, trajectories: Iterable[Trajectory], to: Path, new_id: str
) -> list[np.ndarray]:
    """Write all episodes; gives back the rewards of each."""
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
    storage.update_metadata({"dataset_id": new_id, "minari_version": origin.minari_version})
    relabelled, written = iter(trajectories), []
    for number, (episode, about) in enumerate(episodes_of(origin)):
        trajectory = next(relabelled, None)
        name = f"{origin.id}/{int(episode.id):06d}"
        rewards = rewards_for_copy(trajectory, name=name, n_steps=len(episode))
        assert trajectory is not None  # or it would have been refused
        after_reset = n_states(episode.observations) - len(episode)
        own = np.append(np.full(after_reset, np.nan), env_rewards_or_nan(trajectory))
        infos = {**(episode.infos or {}), ENV_REWARD: own.astype(np.float32)}
        buffer = EpisodeBuffer(
            seed=about.get("seed"),
            options=about.get("options"),
            observations=episode.observations,
            actions=episode.actions,
            rewards=rewards,
            terminations=episode.terminations,
            truncations=episode.truncations,
            infos=infos if storage.FORMAT == "hdf5" else _listed(infos),
        )
        storage.update_episodes([buffer])
        noted = {key: value for key, value in about.items() if key not in _NOTED}
        if noted:
            storage.update_episode_metadata([noted], [number])
        written.append(rewards)
    refuse_more(relabelled, origin.id)
    return written


def _listed(infos: Mapping[str, Any]) -> dict[str, Any]:
    """Infos with single numbers as lists: of arrays (L + 1,) Minari's Arrow writes none it reads.

    Its own collector gives lists, which come back as the arrays that they were.
    """
    return {
        key: _listed(value)
        if isinstance(value, dict)
        else list(value)
        if isinstance(value, np.ndarray) and value.ndim == 1
        else value
        for key, value in infos.items()
    }


def _describe(path: Path, origin: Mapping[str, Any], record: dict[str, Any]) -> None:
    """Add to the copy's metadata what the origin's say, and where the rewards came from."""
    own = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**origin, **own, RECORD: record}), encoding="utf-8")


def _check_copy(copy: MinariDataset, rewards: list[np.ndarray]) -> None:
    """Read all of the copy."""
    episodes = (reward_rows(episode.rewards) for episode, _ in episodes_of(copy))
    same = [np.array_equal(rows, written) for rows, written in zip(episodes, rewards, strict=False)]
    if not all(same) or len(same) != len(rewards) or copy.total_episodes != len(rewards):
        raise FileFormatError(
            f"Minari reads other rewards of {copy.id} than were written, so the copy is not kept. "
            "Bring the dataset into Minari's format hdf5 first."
        )
