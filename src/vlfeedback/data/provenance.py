"""How a result came about: commit, versions and hardware."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["describe_machine"]

_PACKAGES = (
    "vlfeedback",
    "torch",
    "d3rlpy",
    "gymnasium",
    "metaworld",
    "mujoco",
    "numpy",
    "scikit-learn",
)


def describe_machine() -> dict[str, Any]:
    """``{"commit": ..., "versions": {...}, "hardware": {...}}``."""
    return {"commit": _commit(), "versions": _versions(), "hardware": _hardware()}


def _commit() -> str | None:
    """The commit of this library's checkout, with "+ changes" if it was edited; None without one.

    A package that is installed inside of somebody else's checkout is not that checkout's.
    """
    path = Path(__file__)

    def git(*arguments: str) -> str:
        process = subprocess.run(
            ["git", "-C", str(path.parent), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        return process.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", path.name)
        changes = git("status", "--porcelain", "--untracked-files=no", "--", str(path.parents[1]))
        return git("rev-parse", "HEAD") + (" + changes" if changes else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _hardware() -> dict[str, Any]:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "machine": platform.machine(),
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
    }
