"""The bundled vision-language preference model: its networks and their training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlfeedback.models.vlp.attention import read_attention

__all__ = ["read_attention"]


def __getattr__(name: str) -> Any:
    if name != "read_attention":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vlfeedback.models.vlp.attention import read_attention

    return read_attention
