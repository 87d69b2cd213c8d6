"""The VLP paper's own model on a frozen CLIP: its network and its training."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlfeedback.models.vlp_clip.fit import VLPClipTraining
    from vlfeedback.models.vlp_clip.network import VLPClipArchitecture
    from vlfeedback.models.vlp_clip.train import train_vlp_clip

__all__ = ["VLPClipArchitecture", "VLPClipTraining", "train_vlp_clip"]

_MODULES = {
    "VLPClipArchitecture": "network",
    "VLPClipTraining": "fit",
    "train_vlp_clip": "train",
}


if not TYPE_CHECKING:  # or a type checker would take any name for one of these

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
