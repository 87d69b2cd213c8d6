"""The sources whose labels are measured: made from ids, and ready to compare segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from vlfeedback.errors import InvalidTypeError, InvalidValueError
from vlfeedback.evaluation.labels.answers import Scorer
from vlfeedback.evaluation.labels.baselines import BASELINES
from vlfeedback.evaluation.labels.pairings import PAIRINGS, why_not_applicable
from vlfeedback.preferences import make_preference_source
from vlfeedback.rewards import REWARD_SOURCES, make_reward_source
from vlfeedback.scoring.paced import pace_of, paced
from vlfeedback.scoring.segments import SegmentScorer
from vlfeedback.types import GivesLogOdds, PreferenceSource, RewardSource, unwrapped

__all__ = [
    "AnySource",
    "inapplicable_pairings",
    "log_odds_scale",
    "make_any_source",
    "make_sources",
    "ready_to_compare",
]

AnySource: TypeAlias = RewardSource | PreferenceSource

_COMPARISON = ("tie_margin", "soft")  # settings of the comparison of rewards, not of the rewards


def make_any_source(source: str, *, device: str = "cpu", **settings: Any) -> AnySource:
    """Make a source of either kind from its id: the reward source where there is one.

    A reward source with settings of a comparison, `tie_margin` or `soft`, is a preference source;
    see `vlfeedback.make_preference_source`.

    Raises:
        UnknownNameError: there is no such source, variant or setting.
        MissingExtraError: a package it needs is not installed, or a plugin is broken.
        TypeError: a plugin's class does not follow the rules; the message names what is missing.
    """
    gives_rewards = source in REWARD_SOURCES or source.partition(".")[0] in REWARD_SOURCES
    if gives_rewards and not any(name in settings for name in _COMPARISON):
        return make_reward_source(source, device=device, **settings)
    return make_preference_source(source, device=device, **settings)


def make_sources(
    sources: Mapping[str, AnySource | str] | Sequence[str] | str, *, device: str = "cpu"
) -> dict[str, AnySource]:
    """The sources by name; ids are made, and are their own names where they have none.

    Raises:
        UnknownNameError: there is no such source.
        InvalidTypeError: what is no id has neither ``rewards`` nor ``label``.
        InvalidValueError: there is none, two are the same, or one is called like a baseline that
            it is not.
    """
    if isinstance(sources, str):
        sources = [sources]
    if not sources or len(set(sources)) < len(sources):
        raise InvalidValueError(f"sources={sources!r}; expected at least one, each once.")
    by_name = sources if isinstance(sources, Mapping) else {source: source for source in sources}
    instances: dict[str, AnySource] = {}
    for name, source in by_name.items():
        instances[name] = (
            make_any_source(source, device=device) if isinstance(source, str) else source
        )
        if not isinstance(instances[name], (RewardSource, PreferenceSource)):
            raise InvalidTypeError(
                f"{name!r} is a {type(source).__name__}; expected a source with rewards(batch) or "
                "label(pairs), and with needs."
            )
        if name in BASELINES and not isinstance(instances[name], BASELINES[name]):
            raise InvalidValueError(
                f"A {type(instances[name]).__name__} is called {name!r}, like a baseline beside "
                f"it; expected another name than {', '.join(BASELINES)}."
            )
    return instances


def log_odds_scale(source: AnySource) -> float | None:
    """What a gap of two scores is multiplied by to be log-odds, where the source says so."""
    source = unwrapped(source)
    return float(source.log_odds_scale) if isinstance(source, GivesLogOdds) else None


def inapplicable_pairings(source: AnySource) -> dict[str, str]:
    """Pairings that say nothing of a source, and why."""
    scores_steps = isinstance(source, RewardSource) and source.needs.granularity == "step"
    reasons = {p: why_not_applicable(p, source.needs, scores_steps=scores_steps) for p in PAIRINGS}
    return {pairing: reason for pairing, reason in reasons.items() if reason}


def ready_to_compare(source: AnySource, stride: int) -> Scorer | PreferenceSource:
    """The source as `ask_sources` takes it: what gives rewards scores segments.

    Pictures are read at the pace of a source that scores windows or episodes. One that scores
    single pictures reads about every seventh, and its scores are held until the next.

    Args:
        source: of either kind.
        stride: steps from one picture of the trajectories to the next.

    Raises:
        NeedsError: the pictures are too far apart, or in another rhythm than the source's.
    """
    if not isinstance(source, RewardSource):
        return source
    pace = pace_of(source.needs, stride)
    if source.needs.frames and source.needs.granularity == "step":
        return SegmentScorer(paced(source, pace))
    return SegmentScorer(source, log_odds_scale=log_odds_scale(source))
