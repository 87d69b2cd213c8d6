"""Reward sources: what turns pictures, an instruction, or a simulator's secrets into rewards.

A source is a class that follows four rules; ours do, and so does a plugin's:

- ``config_type``: a frozen dataclass of its settings, all of them JSON values, one comment a
  field. If an id such as ``"vlp.mt45"`` may choose one of the settings, its name stands in
  ``config_type.variant_field: ClassVar[str]``.
- ``Class(config, *, device="cpu")`` makes it.
- attributes ``config`` and ``needs`` (`SourceNeeds`; on the class too, where settings leave it
  alone, so that listings can show it).
- ``rewards(batch) -> (N, T)`` float32.

A package of your own adds one with an entry point, and nothing is imported before it is used::

    [project.entry-points."vlfeedback.reward_sources"]
    my-source = "my_package:MyReward"
"""

from __future__ import annotations

from typing import Any, cast

from vlfeedback.registry import Entry, Registry
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
    built_ins=(
        Entry(
            "vlp",
            "vlfeedback.rewards.vlp:VLPReward",
            "bundled preference model: do the last 50 steps follow the instruction?",
            "VLP",
            extra="vision",
        ),
        Entry(
            "vlp.clip",
            "vlfeedback.rewards.vlp_clip:VLPClipReward",
            "the preference model of the VLP paper, on CLIP; train it with `vlfeedback fit`",
            "VLPClip",
            extra="vision",
        ),
        Entry(
            "clip",
            "vlfeedback.rewards.clip:CLIPReward",
            "cosine of picture and instruction, any open_clip model",
            "CLIP",
            extra="vision",
        ),
        Entry(
            "vlm_rm",
            "vlfeedback.rewards.vlm_rm:VLMRMReward",
            "closeness to the instruction, seen from a text of the bare scene; any open_clip model",
            "VLMRM",
            extra="vision",
        ),
        Entry(
            "siglip2",
            "vlfeedback.rewards.siglip2:SigLIP2Reward",
            "cosine of picture and instruction, or the chance that they match, by SigLIP 2",
            "SigLIP2",
            extra="vision",
        ),
        Entry(
            "liv",
            "vlfeedback.rewards.liv:LIVReward",
            "closeness of picture and instruction, or picture of the goal, by LIV",
            "LIV",
            extra="vision",
        ),
        Entry(
            "dino-goal",
            "vlfeedback.rewards.dino_goal:DINOGoalReward",
            "minus the distance of DINO's features to those of a picture of the goal",
            "DINOGoal",
            extra="vision",
        ),
        Entry(
            "roboclip",
            "vlfeedback.rewards.roboclip:RoboCLIPReward",
            "likeness of a whole episode's video and an instruction or a demonstration, by S3D",
            "RoboCLIP",
            extra="vision",
        ),
        Entry(
            "r3m",
            "vlfeedback.rewards.r3m:R3MReward",
            "does what happened since the reset look like the instruction, by R3M's language head",
            "R3M",
            extra="vision",
        ),
        Entry(
            "r3m-goal",
            "vlfeedback.rewards.r3m_goal:R3MGoalReward",
            "minus the distance of R3M's features to those of a picture of the goal",
            "R3MGoal",
            extra="vision",
        ),
        Entry(
            "vip-distance",
            "vlfeedback.rewards.vip:VIPDistanceReward",
            "minus VIP's distance to a picture of the goal; weights not for commercial use",
            "VIPDistance",
            extra="vision",
        ),
        Entry(
            "vip-potential",
            "vlfeedback.rewards.vip:VIPPotentialReward",
            "how much nearer VIP sees a picture of the goal; weights not for commercial use",
            "VIPPotential",
            extra="vision",
        ),
        Entry(
            "learned",
            "vlfeedback.rewards.learned:LearnedReward",
            "a reward model learnt from preferences; train it with `vlfeedback fit reward`",
            extra="vision",
        ),
        Entry(
            "picture-energy",
            "vlfeedback.rewards.picture_energy:PictureEnergyReward",
            "how much the picture changed; no language, a trivial baseline",
        ),
        Entry(
            "env",
            "vlfeedback.rewards.env_reward:EnvReward",
            "the environment's own reward, as a reference",
        ),
        Entry(
            "random",
            "vlfeedback.rewards.random:RandomReward",
            "noise in [-1, 1), the same for the same action",
        ),
    ),
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
        MissingExtraError: a package it needs is not installed, or a plugin is broken.
        TypeError: a plugin's class does not follow the rules; the message names what is missing.

    >>> make_reward_source("random", seed=3).config
    RandomConfig(seed=3)
    """
    made = make(REWARD_SOURCES, source, device=device, config=config, method="rewards")
    return cast("RewardSource", made)


def source_to_json(source: RewardSource) -> dict[str, Any]:
    """What it takes to make a source again, as JSON values.

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
