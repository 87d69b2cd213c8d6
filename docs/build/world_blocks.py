"""What the pages say of the worlds that the bundled model knows, and of those that it warns of."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping

from results import load, machine

__all__ = ["WORLD_BLOCKS"]


def unfamiliar_pictures() -> str:
    """How often it warns, in its own world and in others, and what it scores there."""
    result = load("unfamiliar_pictures")
    figures, ours = result["figures"], result["figures"]["mt50"]
    scores = figures["scores in other worlds, mt50"].values()
    rendered = max(ours["largest distance, by render quality"].values())
    return (
        f"It warns in {ours['own episodes that warn']} of {ours['own episodes']} fresh episodes of "
        f"all 50 tasks by the training's camera, whose distance is at most "
        f"{ours['largest distance of an own episode']:.1f} (in other render settings "
        f"{rendered:.1f}), and in {ours['other worlds that warn']} of {ours['other worlds']} other "
        "worlds: MuJoCo's environments of Gymnasium, CartPole, photographs, and Meta-World by its "
        f"other cameras, which begin at {ours['smallest distance of another world']:.1f}; the line "
        f"lies at {figures['warning begins above']:.1f}. There the scores have a median of "
        f"{statistics.median(scores):.1f}, whatever is shown. (`{result['command']}`; "
        f"{machine(result)}.)"
    )


WORLD_BLOCKS: Mapping[str, Callable[[], str]] = {"unfamiliar-pictures": unfamiliar_pictures}
"""By the name that a page calls them."""
