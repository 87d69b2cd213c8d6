"""Preferences to and from the npz files of CPL and IPL, which hold segments without episodes.

Two layouts. With *scores*: ``obs (N, S, D)``, ``action (N, S, A)``, ``reward (N, S)`` and one or
more scores a segment ``(N,)``; pair i compares the segments i and i + N/2, and the larger score is
preferred. With *sides*: ``obs_1``, ``obs_2``, ``action_1``, ``action_2``, ``reward_1``,
``reward_2`` and ``label``, 1 where the second side is better.

Each segment becomes a trajectory of its own. A file holds S observations where a trajectory has
S + 1: the last one is repeated, and `Trajectory.last_observation_repeated` says so. Nothing
that learns from segments reads it; a learner that bootstraps from the state after the last action
should not be given these. Actions are left as they are: CPL clips them to +-(1 - 1e-5) itself.

Source: CPL, feedback_buffer.py; what a score stands for (return or regret) is the file's affair.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vlfeedback.data.foreign_files import reading
from vlfeedback.data.learning_checks import check_finite
from vlfeedback.data.npz_files import NPZArrays
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.trajectory_checks import check_numbers
from vlfeedback.data.whole_files import new_file
from vlfeedback.errors import FileFormatError, InvalidValueError
from vlfeedback.types import LabelRecord, PreferenceLabels, Segment, Trajectory

__all__ = ["read_segments_npz", "write_segments_npz"]

_SIDES = ("1", "2")


def read_segments_npz(
    path: str | Path, *, score: str = "rl_sum", task: str = ""
) -> PreferenceDataset:
    """Read a file of either layout.

    Args:
        path: the npz file.
        score: which score decides, in a file with scores: CPL trains on ``"rl_sum"``, a regret.
            Equal scores tie.
        task: name of the task, for the trajectories.

    Returns:
        Pairs of whole trajectories of S steps; their ids are ``"<file name>/<segment>"``, the
        file's rewards are their `env_rewards`, unless all of a segment's are NaN.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged, of neither layout, or its arrays do not fit each other.
        InvalidValueError: a number is NaN or infinite.
        DtypeError: an array holds no numbers.
    """
    path = Path(path)
    arrays = NPZArrays(path, "file of segments")
    with reading(path, "file of segments", advice="Take a whole copy, or write it again."):
        return _dataset(path, arrays, score, task)


def _dataset(path: Path, stored: NPZArrays, score: str, task: str) -> PreferenceDataset:
    arrays = dict(stored)
    has_sides = "action_1" in arrays
    keys = [name + side for name in ("obs_", "action_") for side in _SIDES]
    missing = set([*keys, "label"] if has_sides else ["obs", "action", score]) - set(arrays)
    if missing:
        raise FileFormatError(
            f"{path} has no {sorted(missing)}; it has {sorted(arrays)}. Expected obs, action and a "
            "score, or obs_1, obs_2, action_1, action_2 and label. Name the score: score=..."
        )
    for name, array in arrays.items():
        check_numbers(array.dtype, name=name, where=str(path))
    if has_sides:
        for name in ("obs", "action", "reward"):
            if {f"{name}_1", f"{name}_2"} <= set(arrays):
                arrays[name] = np.concatenate([arrays[f"{name}_{side}"] for side in _SIDES])
    trajectories = _trajectories(path, arrays, task)
    half = len(trajectories) // 2
    whole = [trajectory.segment(0, len(trajectory)) for trajectory in trajectories]
    try:
        return PreferenceDataset(
            list(zip(whole[:half], whole[half:], strict=True)),
            _labels_of_sides(arrays["label"]) if has_sides else _labels_of(arrays[score]),
            labelled_by=(_record(path, "label" if has_sides else score),),
        )
    except ValueError as error:
        raise FileFormatError(f"{path} cannot be read: {error}") from error


def write_segments_npz(
    path: str | Path, dataset: PreferenceDataset, *, score: str | None = None
) -> None:
    """Write pairs for CPL's or IPL's code, whole or not at all.

    Observations and actions are float32. The rewards written are the environment's, NaN where a
    trajectory has none: neither code learns from them.

    Args:
        path: where to; ends in ``.npz``.
        dataset: answered pairs, labelled 0, 1 or 0.5.
        score: name of the score in a file with scores: 1 for the preferred segment, 0 for the
            other, 0.5 for both of a tie. None: a file with sides.

    Raises:
        ValueError: a pair is unanswered or softly labelled, or `path` ends otherwise.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise InvalidValueError(f"path={str(path)!r}; expected a name that ends in .npz.")
    label = dataset.labels.to_cpl()
    arrays: dict[str, np.ndarray] = {}
    for number, side in enumerate(_SIDES):
        segments = [pair[number] for pair in dataset.pairs]
        arrays[f"obs_{side}"] = _stack(segments, "observations")
        arrays[f"action_{side}"] = _stack(segments, "actions")
        arrays[f"reward_{side}"] = _rewards(segments, dataset.length)
    if score is None:
        arrays["label"] = label
    else:
        names = ("obs", "action", "reward")
        arrays = {n: np.concatenate([arrays[f"{n}_{side}"] for side in _SIDES]) for n in names}
        arrays[score] = np.concatenate([1 - label, label])
    with new_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _trajectories(path: Path, arrays: dict[str, np.ndarray], task: str) -> list[Trajectory]:
    observations, actions, rewards = arrays["obs"], arrays["action"], arrays.get("reward")
    if actions.ndim < 2 or 0 in actions.shape[:2]:
        raise FileFormatError(f"{path}: action has shape {actions.shape}; expected (N, S, A).")
    n, steps = actions.shape[:2]
    for name, array in (("obs", observations), ("action", actions), ("reward", rewards)):
        if array is not None and array.shape[:2] != (n, steps):
            raise FileFormatError(
                f"{path}: {name} has shape {array.shape} and action {actions.shape}; expected both "
                f"to begin with ({n}, {steps}), segments and steps."
            )
    if n % 2:
        raise FileFormatError(f"{path} holds {n} segments; pairs need an even number.")
    for name, array in (("obs", observations), ("action", actions)):
        check_finite(array, name=name, where=str(path), first=0)
    observations = _float32(np.concatenate([observations, observations[:, -1:]], axis=1))
    actions = _float32(actions)
    return [
        Trajectory(
            observations=observations[row],
            actions=actions[row],
            env_rewards=None if rewards is None else _known(rewards[row], row, path),
            truncated=True,
            task=task,
            id=f"{path.stem}/{row}",
            last_observation_repeated=True,
        )
        for row in range(n)
    ]


