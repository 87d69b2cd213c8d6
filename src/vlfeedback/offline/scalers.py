"""d3rlpy's scalers by name or by their numbers, so that a file of settings can ask for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vlfeedback.errors import UnknownNameError
from vlfeedback.optional import import_d3rlpy
from vlfeedback.registry import suggest

__all__ = ["make_action_scaler", "make_observation_scaler"]

# By name: d3rlpy's class, and the numbers it is made of.
_OF_OBSERVATIONS = {
    "standard": ("StandardObservationScaler", ("mean", "std")),
    "min-max": ("MinMaxObservationScaler", ("minimum", "maximum")),
}
_OF_ACTIONS = {"min-max": ("MinMaxActionScaler", ("minimum", "maximum"))}


def make_observation_scaler(setting: str | Mapping[str, Any]) -> Any:
    """``"standard"``, ``"min-max"``, or the numbers of one: ``{"mean": [...], "std": [...]}``.

    Given by name, d3rlpy fits it to the data.

    Raises:
        UnknownNameError: there is no such scaler.
    """
    return _make("observation_scaler", setting, _OF_OBSERVATIONS)


def make_action_scaler(setting: str | Mapping[str, Any], actions: Sequence[np.ndarray] = ()) -> Any:
    """``"min-max"``, or bounds: ``{"minimum": [...], "maximum": [...]}``.

    Args:
        setting: what is asked for.
        actions: the data's, each (L, A): their least and largest values are the bounds of
            ``"min-max"``, or lie 0.5 beyond them where the two are equal. Where there are none,
            d3rlpy fits them.

    Raises:
        UnknownNameError: there is no such scaler.
    """
    if setting == "min-max" and actions:
        ranges = [(rows.min(axis=0), rows.max(axis=0)) for rows in actions]
        low, high = (np.stack(ends) for ends in zip(*ranges, strict=True))
        minimum, maximum = low.min(axis=0), high.max(axis=0)
        margin = np.where(maximum > minimum, 0.0, 0.5)
        setting = {"minimum": minimum - margin, "maximum": maximum + margin}
    return _make("action_scaler", setting, _OF_ACTIONS)


def _make(
    name: str, setting: str | Mapping[str, Any], scalers: Mapping[str, tuple[str, tuple[str, ...]]]
) -> Any:
    by_numbers = {frozenset(numbers): kind for kind, (_, numbers) in scalers.items()}
    numbers = setting if isinstance(setting, Mapping) else {}
    kind = setting if isinstance(setting, str) else by_numbers.get(frozenset(numbers), "")
    if kind not in scalers:
        choices = [repr(kind) for kind in scalers]
        choices += [
            "{" + ", ".join(f'"{n}": [...]' for n in ns) + "}" for _, ns in scalers.values()
        ]
        raise UnknownNameError(
            f"No {name} {setting!r}. {suggest(str(setting), scalers)}There are: "
            f"{', '.join(choices)}."
        )
    preprocessing = import_d3rlpy(needed_by=name).preprocessing
    values = {key: np.asarray(value, dtype=np.float32) for key, value in numbers.items()}
    return getattr(preprocessing, scalers[kind][0])(**values)
