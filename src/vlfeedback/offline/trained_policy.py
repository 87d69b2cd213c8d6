"""A trained policy, and the folder it is kept in.

The folder holds ``result.json``, written last, and beside it the policy: ``policy.d3`` is
d3rlpy's format, of which `load_policy` reads plain values alone; ``policy.safetensors`` a diffusion
policy; ``policy.json`` one that learns nothing. Nothing in a folder is executed when it is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlfeedback.arguments import on_device
from vlfeedback.data.store import check_same_settings
from vlfeedback.data.whole_files import new_file, read_json
from vlfeedback.errors import FileFormatError
from vlfeedback.offline.curve import EvaluationCurve
from vlfeedback.offline.learners import get_learner
from vlfeedback.offline.policy_file import load_policy
from vlfeedback.offline.untrained import UniformActions

__all__ = ["Files", "TrainedPolicy", "read_trained", "save_trained"]

Files = Mapping[str, Callable[[Path], None]]
"""Functions that write the files of a policy, by file name; each is called with a path."""

_RESULT = "result.json"


@dataclass(frozen=True, slots=True, eq=False)
class TrainedPolicy:
    """A trained policy, its evaluation curve, and the settings and data it was trained with.

    Attributes:
        algo: a `Policy`: any d3rlpy algorithm, a `DiffusionPolicy`, or one that learns nothing.
        curve: empty without an evaluator.
        seconds: wall time, evaluations included; of runs that were trained together an equal share.
        cpu_seconds: of the processes that trained it, likewise; NaN where its file does not say.
        config: JSON values: learner, settings, seed, steps and digests of the data.
        notes: on the reward model of P-IQL (``"reward_model"``), and of IQL, P-IQL and IPL what the
            policy's weights sit on (``"weights"``, see `vlfeedback.offline.weight_notes`).
    """

    algo: Any
    curve: EvaluationCurve
    seconds: float
    cpu_seconds: float
    config: dict[str, Any]
    notes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "cpu") -> TrainedPolicy:
        """Read what `train_policy` or `vlfeedback train` finished in a folder.

        Raises:
            FileNotFoundError: there is no finished training.
            FileFormatError: it cannot be read.
        """
        path = Path(folder) / _RESULT
        if not path.is_file():
            raise FileNotFoundError(f"No finished training in {folder}: it has no {_RESULT}.")
        return _read(Path(folder), _read_result(path), device)


def save_trained(
    trained: TrainedPolicy, files: Files, evaluation: Mapping[str, Any] | None, folder: Path
) -> None:
    """Write the policy, then its result; files that are there are replaced.

    Args:
        trained: what to describe.
        files: what to write.
        evaluation: settings of the evaluator, if it has any.
        folder: made where it is not there.
    """
    for name, write in files.items():
        with new_file(folder / name) as partial:
            write(partial)
    result = {
        "config": trained.config,
        "seconds": trained.seconds,
        "cpu_seconds": trained.cpu_seconds,
        "curve": trained.curve.to_json(),
        "notes": trained.notes,
        "evaluation": evaluation,
        "files": sorted(files),
    }
    with new_file(folder / _RESULT) as partial:  # an episode's return may be no finite number
        partial.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def read_trained(
    folder: Path,
    config: Mapping[str, Any],
    evaluation: Mapping[str, Any] | None = None,
    *,
    device: str = "cpu",
) -> TrainedPolicy | None:
    """The finished training in a folder, or None where there is none.

    Raises:
        FileFormatError: there is another training than that of `config`, one that was evaluated
            with other settings than `evaluation`, or no readable one.
    """
    path = folder / _RESULT
    if not path.is_file():
        return None
    result = _read_result(path)
    advice = "Choose another folder, or delete that one."
    saved_settings = {name: result["config"].get(name) for name in config}
    check_same_settings(saved_settings, config, where=folder, advice=advice)
    if evaluation is not None and result.get("evaluation") is not None:
        saved_settings = {"evaluation": result["evaluation"]}
        check_same_settings(saved_settings, {"evaluation": evaluation}, where=folder, advice=advice)
    return _read(folder, result, device)


def _read_result(path: Path) -> dict[str, Any]:
    advice = "Delete it, or choose another folder."
    result = read_json(path, advice=advice)
    missing = {"config", "seconds", "curve", "notes", "files"} - result.keys()
    if missing:
        raise FileFormatError(
            f"{path} describes no training: it lacks {', '.join(sorted(missing))}. {advice}"
        )
    return result


def _read(folder: Path, result: Mapping[str, Any], device: str) -> TrainedPolicy:
    with on_device(device):
        policy = _read_policy(folder, result["files"], result["config"]["learner"], device)
    return TrainedPolicy(
        policy,
        EvaluationCurve.from_json(result["curve"]),
        result["seconds"],
        result.get("cpu_seconds", float("nan")),  # not in files of the first release
        result["config"],
        result["notes"],
    )


def _read_policy(folder: Path, files: list[str], learner: str, device: str) -> Any:
    if "policy.safetensors" in files:
        from vlfeedback.offline.diffusion_policy import DiffusionPolicy

        return DiffusionPolicy.load(folder / "policy.safetensors", device=device)
    if "policy.json" in files:
        return UniformActions.load(folder / "policy.json")
    get_learner(learner)  # d3rlpy finds a plugin's algorithm once its module is imported
    return load_policy(folder / "policy.d3", device=device)
