"""The bundled vision-language preference model: its networks and their training."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlfeedback.models.vlp.attention import read_attention
    from vlfeedback.models.vlp.network import VLPArchitecture
    from vlfeedback.models.vlp.settings import VLPTraining
    from vlfeedback.models.vlp.train import train_vlp

__all__ = ["VLPArchitecture", "VLPTraining", "read_attention", "train_vlp"]

_MODULES = {
    "VLPArchitecture": "network",
    "VLPTraining": "settings",
    "read_attention": "attention",
    "train_vlp": "train",
}


if not TYPE_CHECKING:  # or a type checker would take any name for one of these

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
