"""Preference sources: labellers of which of two segments follows the instruction better.

They follow the rules of `vlfeedback.rewards`, with ``label(pairs) -> PreferenceLabels`` in place
of ``rewards``, and plugins use the group ``vlfeedback.preference_sources``. Every reward source is
a preference source as well: the segment with more reward is preferred.
"""

from __future__ import annotations

from typing import Any, cast

from vlfeedback.errors import UnknownNameError
from vlfeedback.preferences.from_reward import PreferenceFromReward
from vlfeedback.registry import Entry, Registry, suggest
from vlfeedback.rewards import REWARD_SOURCES, list_reward_sources, make_reward_source
from vlfeedback.rewards.make import make
from vlfeedback.setting_types import checked_settings
from vlfeedback.types import PreferenceSource

__all__ = [
    "PREFERENCE_SOURCES",
    "PreferenceFromReward",
    "list_preference_sources",
    "make_preference_source",
]

PREFERENCE_SOURCES: Registry[type[PreferenceSource]] = Registry(
    "preference source",
    group="vlfeedback.preference_sources",
    listed_by="vlfeedback list preferences",
    built_ins=(
        Entry(
            "rl-vlm-f",
            "vlfeedback.preferences.rl_vlm_f:RLVLMF",
            "a vision-language model compares the last pictures: rl-vlm-f.one-stage, .score",
        ),
        Entry(
            "plare",
            "vlfeedback.preferences.plare:PLARE",
            "a vision-language model compares strips of key frames",
        ),
        Entry(
            "verifier",
            "vlfeedback.preferences.verifier:Verifier",
            "a vision-language model grades both segments by criteria, in both orders",
        ),
        Entry(
            "teacher",
            "vlfeedback.preferences.teacher:ScriptedTeacher",
            "the environment's own reward, with mistakes on request: teacher.mistake, .noisy, "
            ".skip, .myopic, .equal",
        ),
        Entry(
            "human",
            "vlfeedback.preferences.human:HumanLabeller",
            "people, on a page in their browsers: human, with queue=FOLDER",
        ),
        Entry(
            "cascade",
            "vlfeedback.preferences.cascade:Cascade",
            "one labeller after another, each asked about what those before it are unsure of",
        ),
    ),
)
"""Sources that compare pairs themselves, by name; reward sources are not repeated here."""


_COMPARISON = ("tie_margin", "soft")  # settings of `PreferenceFromReward`


def list_preference_sources() -> list[str]:
    """Names of all preference sources, sorted: those of their own, and all reward sources."""
    return sorted({*PREFERENCE_SOURCES.names(), *list_reward_sources()})


def make_preference_source(source: str, *, device: str = "cpu", **config: Any) -> PreferenceSource:
    """Make a preference source from its id.

    Args:
        source: id of a preference source, or of a reward source, such as ``"vlp"``.
        device: where it computes, such as ``"cuda"``.
        **config: its settings; with a reward source also `tie_margin` and `soft`, see
            `PreferenceFromReward`.

    Raises:
        UnknownNameError: there is no such source, variant or setting.
        MissingExtraError: a package it needs is not installed, or a plugin is broken.
        TypeError: a plugin's class does not follow the rules; the message names what is missing.
    """
    family = source.partition(".")[0]
    if source in PREFERENCE_SOURCES or family in PREFERENCE_SOURCES:
        preference_source = make(
            PREFERENCE_SOURCES, source, device=device, config=config, method="label"
        )
        return cast("PreferenceSource", preference_source)
    if source in REWARD_SOURCES or family in REWARD_SOURCES:
        comparison = {name: config.pop(name) for name in _COMPARISON if name in config}
        comparison = checked_settings(PreferenceFromReward, comparison, of=f"source {source!r}")
        rewards = make_reward_source(source, device=device, **config)
        return PreferenceFromReward(rewards, **comparison)
    names = list_preference_sources()
    raise UnknownNameError(
        f"No preference source {source!r}. {suggest(source, names)}"
        f"`{PREFERENCE_SOURCES.listed_by}` shows all {len(names)}."
    )
