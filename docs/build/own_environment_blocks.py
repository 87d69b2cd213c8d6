"""What the page on environments of one's own says of other packages' environments."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from results import load, machine, table

__all__ = ["OWN_ENVIRONMENT_BLOCKS"]


def other_environments() -> str:
    """What was tried in environments of other packages, with versions."""
    result = load("other_environments")
    rows = []
    for family, environments in result["figures"]["families"].items():
        for env_id, row in environments.items():
            rows.append(
                [
                    family,
                    f"`{env_id}`",
                    f"{row['observations']}, {row['actions']}",
                    f"{row['picture']}{', upright' if row['upright'] else ''}",
                    row["learner"],
                    "yes" if row["tells success"] else "-",
                    "; ".join(row["problems"]) or "none",
                ]
            )
    head = ["family", "environment", "observations, actions", "pictures, px", "learnt with"]
    lines = table([*head, "success in `info`", "problems"], rows)
    absent = result["figures"]["not installed"]
    missing = f" Not installed: {', '.join(absent)}." if absent else ""
    return "\n".join([*lines, "", f"`{result['command']}`; {machine(result)}.{missing}"])


OWN_ENVIRONMENT_BLOCKS: Mapping[str, Callable[[], str]] = {"other-environments": other_environments}
"""By the name that a page calls them."""
