"""VLP weights on disk: one safetensors file that carries its own description."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from vlfeedback.errors import UnknownNameError
from vlfeedback.models.checkpoint import (
    CheckpointFormat,
    check_outline,
    fill_network,
    finite_number,
    read_checkpoint,
    save_checkpoint,
    settings_of,
    understanding,
)
from vlfeedback.models.vlp.familiarity import PictureStatistics
from vlfeedback.models.vlp.network import VLPArchitecture, VLPNetwork

__all__ = ["VLPWeights", "bundled_weights", "load_vlp", "save_vlp"]

_FORMAT = CheckpointFormat(
    "vlfeedback-vlp", version=3, model="VLP model", made_by="vlfeedback fit vlp"
)


@dataclass(frozen=True, slots=True)
class VLPWeights:
    """Description in a weights file, beside the tensors.

    Attributes:
        architecture: of the network.
        score_mean: of training windows under their own instruction.
        score_std: likewise.
        tasks: trained on.
        training: settings, versions, hardware.
        pictures: what those of the training look like; None in files of earlier releases, which
            cannot tell pictures of other worlds.
    """

    architecture: VLPArchitecture
    score_mean: float
    score_std: float
    tasks: tuple[str, ...]
    training: dict[str, Any]
    pictures: PictureStatistics | None = None


def bundled_weights() -> dict[str, Path]:
    """Paths of the weights that come with the package, by the name after ``vlp.``."""
    folder = Path(str(files("vlfeedback") / "weights"))
    return {p.name.split(".")[1]: p for p in sorted(folder.glob("vlp.*.safetensors"))}


def save_vlp(path: str | Path, network: VLPNetwork, weights: VLPWeights) -> None:
    """Write tensors as float16, with the description in the file's header."""
    tensors = {name: tensor.half() for name, tensor in network.state_dict().items()}
    save_checkpoint(path, tensors, asdict(weights), file_format=_FORMAT)


def load_vlp(name_or_path: str | Path) -> tuple[VLPNetwork, VLPWeights]:
    """Load bundled weights by name (``"mt45"``, ``"vlp.mt45"``) or any weights by path.

    Returns:
        The network in evaluation mode, float32, on the CPU; and its description.

    Raises:
        UnknownNameError: neither a bundled name nor a file.
        CheckpointError: the file is damaged, foreign, or of another architecture or version.
    """
    path = _resolve(str(name_or_path))
    description, tensors = read_checkpoint(path, file_format=_FORMAT)
    with understanding(path, file_format=_FORMAT):
        weights = VLPWeights(
            settings_of(VLPArchitecture, description["architecture"]),
            finite_number(description, "score_mean"),
            finite_number(description, "score_std", positive=True),
            tuple(description["tasks"]),
            dict(description["training"]),
            _statistics(description),
        )
    check_outline(lambda: VLPNetwork(weights.architecture), tensors, path, file_format=_FORMAT)
    network = VLPNetwork(weights.architecture)
    fill_network(network, tensors, path, file_format=_FORMAT)
    return network.eval(), weights


def _statistics(description: dict[str, Any]) -> PictureStatistics | None:
    pictures = description.get("pictures")
    return None if pictures is None else PictureStatistics.from_json(pictures)


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
