"""The table of tasks: what each is called, what it asks for in words, and how it is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

from vlfeedback.errors import UnknownNameError

__all__ = [
    "METAWORLD_TASKS",
    "ML45_TEST_TASKS",
    "TASKS",
    "VLP_TEST_TASKS",
    "TaskSpec",
    "get_task",
    "list_tasks",
]


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task, as a source and a wrapper need to know it."""

    name: str  # "drawer-close"
    instruction: str  # what a person would say
    env_id: str  # Gymnasium id of the view that renders it, importable as "module:id"
    camera: str = (
        "corner4"  # the near corner view of the visual Meta-World literature; "": one only
    )
    success_key: str = "success"  # key of `info` that is truthy once the task is done

    @property
    def gym_name(self) -> str:
        """The name as it stands in a Gymnasium id: ``DrawerClose``."""
        return "".join(part.capitalize() for part in self.name.split("-"))


# Instructions are ours, after the task descriptions of Meta-World's appendix.
_METAWORLD = {
    "assembly": "put the ring onto the peg",
    "basketball": "dunk the basketball into the hoop",
    "bin-picking": "move the block from one bin into the other bin",
    "box-close": "put the lid on the box",
    "button-press": "press the button",
    "button-press-topdown": "press the button from the top",
    "button-press-topdown-wall": "reach over the wall and press the button from the top",
    "button-press-wall": "reach around the wall and press the button",
    "coffee-button": "push the button on the coffee machine",
    "coffee-pull": "pull the mug away from the coffee machine",
    "coffee-push": "push the mug under the coffee machine",
    "dial-turn": "turn the dial",
    "disassemble": "take the ring off the peg",
    "door-close": "close the door",
    "door-lock": "lock the door",
    "door-open": "open the door",
    "door-unlock": "unlock the door",
    "drawer-close": "close the drawer",
    "drawer-open": "open the drawer",
    "faucet-close": "close the faucet",
    "faucet-open": "open the faucet",
    "hammer": "hammer the nail into the board",
    "hand-insert": "put the hand into the hole",
    "handle-press": "press the handle down",
    "handle-press-side": "press the handle down from the side",
    "handle-pull": "pull the handle up",
    "handle-pull-side": "pull the handle up from the side",
    "lever-pull": "pull the lever up",
    "peg-insert-side": "insert the peg into the hole in the side of the box",
    "peg-unplug-side": "unplug the peg from the box",
    "pick-out-of-hole": "pick the puck out of the hole",
    "pick-place": "pick up the puck and place it at the goal",
    "pick-place-wall": "pick up the puck and place it behind the wall",
    "plate-slide": "slide the plate into the cabinet",
    "plate-slide-back": "slide the plate back out of the cabinet",
    "plate-slide-back-side": "slide the plate sideways out of the cabinet",
    "plate-slide-side": "slide the plate sideways into the cabinet",
    "push": "push the puck to the goal",
    "push-back": "push the puck back to the goal",
    "push-wall": "push the puck around the wall to the goal",
    "reach": "reach the goal",
    "reach-wall": "reach over the wall to the goal",
    "shelf-place": "place the block on the shelf",
    "soccer": "kick the ball into the goal",
    "stick-pull": "pull the box with the stick",
    "stick-push": "push the box with the stick",
    "sweep": "sweep the block off the table",
    "sweep-into": "sweep the block into the hole",
    "window-close": "close the window",
    "window-open": "open the window",
}

_OTHERS = (
    TaskSpec(
        "cart-pole-balance",
        "balance the brown pole on the black cart to be upright",  # RL-VLM-F, Appendix
        "vlfeedback_envs:vlfeedback/CartPoleBalance-v0",
        camera="",
    ),
)

TASKS: Mapping[str, TaskSpec] = MappingProxyType(
    {
        name: TaskSpec(name, text, f"vlfeedback_envs:vlfeedback/mw-{name}-v0")
        for name, text in _METAWORLD.items()
    }
    | {spec.name: spec for spec in _OTHERS}
)
"""All tasks by name; read-only. New ones come last: seeds are counted by a task's place."""

METAWORLD_TASKS = tuple(_METAWORLD)
"""The 50 tasks of Meta-World v3, sorted: all that `vlp` was trained on."""

VLP_TEST_TASKS = ("button-press", "door-close", "drawer-close", "faucet-close", "window-open")
"""The tasks the VLP paper never trains on (its appendix C)."""

ML45_TEST_TASKS = ("bin-picking", "box-close", "door-lock", "door-unlock", "hand-insert")
"""Meta-World's own test split; the VLP paper trains another model for it (its Table 18)."""


def list_tasks() -> list[str]:
    """Names of all tasks, sorted.

    >>> len(list_tasks())
    51
    """
    return sorted(TASKS)


def get_task(name: str) -> TaskSpec:
    """The task of this name; spelling of an id's part (``DrawerClose``) is accepted too.

    Raises:
        UnknownNameError: there is no such task; the message suggests the nearest.
    """
    if name in TASKS:
        return TASKS[name]
    for spec in TASKS.values():
        if spec.gym_name == name:
            return spec
    near = get_close_matches(name, [*TASKS, *(spec.gym_name for spec in TASKS.values())], n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise UnknownNameError(
        f"No task {name!r}. {hint}`vlfeedback list tasks` shows all {len(TASKS)}."
    )
