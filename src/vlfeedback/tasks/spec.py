"""What is known of a task: what it asks for in words, how it is seen, how it is acted out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vlfeedback.errors import InvalidValueError
from vlfeedback.registry import gym_name

__all__ = ["CollectionDefaults", "TaskSpec", "check_name"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")  # names become parts of file names


@dataclass(frozen=True, slots=True)
class CollectionDefaults:
    """How episodes of a task are collected where nobody says otherwise.

    Attributes:
        episodes: of each level, 1 to 1000.
        horizon: steps of an episode; None: the environment's own limit.
        longest: most steps an episode can have; None: no limit is known.
        random_actions: of level random: "box", the whole action space, or "u01".
        frame_stride: steps between pictures; 0 for none.
        least_stride: smallest `frame_stride`: 1 where episodes always have pictures.
        frame_size: side of stored pictures, px.
        medium: where a medium script stops: "half-way" or, as the VLP paper has it,
            "near-object".
        ends: what a script does once the task is done: "rest", or "run-on".
        env_options: keyword arguments of the environment; JSON values.
    """

    episodes: int = 32
    horizon: int | None = None
    longest: int | None = None
    random_actions: str = "box"
    frame_stride: int = 7
    least_stride: int = 0
    frame_size: int = 224
    medium: str = "half-way"
    ends: str = "rest"
    env_options: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """The description of a task: its instruction, environment, camera, levels and scripts.

    ``"module:function"`` strings are imported when they are needed, and not before. A package of
    yours adds a task by an entry point in the group ``vlfeedback.tasks``; see
    `vlfeedback.tasks.TASKS`.

    Attributes:
        name: "drawer-close": letters, digits, "-" and ".".
        instruction: what a person would say.
        env_id: Gymnasium id of the environment, importable as "module:id"; "": none at hand.
        camera: what the environment calls the view its pictures show; "": it has one only.
        success_key: key of `info` that is truthy once the task is done; "": none.
        wordings: other ways to say the instruction.
        scene: what its pictures show, as a language model is told; "": nothing.
        source: reward source to begin with; `vlfeedback list tasks` shows its id.
        suite: tasks of one suite are told apart by their instructions: those of the others are
            wrong ones.
        levels: of optimality, what `rollout` acts out, such as ("expert", "random");
            ("random",) needs none.
        rollout: (task, level, seeds, settings) -> trajectories; see `vlfeedback.collecting`.
            "": actions drawn from the environment's action space, which is level "random".
        collecting: settings of a collection of its episodes.
        retake: (task, trajectories, camera, frame_size) -> the same episodes seen by another
            camera.
        picture: (task) -> (H, W, 3) uint8, its scene; "": what a reset renders.
        more_levels: what `rollout` acts out where it is asked for it by name, and not otherwise.
        instruction_key: entry of a reset's observation or `info` that says what this episode asks
            for, such as ``"mission"`` of MiniGrid; `instruction` then says what they have in
            common. "": all episodes ask for the same.

    Raises:
        InvalidValueError: a name that cannot be part of a file's, or an empty instruction.
    """

    name: str
    instruction: str
    env_id: str
    camera: str = ""
    success_key: str = "success"
    wordings: tuple[str, ...] = ()
    scene: str = ""
    source: str = "env"
    suite: str = ""
    levels: tuple[str, ...] = ()
    rollout: str = ""
    collecting: CollectionDefaults = field(default_factory=CollectionDefaults)
    retake: str = ""
    picture: str = ""
    more_levels: tuple[str, ...] = ()
    instruction_key: str = ""

    def __post_init__(self) -> None:
        check_name(self.name, what="A task's name")
        if not self.instruction.strip():
            raise InvalidValueError(
                f"Task {self.name!r} has no instruction; say in a few words what is to be done."
            )

    @property
    def scripted_levels(self) -> tuple[str, ...]:
        """All that `rollout` acts out."""
        return (*self.levels, *self.more_levels) if self.rollout else ()

    @property
    def gym_name(self) -> str:
        """The name as it stands in a Gymnasium id: ``DrawerClose``."""
        return gym_name(self.name)


def check_name(name: str, *, what: str) -> None:
    """Refuse a name that files cannot be called by.

    Raises:
        InvalidValueError: it has something else than letters, digits, "-" and ".".
    """
    if not _NAME.fullmatch(name):
        raise InvalidValueError(
            f"{what} is {name!r}; expected letters, digits, '-' and '.', since files are called "
            "by it and underscores part names there."
        )
