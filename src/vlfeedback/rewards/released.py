"""Released weights of all reward sources, plugins included, from their entries."""

from __future__ import annotations

from vlfeedback.errors import UnknownNameError
from vlfeedback.rewards import REWARD_SOURCES
from vlfeedback.types.released import Released, WeightsFile

__all__ = ["Released", "WeightsFile", "released_for", "released_weights"]


def released_weights() -> tuple[dict[str, Released], dict[str, str]]:
    """The released weights of all sources that have some, and what is wrong with the others.

    Returns:
        by source id, the library's own first; and by source id the error of a plugin that fails.
    """
    weights: dict[str, Released] = {}
    problems: dict[str, str] = {}
    for entry in REWARD_SOURCES.entries():
        try:
            card = entry.weights or REWARD_SOURCES.full_entry(entry.name).weights
        except (LookupError, ImportError) as error:
            problems[entry.name] = str(error)
            continue
        if card is not None:
            weights[entry.name] = card
    return weights, problems


def released_for(source: str) -> Released:
    """Released weights of one source.

    Raises:
        UnknownNameError: nothing is known of it; it may need no weights.
        BrokenPluginError: it is a plugin that cannot be imported.
    """
    entry = REWARD_SOURCES.full_entry(source) if source in REWARD_SOURCES else None
    if entry is None or entry.weights is None:
        raise UnknownNameError(
            f"No released weights are known for {source!r}; there are some for: "
            f"{', '.join(sorted(released_weights()[0]))}. `vlfeedback list rewards` shows all "
            "sources."
        )
    return entry.weights
