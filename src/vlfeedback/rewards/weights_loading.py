"""Try a weights file for a source: fill its networks with it, and compute nothing.

A loader takes the file's path and the settings that it fixes, see `Recognised.settings`, with the
``architecture`` where the file may be of several. It raises where the source cannot use the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vlfeedback.encoders.clip import build_clip
from vlfeedback.encoders.dino import load_dino
from vlfeedback.encoders.liv import load_liv
from vlfeedback.encoders.r3m import load_language_network
from vlfeedback.encoders.resnet import load_resnet
from vlfeedback.encoders.s3d import load_s3d
from vlfeedback.encoders.weights_files import read_weights
from vlfeedback.errors import CheckpointError
from vlfeedback.models.reward.model import RewardModel
from vlfeedback.models.vlp.weights import load_vlp
from vlfeedback.models.vlp_clip.weights import describe_vlp_clip

__all__ = [
    "Loader",
    "clip",
    "dino",
    "liv",
    "r3m",
    "r3m_pictures",
    "reward_model",
    "s3d",
    "vip",
    "vlp",
    "vlp_clip",
]

_VIP_FEATURES = 1024  # numbers a picture, of the released weights

Loader = Callable[[Path, Mapping[str, Any]], object]


def clip(path: Path, settings: Mapping[str, Any]) -> object:
    """A CLIP or SigLIP of open_clip."""
    if "architecture" not in settings:
        raise CheckpointError(
            "Its shapes are those of none of open_clip's architectures; pass architecture=... if "
            "you know which it is."
        )
    return build_clip(settings["architecture"], read_weights(path), seed=0)


def liv(path: Path, settings: Mapping[str, Any]) -> object:
    """LIV's CLIP."""
    return load_liv(checkpoint=path)


def dino(path: Path, settings: Mapping[str, Any]) -> object:
    """A DINO of timm."""
    if "architecture" not in settings:
        raise CheckpointError("Its shapes are those of no DINO; pass architecture=... of timm.")
    return load_dino(settings["architecture"], checkpoint=path)


def s3d(path: Path, settings: Mapping[str, Any]) -> object:
    """S3D's video and text towers."""
    return load_s3d(checkpoint=path)


def r3m(path: Path, settings: Mapping[str, Any]) -> object:
    """R3M's picture encoder with its language head."""
    pictures = _load_resnet("r3m", "r3m", path, settings)
    return pictures, load_language_network(path, settings.get("size", 50))


def r3m_pictures(path: Path, settings: Mapping[str, Any]) -> object:
    """R3M's picture encoder alone."""
    return _load_resnet("r3m", "r3m-goal", path, settings)


def vip(path: Path, settings: Mapping[str, Any]) -> object:
    """VIP's picture encoder."""
    return _load_resnet("vip", "vip-distance", path, settings, n_outputs=_VIP_FEATURES)


def vlp(path: Path, settings: Mapping[str, Any]) -> object:
    """The preference model of `vlfeedback fit vlp`."""
    return load_vlp(str(path))


def vlp_clip(path: Path, settings: Mapping[str, Any]) -> object:
    """The preference model of `vlfeedback fit vlp-clip`; its frozen CLIP is another file."""
    return describe_vlp_clip(path)


def reward_model(path: Path, settings: Mapping[str, Any]) -> object:
    """The reward model of `vlfeedback fit reward`."""
    return RewardModel.load(path)


def _load_resnet(
    family: str,
    source: str,
    path: Path,
    settings: Mapping[str, Any],
    *,
    n_outputs: int | None = None,
) -> object:
    return load_resnet(
        family,
        settings.get("size", 50),
        source=source,
        checkpoint=path,
        random_weights_seed=None,
        n_outputs=n_outputs,
    )
