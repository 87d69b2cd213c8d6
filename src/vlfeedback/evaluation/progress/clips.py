"""Fresh clips, made in several ways: what experts do after success, who acts at random and how.

A source that was trained on clips of one kind is measured on the others too. Only the levels that
a way changes are collected for it; the others are the same episodes as in the first way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vlfeedback.collecting import collect, complete_settings
from vlfeedback.data.collection import Collection
from vlfeedback.data.cut_off import without_rest
from vlfeedback.errors import NeedsError
from vlfeedback.tasks import TaskSpec, get_task
from vlfeedback.types import Report, Trajectory

__all__ = ["LEVELS", "PROTOCOLS", "ClipProtocol", "FreshClips", "collect_clips"]

LEVELS = ("expert", "medium", "random")
"""Of optimality, best first."""

FRESH = 40_000
"""Seeds of these clips begin here: no training used them, nor did another evaluation."""

_FIRST = "rest"
_FRAME_STRIDE = 7  # steps between pictures: what the sources of windows read


@dataclass(frozen=True, slots=True)
class ClipProtocol:
    """One way to make the clips of a task.

    Attributes:
        meaning: what is different from the first way.
        from_folder: by level, the collection it is taken from where that is not the first.
        ends_at_success: each episode ends at its first success, or at its actor's stop; one that is
            over sooner goes on to the length of a segment.
    """

    meaning: str
    from_folder: Mapping[str, str] = field(default_factory=dict, hash=False)
    ends_at_success: bool = False


_AS_TRAINED = {"ends": "rest", "random_actions": "u01", "medium": "half-way"}
_COLLECTED: Mapping[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {
    # name of the folder: settings that differ from the task's own, levels
    _FIRST: (_AS_TRAINED, LEVELS),
    "run-on": (_AS_TRAINED | {"ends": "run-on"}, ("expert",)),
    "box": (_AS_TRAINED | {"random_actions": "box"}, ("random",)),
    "near-object": (_AS_TRAINED | {"medium": "near-object"}, ("medium",)),
    "jittered": ({**_AS_TRAINED, "env_options": {"hand_starts": "jittered"}}, LEVELS),
}

PROTOCOLS: Mapping[str, ClipProtocol] = MappingProxyType(
    {
        _FIRST: ClipProtocol("experts rest once they succeed, as the bundled models were trained"),
        "run-on": ClipProtocol("experts act on after success", {"expert": "run-on"}),
        "ended": ClipProtocol("episodes end at their success", ends_at_success=True),
        "box": ClipProtocol("random actions over the whole box, not U[0, 1]", {"random": "box"}),
        "run-on-box": ClipProtocol(
            "both of these: experts act on, random actions over the whole box",
            {"expert": "run-on", "random": "box"},
        ),
        "near-object": ClipProtocol(
            "medium scripts stop near the object, not half-way", {"medium": "near-object"}
        ),
        "jittered": ClipProtocol(
            "arms start around where the task puts them, as in CPL",
            dict.fromkeys(LEVELS, "jittered"),
        ),
    }
)
"""By name; the first is what the figures along episodes are measured on."""


@dataclass(frozen=True, slots=True)
class FreshClips:
    """Folders of collections, one for each way that changes something, below one root.

    Attributes:
        root: of the folders.
        settings: of each collection, by the name of its folder.
    """

    root: Path
    settings: Mapping[str, Mapping[str, Any]]

    def load(self, task: str, protocol: str, *, least: int = 1) -> list[Trajectory]:
        """The episodes of a task by one of `PROTOCOLS`, its levels in their order.

        Args:
            task: that was collected.
            protocol: of `PROTOCOLS`.
            least: steps of an episode even if it is over sooner, where episodes end at success.

        Raises:
            NeedsError: the clips were collected without this protocol.
        """
        way = PROTOCOLS[protocol]
        episodes: list[Trajectory] = []
        for level in LEVELS:
            folder = way.from_folder.get(level, _FIRST)
            if folder not in self.settings:
                raise NeedsError(
                    f"There are no {level} clips by protocol {protocol!r} in {self.root}; collect "
                    "them with protocols=True."
                )
            episodes += Collection.open(self.root / folder).load(task, [level])
        if way.ends_at_success:
            return [without_rest(t, least=least) for t in episodes]
        return episodes

    def experts_that_run_on(self, task: str) -> list[Trajectory]:
        """The experts of the first protocol, of the same seeds, that act on after success."""
        return Collection.open(self.root / "run-on").load(task, ["expert"])


def collect_clips(
    root: str | Path,
    tasks: Sequence[str | TaskSpec],
    *,
    episodes: int = 8,
    seed: int = 0,
    horizon: int | None = None,
    protocols: bool = True,
    workers: int = 1,
    report: Report | None = None,
) -> FreshClips:
    """Collect what is missing of the clips of these tasks.

    Args:
        root: folder of the collections.
        tasks: of Meta-World, whose scripts know every protocol.
        episodes: of each task, level and way.
        seed: 0 or more; the same gives the same episodes.
        horizon: steps of an episode; None: as the tasks are collected. What idling earns beside
            an expert depends on it.
        protocols: all of `PROTOCOLS`; else the first one, and experts that run on.
        workers: processes that collect.
        report: see `vlfeedback.collecting.collect`.

    Raises:
        NeedsError: a task's scripts do not know the protocols.
        UnknownNameError: there is no such task.
    """
    # As they are registered: clips are the same whatever words a task is told by.
    specs = [get_task(get_task(task).name) for task in tasks]
    others = [s.name for s in specs if s.suite != "metaworld" or "medium" not in s.levels]
    if others:
        raise NeedsError(
            "Only the scripts of Meta-World's 50 tasks know how clips are made otherwise, and "
            f"{', '.join(others)} has none of them; name other tasks, or give episodes at hand."
        )
    shared: dict[str, Any] = {
        "episodes": episodes,
        "frame_stride": _FRAME_STRIDE,
        "seed": FRESH + seed,
    }
    if horizon is not None:
        shared["horizon"] = horizon
    names = [*_COLLECTED] if protocols else [_FIRST, "run-on"]
    settings = {}
    for name in names:
        own, levels = _COLLECTED[name]
        settings[name] = complete_settings(specs, {**shared, **own})
        collect(
            Path(root) / name,
            specs,
            settings=settings[name],
            levels=levels,
            workers=workers,
            report=report,
        )
    return FreshClips(Path(root), settings)
