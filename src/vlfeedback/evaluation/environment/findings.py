"""What an inspection found: a sentence a subject, and what to do where something is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked into.

    Attributes:
        subject: what was looked at: ``"render modes"``.
        state: ``"note"`` is what a person should know or decide; nothing fails because of it.
        detail: what is there, or what is wrong.
        next_step: what to do; empty where there is nothing to do.
    """

    subject: str
    state: Literal["ok", "note", "problem"]
    detail: str
    next_step: str = ""
