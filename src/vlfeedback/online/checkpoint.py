"""All that a training depends on, in a folder: one that was killed goes on as if it was not.

A folder ``step-000020000`` holds tensors (safetensors), arrays (npz without pickles), the latest
episodes (HDF5) and JSON. It appears whole, and the one before it is deleted then. Environments are
not kept: every episode has a seed, and its actions so far are taken again.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file, save_file
from torch import Tensor

from vlfeedback.data.foreign_files import reading
from vlfeedback.data.trajectories import (
    read_trajectories,
    with_pictures_in_memory,
    write_trajectories,
)
from vlfeedback.data.whole_files import new_folder
from vlfeedback.errors import CheckpointError
from vlfeedback.online.algorithm_state import algorithm_state, restore_algorithm
from vlfeedback.online.feedback import FeedbackCallback

__all__ = ["latest_checkpoint", "restore_checkpoint", "save_checkpoint"]

_NAME = re.compile(r"step-(\d+)")
_ADVICE = "Delete this folder to go on from an earlier one, or all of them to begin anew."
_ALGORITHM, _LEARNER, _FEEDBACK = "algorithm|", "reward_model|", "feedback|"
_PAYER, _ACTIONS = "payer|", "actions|"


def latest_checkpoint(root: Path) -> Path | None:
    """The newest whole checkpoint of a run, if there is one."""
    found = [path for path in root.glob("step-*") if _NAME.fullmatch(path.name)]
    return max(found, default=None)


def save_checkpoint(root: Path, feedback: FeedbackCallback, notes: Mapping[str, Any]) -> None:
    """Write a checkpoint, and delete those before it; one of this very step stays.

    Args:
        root: folder of the run's checkpoints.
        feedback: within its training, between two steps of it.
        notes: JSON values of whoever trains.

    Raises:
        WriteError: the disk is full or may not be written; the checkpoint before is whole.
    """
    model: Any = feedback.model
    path = root / f"step-{model.num_timesteps:09d}"
    if path.exists():
        return
    of_algorithm, algorithm_notes = algorithm_state(model)
    of_learner, learner_notes = feedback.learner.state()
    tensors = _prefixed(_ALGORITHM, of_algorithm) | _prefixed(_LEARNER, of_learner)
    places = feedback.training_env.env_method("position")
    arrays, payer_notes = feedback.payer.state()
    arrays = _prefixed(_PAYER, arrays)
    arrays |= {f"{_ACTIONS}{row}": actions for row, (_, actions) in enumerate(places)}
    feedback_notes, episodes, of_feedback = feedback.state()
    arrays |= _prefixed(_FEEDBACK, of_feedback)
    state = {
        "notes": dict(notes),
        "algorithm": algorithm_notes,
        "reward_model": learner_notes,
        "payer": payer_notes,
        "feedback": feedback_notes,
        "episodes": [number for number, _ in places],
    }
    root.mkdir(parents=True, exist_ok=True)
    with new_folder(path) as folder:
        save_file({name: _on_cpu(t) for name, t in tensors.items()}, folder / "tensors.safetensors")
        np.savez(folder / "arrays.npz", **arrays)  # type: ignore[arg-type]
        write_trajectories(folder / "episodes.h5", episodes)
        (folder / "state.json").write_text(json.dumps(state), "utf-8")
    for old in root.glob("step-*"):
        if _NAME.fullmatch(old.name) and old != path:
            shutil.rmtree(old, ignore_errors=True)


def restore_checkpoint(path: Path, feedback: FeedbackCallback) -> dict[str, Any]:
    """Bring an algorithm and its callback, both freshly made, to where a checkpoint was written.

    Args:
        path: of `latest_checkpoint`.
        feedback: that was begun, by its `init_callback`, and has not trained.

    Returns:
        The notes of whoever trained.

    Raises:
        CheckpointError: the folder is damaged, or of an algorithm of another shape.
    """
    model: Any = feedback.model
    with reading(path, "checkpoint", advice=_ADVICE, error=CheckpointError):
        state: dict[str, Any] = json.loads((path / "state.json").read_text("utf-8"))
        tensors = load_file(path / "tensors.safetensors")
        with np.load(path / "arrays.npz", allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        episodes = [with_pictures_in_memory(t) for t in read_trajectories(path / "episodes.h5")]
        restore_algorithm(model, _under(_ALGORITHM, tensors), state["algorithm"])
        feedback.learner.restore(_under(_LEARNER, tensors), state["reward_model"])
        feedback.payer.restore(_under(_PAYER, arrays), state["payer"])
        feedback.restore(state["feedback"], episodes, _under(_FEEDBACK, arrays))
        env = feedback.training_env
        model._last_obs = np.stack(
            [
                env.env_method("go_to", number, arrays[f"{_ACTIONS}{row}"], indices=row)[0]
                for row, number in enumerate(state["episodes"])
            ]
        )
    return dict(state["notes"])


def _on_cpu(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous().clone()


def _prefixed(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {prefix + name: value for name, value in values.items()}


def _under(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in values.items() if k.startswith(prefix)}
