"""The folder of a training: its settings, the answers it was given, its checkpoints and outcome."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import Logger, make_output_format

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.store import as_json, check_same_settings
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.data.whole_files import new_file, read_json, write_json

__all__ = ["RunFolder"]

_SETTINGS, _RESULT = "settings.json", "result.json"


class RunFolder:
    """Where a training is kept; made by `train_online`.

    Args:
        root: the folder.
        settings: JSON values that a run which goes on must share.

    Raises:
        FileFormatError: it holds a training with other settings.
        WriteError: it cannot be written.
    """

    def __init__(self, root: Path, settings: Mapping[str, Any]) -> None:
        self.root, self.settings = root, as_json(settings)
        path = root / _SETTINGS
        if path.exists():
            check_same_settings(
                read_json(path, advice="Give another folder."),
                self.settings,
                where=root,
                advice="Use the same ones to go on, or give another folder.",
            )
        else:
            write_json(path, self.settings)

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints are."""
        return self.root / "checkpoints"

    def logger(self, step: int) -> Logger:
        """Writes a table under ``log/`` from this step on, and for TensorBoard if that is there."""
        root = self.root / "log"
        root.mkdir(parents=True, exist_ok=True)
        kinds = ["csv"] + (["tensorboard"] if find_spec("tensorboard") else [])
        formats = [make_output_format(kind, str(root), f"_{step:09d}") for kind in kinds]
        return Logger(str(root), formats)

    def keep_labels(self, dataset: PreferenceDataset, step: int) -> None:
        """Write the answers of a session, and the episodes they are about.

        They are read with ``PreferenceDataset.load(..., read_trajectories(...))``. A session that
        is gone through again after a kill replaces what it had written.
        """
        folder = self.root / "labels"
        episodes = {id(s.trajectory): s.trajectory for pair in dataset.pairs for s in pair}
        folder.mkdir(parents=True, exist_ok=True)
        write_trajectories(folder / f"step-{step:09d}.h5", episodes.values())
        dataset.save(folder / f"step-{step:09d}.parquet")

    def finish(self, model: Any, reward_model: Any | None, result: Mapping[str, Any]) -> None:
        """Write policy, reward model and outcome, that last."""
        # To a file, since stable-baselines3 appends .zip to names.
        with new_file(self.root / "policy.zip") as partial, partial.open("wb") as file:
            model.save(file)
        if reward_model is not None:
            reward_model.save(self.root / "reward_model.safetensors")
        write_json(self.root / _RESULT, {**result, "settings": self.settings})

    def result(self) -> dict[str, Any] | None:
        """The outcome, once it is there."""
        path = self.root / _RESULT
        return read_json(path, advice="Delete it to train again.") if path.exists() else None
