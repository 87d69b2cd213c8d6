"""A policy that was trained, and the folder it is kept in.

The folder holds ``result.json``, written last, and beside it the policy: ``policy.d3`` is
d3rlpy's format, a pickle, so read only your own; ``policy.safetensors`` a diffusion policy.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlfeedback.data.whole_files import new_file
from vlfeedback.errors import FileFormatError
from vlfeedback.offline.curve import EvaluationCurve
from vlfeedback.optional import import_d3rlpy

__all__ = ["TrainedPolicy", "read_trained", "save_trained"]

_RESULT = "result.json"


@dataclass(frozen=True, slots=True, eq=False)
class TrainedPolicy:
    """A policy, how good it was while it trained, and what made it."""

    algo: Any  # a `Policy`: any d3rlpy algorithm, or a `DiffusionPolicy`
    curve: EvaluationCurve  # empty without an evaluator
    seconds: float  # wall time, evaluations included
    config: dict[str, Any]  # JSON values: learner, settings, seed, steps and digests of the data
    notes: dict[str, Any] = field(default_factory=dict)  # such as on the reward model of P-IQL


def save_trained(
    trained: TrainedPolicy, files: Mapping[str, Callable[[Path], None]], folder: Path
) -> None:
    """Write the policy, then what is known of it; files that are there are replaced.

    Args:
        trained: what to describe.
        files: what to write, by name: called with a path.
        folder: made where it is not there.
    """
    for name, write in files.items():
        with new_file(folder / name) as partial:
            write(partial)
    said = {
        "config": trained.config,
        "seconds": trained.seconds,
        "curve": trained.curve.to_json(),
        "notes": trained.notes,
        "files": sorted(files),
    }
    with new_file(folder / _RESULT) as partial:
        partial.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def read_trained(
    folder: Path, config: Mapping[str, Any], *, device: str = "cpu"
) -> TrainedPolicy | None:
    """The finished training in a folder, or None where there is none.

    Raises:
        FileFormatError: there is another training than that of `config`, or no readable one.
    """
    path = folder / _RESULT
    if not path.is_file():
        return None
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        other = sorted(key for key in config if said["config"][key] != config[key])
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise FileFormatError(
            f"{path} describes no training ({error!r}). Delete it, or choose another folder."
        ) from error
    if other:
        raise FileFormatError(
            f"{folder} holds another training: {', '.join(other)} differ. Choose another folder, "
            "or delete that one."
        )
    return TrainedPolicy(
        _read_policy(folder, said["files"], device),
        EvaluationCurve.from_json(said["curve"]),
        said["seconds"],
        said["config"],
        said["notes"],
    )


def _read_policy(folder: Path, files: list[str], device: str) -> Any:
    if "policy.safetensors" in files:
        from vlfeedback.offline.diffusion_policy import DiffusionPolicy

        return DiffusionPolicy.load(folder / "policy.safetensors", device=device)
    d3rlpy = import_d3rlpy(needed_by="a saved policy")
    # d3rlpy knows our learners once their modules are imported.
    from vlfeedback.offline import bc, cpl, ipl, iql, sft  # noqa: F401

    return d3rlpy.load_learnable(str(folder / "policy.d3"), device=device)
