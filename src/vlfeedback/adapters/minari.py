"""Trajectories from a Minari dataset, and a relabelled copy of it that says where it came from.

An episode is read and written at a time. Minari by itself packs pictures as JPEG, with losses;
a copy keeps what was read, bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool

from vlfeedback.adapters.minari_copies import ENV_REWARD, RECORD, check_new_id, write_relabelled
from vlfeedback.adapters.minari_observations import ObservationChoice
from vlfeedback.adapters.minari_store import episodes_of, open_minari
from vlfeedback.adapters.relabelled_copies import split_rewards
from vlfeedback.data.foreign_files import reading
from vlfeedback.data.learning_checks import check_finite, check_terminals
from vlfeedback.types import Trajectory

if TYPE_CHECKING:
    from minari import MinariDataset

__all__ = ["check_new_id", "read", "write_relabelled"]


def read(
    dataset: str | MinariDataset,
    *,
    observation: str | None = None,
    pictures: str | None = None,
    instruction: str | None = None,
    trust_terminals: bool = False,
) -> Iterator[Trajectory]:
    """Read the episodes of a dataset, in order, one at a time.

    Its rewards become `Trajectory.env_rewards`; those of a dataset that `write_relabelled` made
    become `Trajectory.rewards`, with the environment's own beside them. Where an episode has no
    observation after its last action, the last one stands there twice
    (``info["last_observation"]`` says so).

    Args:
        dataset: id of a local dataset, such as ``"D4RL/door/human-v2"``, or the dataset.
        observation: where observations are dictionaries or tuples, which of their arrays to take,
            such as ``"observation"``, or ``"0"`` in a tuple; ``"flatten"`` for all of them in one
            vector, in the space's order, without texts. Where there is one array, it is taken.
        pictures: which of their arrays are pictures of every state for sources that read some.
            Observations that are pictures themselves are taken without it.
        instruction: which of their texts is what the episode is to do, such as MiniGrid's
            ``"mission"``; it becomes `Trajectory.instruction` if it stays the same all along.
            Where there is one text, it is taken; "" for none.
        trust_terminals: take it that episodes which all terminate at the same length do so, and
            did not run into a time limit.

    Raises:
        FileFormatError: it is damaged.
        FileNotFoundError: there is no such local dataset.
        NeedsError: observations have several arrays and none was chosen, or it does not say of
            which spaces it is.
        UnknownNameError: they have no such array or text.
        InvalidTypeError: observations have no arrays, or actions are none.
        InvalidValueError: this is no id of Minari, a number is not finite, or time-outs are marked
            as terminals.
        MissingExtraError: Minari is not installed.
    """
    store = open_minari(dataset)
    choice = ObservationChoice.of(
        store.observation_space,
        observation=observation,
        pictures=pictures,
        instruction=instruction,
        name=store.id,
    )
    return _episodes(store, choice, trust_terminals)


def _episodes(
    dataset: MinariDataset, choice: ObservationChoice, trust_terminals: bool
) -> Iterator[Trajectory]:
    where = f"Minari's {dataset.id}"
    with reading(where, "Minari dataset"):
        relabelled = RECORD in dataset.storage.metadata
    if not trust_terminals:
        _check_terminals(dataset)
    for episode, _ in episodes_of(dataset):
        name = f"{dataset.id}/{int(episode.id):06d}"
        with reading(f"Minari's {name}", "episode of Minari"):
            trajectory = _trajectory(episode, choice, name, relabelled)
        yield trajectory


def _check_terminals(dataset: MinariDataset) -> None:
    with reading(f"Minari's {dataset.id}", "Minari dataset"):
        metadata = dataset.storage.get_episode_metadata(dataset.episode_indices)
        lengths = [int(episode["total_steps"]) for episode in metadata]
    if len(set(lengths)) == 1:  # the first episode that did not terminate ends the search
        terminated = all(bool(e.terminations[-1]) for e, _ in episodes_of(dataset))
        check_terminals(
            lengths, [terminated] * len(lengths), where=f"Minari's {dataset.id}", trusted=False
        )


def _trajectory(episode: Any, choice: ObservationChoice, name: str, relabelled: bool) -> Trajectory:
    length = len(episode)
    observations = choice.numbers(episode.observations)
    actions = np.asarray(episode.actions)
    for key, rows in (("observations", observations), ("actions", actions)):
        check_finite(rows, name=key, where=f"Minari's {name}", first=0)
    repeated = len(observations) == length
    if repeated:
        observations = np.concatenate([observations, observations[-1:]])
    infos = episode.infos or {}
    own = infos.get(ENV_REWARD, np.full(length, np.nan))[-length:] if relabelled else None
    rewards, env_rewards = split_rewards(np.asarray(episode.rewards), own, where=f"Minari's {name}")
    return Trajectory(
        observations=observations,
        actions=actions,
        rewards=rewards,
        env_rewards=env_rewards,
        successes=_successes(infos, length),
        terminated=bool(episode.terminations[-1]),
        truncated=bool(episode.truncations[-1]),
        frames=choice.frames(episode.observations),
        id=name,
        instruction=choice.text(episode.observations),
        last_observation_repeated=repeated,
    )


def _successes(infos: Mapping[str, Any], length: int) -> Bool[np.ndarray, " L"] | None:
    success = infos.get("success")
    if not isinstance(success, np.ndarray) or len(success) < length:
        return None
    # The first may be the reset's.
    return np.asarray(success[-length:].reshape(length, -1).any(axis=1))
