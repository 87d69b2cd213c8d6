"""Memory that arrays will take, foreseen before they are made: numpy gives it out on credit."""

from __future__ import annotations

from pathlib import Path

from vlfeedback.errors import NeedsError

__all__ = ["available_bytes", "check_memory"]

_GB = 1e9


def available_bytes() -> int | None:
    """Memory that programs may still take; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    sizes = {name: rest for name, _, rest in (line.partition(":") for line in lines)}
    free = sizes.get("MemAvailable", "").split()
    return int(free[0]) * 1024 if free else None


def check_memory(n_bytes: int, *, what: str, advice: str) -> None:
    """Refuse what would not fit.

    Args:
        n_bytes: that will be taken.
        what: takes them, for the message.
        advice: what to do instead.

    Raises:
        NeedsError: there is less.
    """
    free = available_bytes()
    if free is not None and n_bytes > free:
        raise NeedsError(
            f"{what} take {n_bytes / _GB:.1f} GB, and {free / _GB:.1f} GB are free. {advice}"
        )
