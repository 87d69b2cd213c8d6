"""The sources of a diagnosis, also those that cannot be made before there is a goal picture."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlfeedback.evaluation.diagnosis.episodes import choose_goal_episode, write_goal
from vlfeedback.evaluation.diagnosis.source_choice import SourceChoice
from vlfeedback.rewards import source_to_json
from vlfeedback.types import RewardSource, SourceNeeds, Trajectory, class_and_settings

__all__ = ["PreparedSources"]


class PreparedSources:
    """Sources by name, each made as soon as its settings are complete.

    What lacks a picture of the goal is made by `add_goals`. Sources compute on one thread from
    when they are made until `close`, so that speeds mean the same on every machine.

    Args:
        sources: live ones, or choices.
        device: of those that are made, such as ``"cuda"``.

    Raises:
        UnknownNameError: there is no such source, or a setting is not known.
    """

    def __init__(self, sources: Mapping[str, RewardSource | SourceChoice], device: str) -> None:
        self._sources = dict(sources)
        self._device = device
        self._threads: int | None = None  # of torch, before
        self._goals: dict[str, str] = {}
        self._live: dict[str, RewardSource] = {}
        for name, source in self._sources.items():
            if not isinstance(source, SourceChoice):
                self._live[name] = source
                self._use_one_thread()
            elif not source.lacks_goal:
                self._make(name, source)

    @property
    def needs(self) -> list[SourceNeeds]:
        """What each reads, also what is not made yet."""
        return [self._live.get(name, source).needs for name, source in self._sources.items()]

    @property
    def live(self) -> dict[str, RewardSource]:
        """All that are made, in the order they were given."""
        return {name: self._live[name] for name in self._sources if name in self._live}

    def add_goals(
        self, evaluated: list[Trajectory], others: Sequence[Trajectory], folder: str | Path
    ) -> list[Trajectory]:
        """Make the sources that wait for a goal picture; returns the episodes to evaluate.

        Args:
            evaluated: of `choose_episodes`.
            others: likewise; one of these shows the goal if it can.
            folder: where the picture is written.

        Raises:
            NeedsError: there is no expert episode to spare, or it has no pictures.
        """
        waiting = {n: s for n, s in self._sources.items() if n not in self._live}
        if not waiting:
            return evaluated
        goal_episode, evaluated = choose_goal_episode(evaluated, others)
        path = write_goal(goal_episode, folder)
        fails = "" if goal_episode.first_success is not None else " and does not succeed"
        note = (
            f"goal: the last picture of {goal_episode.id}, which is not evaluated{fails}; "
            f"{path.name}"
        )
        for name, choice in waiting.items():
            if isinstance(choice, SourceChoice):
                self._make(name, choice.with_goal(str(path)))
                self._goals[name] = note
        return evaluated

    def describe(self, name: str) -> dict[str, Any]:
        """``id`` (of a live source its class), ``settings``, ``goal`` if it was cut here."""
        source, live = self._sources[name], self._live[name]
        if isinstance(source, SourceChoice):
            description = {"id": source.id, "settings": source_to_json(live)["params"]}
        else:
            kind, settings = class_and_settings(live)
            description = {"id": kind, "settings": settings}
        if name in self._goals:
            description["goal"] = self._goals[name]
        return description

    def close(self) -> None:
        """Let torch have its threads back."""
        if self._threads is not None:
            sys.modules["torch"].set_num_threads(self._threads)

    def _make(self, name: str, choice: SourceChoice) -> None:
        self._live[name] = choice.make(self._device)
        self._use_one_thread()

    def _use_one_thread(self) -> None:
        torch: Any = sys.modules.get("torch")
        if torch is not None:
            if self._threads is None:
                self._threads = torch.get_num_threads()
            torch.set_num_threads(1)
