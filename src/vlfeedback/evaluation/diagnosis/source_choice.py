"""A source by its id and settings, before it is made: it may still wait for a goal's picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from vlfeedback.rewards import REWARD_SOURCES, make_reward_source
from vlfeedback.types import RewardSource, SourceNeeds

__all__ = ["SourceChoice"]


@dataclass(frozen=True, slots=True)
class SourceChoice:
    """One source that is to be made.

    Attributes:
        name: what it is called in tables.
        id: "family" or "family.variant".
        settings: of the source, by name.
    """

    name: str
    id: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def lacks_goal(self) -> bool:
        """Whether it compares with a picture of the goal alone and was given none.

        A source that also understands an instruction goes by that.

        Raises:
            UnknownNameError: there is no such source.
        """
        config_type: Any = getattr(self._class(), "config_type", None)
        names = [f.name for f in fields(config_type)] if config_type is not None else []
        goal = self.settings.get("goal")
        return "goal" in names and not goal and not self.needs.instruction

    @property
    def needs(self) -> SourceNeeds:
        """What it reads, as its class says before it is made."""
        needs = getattr(self._class(), "needs", None)
        return needs if isinstance(needs, SourceNeeds) else SourceNeeds(frames=True)

    def with_goal(self, path: str) -> SourceChoice:
        """The same with a picture of the goal."""
        return replace(self, settings={**self.settings, "goal": path})

    def make(self, device: str) -> RewardSource:
        """The source itself; see `vlfeedback.make_reward_source`."""
        return make_reward_source(self.id, device=device, **self.settings)

    def _class(self) -> Any:
        is_registered = self.id in REWARD_SOURCES
        return REWARD_SOURCES.load(self.id if is_registered else self.id.partition(".")[0])
