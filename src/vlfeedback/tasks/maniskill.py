"""Tasks of ManiSkill 3: those on its table that need no download, with one arm and a gripper.

Instructions are ours, after the docstrings of ManiSkill 3.0.1. They speak of a task's goal marker,
since `vlfeedback_envs.maniskill.environment.ManiSkillView` shows it in its pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

from vlfeedback.tasks.spec import CollectionDefaults, TaskSpec

__all__ = ["MANISKILL_SPECS", "MANISKILL_TASKS"]


@dataclass(frozen=True, slots=True)
class _Words:
    instruction: str
    wordings: tuple[str, ...]
    things: str  # what lies on the table
    horizon: int  # max_episode_steps of ManiSkill's registration
    scripted: bool = True


_TASKS = {
    "pick-cube": _Words(
        "pick up the red cube and hold it at the green ball",
        (
            "lift the red cube to the green ball",
            "grasp the red cube and move it to the green marker",
            "bring the red cube to where the green ball is and keep it there",
        ),
        "A red cube lies on the table. A green ball, which may float above the table, marks the "
        "place that the cube is to be held at; it is no thing and may be hidden by the robot.",
        50,
    ),
    "push-cube": _Words(
        "push the blue cube onto the red and white target",
        (
            "push the blue cube forward into the circle",
            "slide the cube onto the red and white rings",
            "shove the blue cube away from the robot, onto the target",
        ),
        "A blue cube lies on the table; rings of red and white on the table are the target.",
        50,
    ),
    "pull-cube": _Words(
        "pull the blue cube back onto the red and white target",
        (
            "drag the blue cube towards the robot, onto the target",
            "pull the cube back into the circle",
            "reach behind the blue cube and drag it onto the red and white rings",
        ),
        "A blue cube lies on the table; rings of red and white on the table are the target, which "
        "is between the cube and the robot.",
        50,
    ),
    "stack-cube": _Words(
        "stack the red cube on top of the green cube",
        (
            "put the red cube on the green cube",
            "place the red cube on the green one and let it go",
            "build a tower of the green cube below and the red cube above",
        ),
        "A red cube and a green cube lie on the table.",
        50,
    ),
    "lift-peg-upright": _Words(
        "stand the peg upright on the table",
        (
            "set the lying peg on its end",
            "lift the peg and stand it up",
            "turn the red and blue peg so that it stands",
        ),
        "A peg, half red and half blue, lies on the table.",
        50,
    ),
    "place-sphere": _Words(
        "put the blue ball into the small bin",
        (
            "place the blue ball in the tray",
            "pick up the ball and set it down in the bin",
            "move the blue ball into the shallow bin and let it go",
        ),
        "A blue ball lies on the table, and a shallow bin, hardly larger than the ball, is before "
        "it.",
        50,
    ),
    "poke-cube": _Words(
        "poke the red cube onto the red and white target with the blue peg",
        (
            "use the blue peg to push the red cube onto the target",
            "hold the peg and push the cube into the circle with its tip",
            "push the red cube forward with the end of the peg",
        ),
        "A blue peg and a red cube lie on the table; rings of red and white behind the cube are "
        "the target.",
        50,
    ),
    "roll-ball": _Words(
        "roll the blue ball onto the red and white target",
        (
            "push the ball so that it rolls over the target",
            "roll the ball across the table into the circle",
            "hit the blue ball towards the red and white rings",
        ),
        "A blue ball lies on the table before the robot; rings of red and white at the other end "
        "of the table are the target.",
        80,
    ),
    "pull-cube-tool": _Words(
        "pull the cube closer with the tool",
        (
            "use the bent tool to drag the cube towards the robot",
            "hook the cube with the tool and pull it in",
        ),
        "A cube lies on the table, too far for the robot, and a bent tool that it can reach.",
        100,
        scripted=False,
    ),
    "peg-insertion-side": _Words(
        "put the peg's orange end into the hole of the box",
        ("insert the peg into the box", "push the orange end of the peg into the hole"),
        "A peg, half orange and half white, lies on the table, and a box with a hole in its side.",
        100,
        scripted=False,
    ),
    "plug-charger": _Words(
        "plug the charger into the receptacle",
        ("put the charger's pins into the socket", "plug in the charger"),
        "A charger with two pins lies on the table, and a receptacle stands there.",
        200,
        scripted=False,
    ),
    "stack-pyramid": _Words(
        "put the red cube beside the green cube and the blue cube on top of both",
        (
            "build a pyramid of the three cubes with the blue one on top",
            "stack the blue cube on the red and the green cube",
        ),
        "A red, a green and a blue cube lie on the table.",
        250,
        scripted=False,
    ),
}

MANISKILL_TASKS = tuple(_TASKS)
"""Names of all tasks of ManiSkill that are known here."""

_SCENE = "A robot arm stands at a wooden table, in a simulation. "


def _spec(name: str, words: _Words) -> TaskSpec:
    return TaskSpec(
        name,
        words.instruction,
        f"vlfeedback_envs:vlfeedback/ms-{name}-v0",
        wordings=words.wordings,
        scene=_SCENE + words.things,
        suite="maniskill",
        levels=("expert", "medium", "random") if words.scripted else ("random",),
        rollout="vlfeedback_envs.maniskill.data:roll_out" if words.scripted else "",
        collecting=CollectionDefaults(
            episodes=32,  # as of Meta-World's tasks; the VLP paper states no number
            horizon=words.horizon,
            longest=words.horizon,
            random_actions="box",
            frame_stride=7,  # of `vlp`
            frame_size=224,
        ),
    )


MANISKILL_SPECS = tuple(_spec(name, words) for name, words in _TASKS.items())
