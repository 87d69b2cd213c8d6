"""Config dataclasses from settings by name, as a file or a command line has them."""

from __future__ import annotations

from typing import Any, TypeVar

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
        ValueError: the config refuses it.
    """
    return config_type(**checked_settings(config_type, settings, of=config_type.__name__))
