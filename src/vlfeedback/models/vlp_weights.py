"""VLP weights on disk: one safetensors file that carries its own description."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from vlfeedback.errors import CheckpointError, UnknownNameError
from vlfeedback.models.vlp import VLPArchitecture, VLPNetwork

__all__ = ["VLPWeights", "bundled_weights", "load_vlp", "save_vlp"]

_FORMAT = "vlfeedback-vlp"
_VERSION = 2


@dataclass(frozen=True, slots=True)
class VLPWeights:
    """What a weights file says of itself, beside the tensors."""

    architecture: VLPArchitecture
    score_mean: float  # of training windows under their own instruction
    score_std: float
    tasks: tuple[str, ...]  # trained on
    training: dict[str, object]  # settings, versions, hardware


def bundled_weights() -> dict[str, Path]:
    """Paths of the weights that come with the package, by the name after ``vlp.``."""
    folder = Path(str(files("vlfeedback") / "weights"))
    return {p.name.split(".")[1]: p for p in sorted(folder.glob("vlp.*.safetensors"))}


def save_vlp(path: Path, network: VLPNetwork, weights: VLPWeights) -> None:
    """Write tensors as float16, with the description in the file's header."""
    tensors = {k: v.detach().cpu().half().contiguous() for k, v in network.state_dict().items()}
    header = {"format": _FORMAT, "version": _VERSION, **asdict(weights)}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    save_file(tensors, partial, metadata={"vlfeedback": json.dumps(header)})
    partial.replace(path)


def load_vlp(name_or_path: str) -> tuple[VLPNetwork, VLPWeights]:
    """Load bundled weights by name (``"mt45"``, ``"vlp.mt45"``) or any weights by path.

    Returns:
        The network in evaluation mode, float32, on the CPU; and its description.

    Raises:
        UnknownNameError: neither a bundled name nor a file.
        CheckpointError: the file is truncated, foreign, or of another architecture.
    """
    path = _resolve(name_or_path)
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("vlfeedback", "{}"))
            tensors = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"{path} is no readable safetensors file ({error}); it is truncated or of another "
            "format. Copy it again, or train with: vlfeedback fit vlp"
        ) from error
    if header.get("format") != _FORMAT:
        raise CheckpointError(
            f"{path} holds no VLP model ({len(tensors)} tensors, first: "
            f"{sorted(tensors)[:3]}); pass weights saved by: vlfeedback fit vlp"
        )
    if header["version"] != _VERSION:
        raise CheckpointError(
            f"{path} has version {header['version']}, this release reads {_VERSION}; "
            + (
                "upgrade vlfeedback."
                if header["version"] > _VERSION
                else "its network is another one now. Train again with: vlfeedback fit vlp"
            )
        )
    architecture = VLPArchitecture(
        **{**header["architecture"], "head": tuple(header["architecture"]["head"])}
    )
    network = VLPNetwork(architecture)
    _fill(network, tensors, path)
    weights = VLPWeights(
        architecture,
        header["score_mean"],
        header["score_std"],
        tuple(header["tasks"]),
        header["training"],
    )
    return network.eval(), weights


def _resolve(name_or_path: str) -> Path:
    bundled = bundled_weights()
    name = name_or_path.removeprefix("vlp.")
    if name in bundled:
        return bundled[name]
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return path
    raise UnknownNameError(
        f"No VLP weights {name_or_path!r}: bundled are {sorted(bundled)}, and there is no such "
        "file. Pass one of these names, or the path that `vlfeedback fit vlp --out` wrote."
    )


def _fill(network: VLPNetwork, tensors: dict[str, torch.Tensor], path: Path) -> None:
    expected = network.state_dict()
    wrong = sorted(
        {k for k in expected if k not in tensors or tensors[k].shape != expected[k].shape}
        | (tensors.keys() - expected.keys())
    )
    if wrong:
        raise CheckpointError(
            f"{path} is of another architecture: {len(wrong)} tensors are missing, unexpected or "
            f"of another shape, first: {wrong[:5]}. Train again with: vlfeedback fit vlp"
        )
    network.load_state_dict(tensors)