def _known(rewards: np.ndarray, row: int, path: Path) -> np.ndarray | None:
    if np.isnan(rewards).all():
        return None
    check_finite(rewards, name="reward", where=f"{path}, segment {row}", first=0)
    return rewards.astype(np.float32)


def _labels_of_sides(label: np.ndarray) -> PreferenceLabels:
    return PreferenceLabels.from_cpl(label)


def _labels_of(score: np.ndarray) -> PreferenceLabels:
    score = score.reshape(-1).astype(np.float64)
    if not np.isfinite(score).all():
        raise InvalidValueError(f"score {int(np.argmin(np.isfinite(score)))} is not finite.")
    half = len(score) // 2
    return PreferenceLabels.from_cpl(0.5 + 0.5 * np.sign(score[half:] - score[:half]))


def _record(path: Path, score: str) -> LabelRecord:
    return LabelRecord(f"file {path.name}", json.dumps({"score": score}))


def _float32(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _stack(segments: Sequence[Segment], name: str) -> np.ndarray:
    return _float32(np.stack([segment.read(name) for segment in segments]))


def _rewards(segments: Sequence[Segment], length: int) -> np.ndarray:
    unknown = np.full(length, np.nan, np.float32)
    has_rewards = [s.trajectory.env_rewards is not None for s in segments]
    return np.stack(
        [
            s.read("env_rewards") if has else unknown
            for s, has in zip(segments, has_rewards, strict=True)
        ]
    )
