"""All tasks by name: our own, those of plugins, and those that a program adds for itself."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches

from vlfeedback.errors import BrokenPluginError, UnknownNameError
from vlfeedback.registry import Entry, Registry
from vlfeedback.tasks.built_in import OUR_TASKS
from vlfeedback.tasks.spec import TaskSpec

__all__ = [
    "TASKS",
    "TaskRegistry",
    "get_task",
    "is_installed",
    "list_tasks",
    "own_task",
    "register_task",
    "task_seed",
]

_HERE = "(this program)"  # the distribution of what `register_task` adds
_FIRST_OF_OTHERS = 1000  # from here on seeds are of tasks that are not our own


class TaskRegistry(Registry[TaskSpec], Mapping[str, TaskSpec]):
    """The registry of tasks, which can be read like a dict.

    Iterating gives our own tasks in their places, then all others, sorted; it imports nothing. A
    plugin's task is imported when it is looked up.
    """

    def __init__(self, own: tuple[TaskSpec, ...]) -> None:
        self.own = tuple(spec.name for spec in own)
        self._told: list[Callable[[str], None]] = []
        super().__init__(
            "task",
            group="vlfeedback.tasks",
            listed_by="vlfeedback list tasks",
            built_ins=[Entry(spec.name, f"{__name__}:TASKS") for spec in own],
            values={spec.name: spec for spec in own},
        )

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        yield from (name for name in self.names() if name not in self.own)

    def __len__(self) -> int:
        return len(self.names())

    def __contains__(self, name: object) -> bool:
        return name in self.names()  # spelt exactly so: names of tasks are names of folders

    def __getitem__(self, name: str) -> TaskSpec:
        if name not in self:
            raise KeyError(name)
        return self.load(name)

    def load(self, name: str) -> TaskSpec:
        """The task of exactly this name.

        Raises:
            UnknownNameError: there is no such task, or two distributions give it.
            BrokenPluginError: what a plugin's entry point names is no task, or none of this name.
        """
        spec = super().load(name)
        entry = self.entry(name)
        if not isinstance(spec, TaskSpec) or spec.name != entry.name:
            description = f"the task {spec.name!r}" if isinstance(spec, TaskSpec) else repr(spec)
            raise BrokenPluginError(
                f"Task {entry.name!r} of {entry.distribution!r} is broken: {entry.target!r} is "
                f"{description}; expected a TaskSpec of the entry point's name. Tell its authors; "
                "to go on without it, uninstall it."
            )
        return spec

    def tell(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the name of each task that is added from now on."""
        self._told.append(listener)

    def add(self, entry: Entry, value: TaskSpec) -> None:
        """Add a task for as long as this process runs; see `register_task`."""
        super().add(entry, value)
        for listener in self._told:
            listener(entry.name)


TASKS = TaskRegistry(OUR_TASKS)
"""All tasks. A plugin's is an entry point ``name = "module:TASK_SPEC"`` in ``vlfeedback.tasks``."""


def list_tasks() -> list[str]:
    """Names of all tasks, sorted, those of plugins among them; imports nothing.

    >>> {"cart-pole-balance", "drawer-close"} <= set(list_tasks())
    True
    """
    return sorted(TASKS)


def get_task(task: str | TaskSpec) -> TaskSpec:
    """The task of this name; a `TaskSpec` is given back as it is.

    Args:
        task: a name, also as it is spelt in an id (``DrawerClose``), or a task.

    Raises:
        UnknownNameError: there is no such task; the message suggests the nearest.
        BrokenPluginError: it is a plugin's, and cannot be imported.
    """
    if isinstance(task, TaskSpec):
        return task
    if task in TASKS:
        return TASKS.load(task)
    by_gym_name = {TASKS.entry(name).gym_name: name for name in TASKS}
    if task in by_gym_name:
        return TASKS.load(by_gym_name[task])
    near = get_close_matches(task, [*TASKS, *by_gym_name], n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise UnknownNameError(
        f"No task {task!r}. {hint}`vlfeedback list tasks` shows all {len(TASKS)}."
    )


def register_task(spec: TaskSpec) -> None:
    """Add a task for as long as this process runs, with the ids of all sources.

    Then `vlfeedback.make_reward_source`'s sources have it in ``gym.make``, and every function
    and command that takes a task's name. Adding the same task again changes nothing.

    Raises:
        InvalidValueError: there is another task of this name.
    """
    if spec.name in TASKS and TASKS.load(spec.name) == spec:
        return
    TASKS.add(Entry(spec.name, repr(spec.env_id), distribution=_HERE), spec)


def own_task(
    env_id: str,
    instruction: str,
    *,
    success_key: str = "success",
    name: str = "",
    instruction_key: str = "",
) -> TaskSpec:
    """A task of any Gymnasium environment, for one call or one folder; nothing is registered.

    Args:
        env_id: Gymnasium id, with the module that registers it before a colon where importing
            that is needed: ``"my_package:MyEnv-v0"``.
        instruction: what is to be done, in words.
        success_key: key of ``info`` that is truthy once it is done; "": there is none.
        name: what files and tables call it; by default made of the id.
        instruction_key: where each episode has words of its own; see `TaskSpec`.

    Raises:
        InvalidValueError: a name that files cannot be called by, or an empty instruction.

    >>> own_task("my_package:lab/FoldTowel-v1", "fold the towel").name
    'fold-towel'
    """
    return TaskSpec(
        name or _name_of(env_id),
        instruction,
        env_id,
        success_key=success_key,
        instruction_key=instruction_key,
    )


def task_seed(name: str) -> int:
    """The number that a task has in seeds: it depends on nothing but the name.

    Our own tasks have their places, from 0 on; all others a number of at least 1000.

    >>> task_seed("assembly"), task_seed("cart-pole-balance")
    (0, 50)
    """
    if name in TASKS.own:
        return TASKS.own.index(name)
    return _FIRST_OF_OTHERS + zlib.crc32(name.encode())


def is_installed(spec: TaskSpec) -> bool:
    """Whether another process finds this very task by its name: ours, or a plugin's."""
    return (
        spec.name in TASKS
        and TASKS.entry(spec.name).distribution != _HERE
        and TASKS.load(spec.name) == spec
    )


def _name_of(env_id: str) -> str:
    """``"module:space/FoldTowel-v1"`` becomes ``"fold-towel"``."""
    bare = re.sub(r"-v\d+$", "", env_id.rpartition(":")[2].rpartition("/")[2])
    hyphenated = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_\s]+", "-", bare)
    return hyphenated.lower()
