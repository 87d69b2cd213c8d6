"""How a result came about, in one line, alike on all pages and in all tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["describe_hardware", "describe_provenance", "describe_versions"]


def describe_provenance(results: Mapping[str, Any], *, quote: str = "") -> str:
    """Command, seed, time, machine, versions and commit, as far as they are known.

    Args:
        results: with what `vlfeedback.data.provenance.describe_machine` says, or ``commits`` of
            several runs in place of ``commit``, and ``command``.
        quote: put around the command, such as a backtick in Markdown.
    """
    parts = [f"{quote}{results['command']}{quote}"]
    if "seed" in results:
        parts.append(f"seed {results['seed']}")
    if "seconds" in results:
        parts.append(f"{results['seconds']:.0f} s")
    if results["hardware"]:
        parts.append(describe_hardware(results["hardware"]))
    if results["versions"]:
        parts.append(describe_versions(results["versions"]))
    commits = results["commits"] if "commits" in results else [results["commit"]]
    # The first ten digits, and whether files were changed.
    commit_text = ", ".join(commit[:10] + commit[40:] for commit in commits if commit)
    return "; ".join([*parts, f"commit {commit_text}" if commit_text else "no commit"]) + "."


def describe_hardware(hardware: Mapping[str, Any] | str) -> str:
    """Processor and cores; results of some age say it in words already."""
    if isinstance(hardware, str):
        return hardware
    return f"{hardware['processor']}, {hardware['cores']} cores"


def describe_versions(versions: Mapping[str, str]) -> str:
    """Packages and their versions."""
    return ", ".join(f"{name} {number}" for name, number in versions.items())
