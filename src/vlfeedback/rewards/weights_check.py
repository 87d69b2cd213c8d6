"""What a weights file is, whether it is the one its authors released, and which sources load it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from vlfeedback.encoders.clip import build_clip
from vlfeedback.encoders.dino import load_dino
from vlfeedback.encoders.liv import load_liv
from vlfeedback.encoders.r3m import load_language_network
from vlfeedback.encoders.recognise import Recognised, recognise
from vlfeedback.encoders.resnet import load_resnet
from vlfeedback.encoders.s3d import load_s3d
from vlfeedback.encoders.weights_files import Weights, read_weights
from vlfeedback.errors import CheckpointError, NeedsError, UnknownNameError
from vlfeedback.models.reward.model import RewardModel
from vlfeedback.models.vlp.weights import load_vlp
from vlfeedback.models.vlp_clip.weights import describe_vlp_clip
from vlfeedback.rewards.released import RELEASED

__all__ = ["CheckedFile", "check"]

_VIP_FEATURES = 1024  # numbers a picture, of the released weights

Load = Callable[[Path, Mapping[str, Any]], object]


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """All that a file tells of itself."""

    path: str
    what: str  # as a sentence says it
    megabytes: float  # of 10**6 bytes
    n_tensors: int
    n_parameters: int  # numbers in all tensors
    dtypes: tuple[str, ...]
    sha256: str
    known_as: str  # the released file with this hash; "" where none is known
    settings: dict[str, Any] = field(default_factory=dict)  # of the source, to load it
    loads: dict[str, str] = field(default_factory=dict)  # by source: "" or why it does not load


def check(path: Path) -> CheckedFile:
    """Read a file, tell what it is, and load it for every source that reads such files.

    Nothing in it is executed.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is truncated, or no file of weights.
    """
    weights = read_weights(path)
    own = _own_format(path)
    found = _OURS.get(own) or recognise(weights.tensors, weights.top_key)
    settings = dict(found.settings)
    if found.architectures:
        settings["architecture"] = _architecture(found, weights)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    tensors = weights.tensors.values()
    return CheckedFile(
        path=str(path),
        what=found.what,
        megabytes=path.stat().st_size / 1e6,
        n_tensors=len(tensors),
        n_parameters=sum(tensor.numel() for tensor in tensors),
        dtypes=tuple(sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors})),
        sha256=digest,
        known_as=_known_as(digest),
        settings=settings,
        loads={source: _problem(_LOADERS[source], path, settings) for source in found.sources},
    )


def _problem(load: Load, path: Path, settings: Mapping[str, Any]) -> str:
    """Why a file does not load; empty where it does."""
    try:
        load(path, settings)
    except (CheckpointError, NeedsError, UnknownNameError) as error:
        return str(error)
    return ""


def _architecture(found: Recognised, weights: Weights) -> str:
    """Which of the architectures that have these shapes; OpenAI's compute QuickGELU."""
    quick = [name for name in found.architectures if name.endswith("-quickgelu")]
    return quick[0] if quick and weights.is_openai_archive else found.architectures[0]


def _known_as(digest: str) -> str:
    names = {
        file.name
        for released in RELEASED.values()
        for file in released.files
        if file.sha256 and digest.startswith(file.sha256)
    }
    return ", ".join(sorted(names))


def _own_format(path: Path) -> str:
    """The format that a file of ours names in its header; "" for a file of others."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("vlfeedback", "{}"))
    except SafetensorError:
        return ""
    return str(header.get("format", ""))


def _load_clip(path: Path, settings: Mapping[str, Any]) -> object:
    if "architecture" not in settings:
        raise CheckpointError(
            "Its shapes are those of none of open_clip's architectures; pass architecture=... if "
            "you know which it is."
        )
    return build_clip(settings["architecture"], read_weights(path), seed=0)


def _load_resnet(family: str, source: str, n_outputs: int | None) -> Load:
    def load(path: Path, settings: Mapping[str, Any]) -> object:
        return load_resnet(
            family,
            settings.get("size", 50),
            source=source,
            checkpoint=path,
            random_weights_seed=None,
            n_outputs=n_outputs,
        )

    return load


def _load_r3m(path: Path, settings: Mapping[str, Any]) -> object:
    pictures = _load_resnet("r3m", "r3m", None)(path, settings)
    return pictures, load_language_network(path, settings.get("size", 50))


def _load_dino(path: Path, settings: Mapping[str, Any]) -> object:
    if "architecture" not in settings:
        raise CheckpointError("Its shapes are those of no DINO; pass architecture=... of timm.")
    return load_dino(settings["architecture"], checkpoint=path)


_LOADERS: Mapping[str, Load] = {
    "clip": _load_clip,
    "vlm_rm": _load_clip,
    "siglip2": _load_clip,
    "liv": lambda path, _: load_liv(checkpoint=path),
    "r3m": _load_r3m,
    "r3m-goal": _load_resnet("r3m", "r3m-goal", None),
    "vip-distance": _load_resnet("vip", "vip-distance", _VIP_FEATURES),
    "vip-potential": _load_resnet("vip", "vip-potential", _VIP_FEATURES),
    "roboclip": lambda path, _: load_s3d(checkpoint=path),
    "dino-goal": _load_dino,
    "vlp": lambda path, _: load_vlp(str(path)),
    "vlp.clip": lambda path, _: describe_vlp_clip(path),
    "learned": lambda path, _: RewardModel.load(path),
}

_OURS: Mapping[str, Recognised] = {
    "vlfeedback-vlp": Recognised("weights of `vlfeedback fit vlp`", ("vlp",)),
    "vlfeedback-vlp-clip": Recognised("weights of `vlfeedback fit vlp-clip`", ("vlp.clip",)),
    "vlfeedback-reward-model": Recognised(
        "a reward model of `vlfeedback fit reward`", ("learned",)
    ),
}
