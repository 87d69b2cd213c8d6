"""Matplotlib's figure, in which text of others is no formula: "$" in a name is a dollar."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from vlfeedback.optional import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plain_figure"]


def plain_figure(*, needed_by: str = "A plot", **options: Any) -> Figure:
    """An empty figure that shows every text as it is.

    Args:
        needed_by: what is to be drawn, for the message.
        **options: of `matplotlib.figure.Figure`.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require("matplotlib.figure", extra="vision", needed_by=needed_by)
    return _plain_class()(**options)


@cache
def _plain_class() -> type[Figure]:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    class PlainFigure(Figure):
        """Texts are told so when the figure is drawn, when all of them are there."""

        def draw(self, renderer: Any) -> None:
            for text in self.findobj(Text):
                text.set_parse_math(False)
            super().draw(renderer)

    return PlainFigure
