"""One figure in a cell of a page's table: number, interval, and both drawn to scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlfeedback.evaluation.diagnosis.metrics import show_interval, show_value

__all__ = ["metric_cell"]

_TRACK = 120  # px: length of the line that an interval is drawn on
_MARGIN = 4  # px: left free at either end of it
_BEGINS = {"%": 0.0, "correlation": -1.0}  # where that line begins, of units that end at 1


def metric_cell(metric: Mapping[str, Any], kind: Mapping[str, Any]) -> dict[str, Any]:
    """What a cell shows: a number with its interval, drawn to scale, or why there is none.

    Args:
        metric: of `vlfeedback.evaluation.diagnosis.metrics.metric_to_json`.
        kind: ``unit`` and ``chance`` of its `MetricKind`.

    Returns:
        ``state`` (``"none"``, ``"plain"``, ``"above"``, ``"around"`` or ``"below"`` chance), and
        ``why``, or ``value``, ``beside`` and ``track``: values of the macro in
        ``templates/metric_cells.html.j2``.
    """
    if "not_applicable" in metric:
        return {"state": "none", "why": metric["not_applicable"]}
    value, interval, unit = metric["value"], metric["interval"], kind["unit"]
    cell = {
        "state": "plain",
        "value": show_value(value, unit) + (" %" if unit == "%" else ""),
        "beside": show_interval(interval, unit) or unit * (unit == "a second"),
        "track": None,
    }
    if unit in _BEGINS:
        low, high = interval or (value, value)
        cell["state"] = _state(low, high, kind["chance"])
        cell["track"] = _track(value, low, high, kind["chance"], _BEGINS[unit])
    return cell


def _state(low: float, high: float, chance: float | None) -> str:
    """Whether an interval is above, around or below what guessing gives."""
    if chance is None:
        return "plain"
    return "above" if low > chance else "below" if high < chance else "around"


def _track(
    value: float, low: float, high: float, chance: float | None, begin: float
) -> dict[str, Any]:
    """Places of a small drawing, px: an interval on a line from `begin` to 1, chance marked."""

    def place(x: float) -> float:
        return round(_MARGIN + (_TRACK - 2 * _MARGIN) * (x - begin) / (1 - begin), 1)

    return {
        "width": _TRACK,
        "from": _MARGIN,
        "to": _TRACK - _MARGIN,
        "value": place(value),
        "low": place(low),
        "high": place(high),
        "chance": None if chance is None else place(chance),
    }
