"""The callback by which long work reports its progress."""

from collections.abc import Callable

__all__ = ["Report"]

Report = Callable[[str, int, int, float], None]
"""Called with the stage ("labels", "train", ...), how much of it is done, how much there is in all
(0 where that is not known), and the loss (NaN where there is none)."""
