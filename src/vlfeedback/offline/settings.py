"""Config dataclasses from settings by name, as a file or a command line has them."""

from __future__ import annotations

import math
from typing import Any, TypeVar

from vlfeedback.errors import InvalidValueError
from vlfeedback.setting_types import checked_settings

__all__ = ["configured"]

Config = TypeVar("Config")


def configured(config_type: type[Config], settings: Any) -> Config:
    """A config with these settings and its defaults.

    Args:
        config_type: a dataclass.
        settings: by the names of its fields.

    Raises:
        UnknownNameError: it has no such setting; the message suggests the nearest.
        TypeError: a setting is of another type than its field.
        ValueError: a learning rate is negative or no number, or a layer has no units; or the config
            refuses it.
    """
    values = checked_settings(config_type, settings, of=config_type.__name__)
    for name, value in values.items():
        if name.endswith("learning_rate") and not 0 <= value < math.inf:
            raise InvalidValueError(f"{name}={value}; expected a finite number of at least 0.")
    if min(values.get("hidden") or (1,)) < 1:
        raise InvalidValueError(
            f"hidden={values['hidden']}; expected the units of each layer, at least 1."
        )
    return config_type(**values)
