"""Reward sources: rewards from pictures, instructions, actions, or the simulator's own state.

A source is a class that follows four rules; ours do, and so does a plugin's:

- ``config_type``: a frozen dataclass of its settings, all of them JSON values, one comment a
  field. If an id such as ``"vlp.mt45"`` may choose one of the settings, its name stands in
  ``config_type.variant_field: ClassVar[str]``. Settings are checked against its type hints.
- ``Class(config, *, device="cpu")`` makes it.
- attributes ``config`` and ``needs`` (`SourceNeeds`; on the class too, where settings leave it
  alone, so that listings can show it).
- ``rewards(batch) -> (N, T)`` float32.

All that is known of the library's own stands in `vlfeedback.rewards.catalogue`, an `Entry` each.
A package of your own adds one with an entry point, and nothing is imported before it is used::

    [project.entry-points."vlfeedback.reward_sources"]
    my-source = "my_package:MyReward"

It may name an `Entry` in place of the class, with the same fields as ours: a summary, released
weights with their licence, and how a file of them is recognised and loaded::

    my-CLIP = "my_package:ENTRY"    # its capitals are those of MyCLIPReward-DrawerClose-v0

    ENTRY = Entry("my-clip", "my_package.reward:MyReward", "what it is", "MyCLIP", weights=...)
"""

from __future__ import annotations

from typing import Any, cast

from vlfeedback.registry import Registry
from vlfeedback.rewards.catalogue import BUILT_INS
from vlfeedback.rewards.make import describe, make, rebuild
from vlfeedback.types import RewardSource

__all__ = [
    "REWARD_SOURCES",
    "list_reward_sources",
    "make_reward_source",
    "source_from_json",
    "source_to_json",
]

REWARD_SOURCES: Registry[type[RewardSource]] = Registry(
    "reward source",
    group="vlfeedback.reward_sources",
    listed_by="vlfeedback list rewards",
    built_ins=BUILT_INS,
)
"""All reward sources by name; see the module's header for how to add one."""


def list_reward_sources() -> list[str]:
    """Names of all reward sources, plugins included, sorted; imports none of them."""
    return REWARD_SOURCES.names()


def make_reward_source(source: str, *, device: str = "cpu", **config: Any) -> RewardSource:
    """Make a reward source from its id.

    Args:
        source: ``"family"`` or ``"family.variant"``, such as ``"vlp"`` or ``"vlp.mt45"``.
        device: where it computes, such as ``"cuda"``.
        **config: its settings, the fields of its config.

    Raises:
        UnknownNameError: there is no such source, variant or setting; the message suggests the
            nearest.
        InvalidTypeError: a setting is of the wrong type; or a plugin's class does not follow the
            rules, and the message names what is missing.
        InvalidValueError: a setting is out of range, or the variant and a setting choose the
            same; or there is no such device.
        MissingExtraError: a package it needs is not installed.
        BrokenPluginError: a plugin is broken.

    >>> make_reward_source("random", seed=3).config
    RandomConfig(seed=3)
    """
    reward_source = make(REWARD_SOURCES, source, device=device, config=config, method="rewards")
    return cast("RewardSource", reward_source)


def source_to_json(source: RewardSource) -> dict[str, Any]:
    """Describe a source as JSON values, from which `source_from_json` makes it again.

    Returns:
        ``{"type": "vlp", "params": {"weights": "mt45"}, "version": 1}``.

    Raises:
        UnknownNameError: no name of the registry stands for the source's class.
        TypeError: a setting is no JSON value.
    """
    return describe(REWARD_SOURCES, source)


def source_from_json(description: dict[str, Any], *, device: str = "cpu") -> RewardSource:
    """Make a source from what `source_to_json` gave.

    Raises:
        FileFormatError: it is no such description, or one of a newer release.
        UnknownNameError: the source it names, or a setting, is not known here.
    """
    return cast("RewardSource", rebuild(REWARD_SOURCES, description, device, method="rewards"))
