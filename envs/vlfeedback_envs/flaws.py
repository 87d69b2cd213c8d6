"""Nine ways in which an attempt goes wrong: from which step on, and what is done there instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Float32

from vlfeedback_envs.rehearsal import GOAL, HAND, Rehearsal

__all__ = ["FLAWS", "Actor", "Flaw", "Plan", "possible_flaws"]

Flaw = Literal[
    "stops",
    "wrong-place",
    "wrong-goal",
    "wrong-direction",
    "drops",
    "wanders-off",
    "runs-past",
    "hesitates",
    "trembles",
]
Observation = Float32[np.ndarray, " o"]
Action = Float[np.ndarray, " a"]  # may lie outside of the box

_NOISE = 0.1  # deviation; the expert's
_BESIDE = (0.10, 0.25)  # m
_PAUSE = (15, 50)  # steps
_PREVIOUS_HAND = slice(18, 21)
_HAND_LOW, _HAND_HIGH = np.array([-0.4, 0.4, 0.08]), np.array([0.4, 0.9, 0.4])  # m
_FAR = 0.15  # m, least distance of the place that is wandered off to
_GAIN = 10.0  # of a hand that goes to a place, as in most of Meta-World's policies
_OPEN = -1.0


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """A noisy script that knows its rehearsal."""

    script: Any  # of `vlfeedback_envs.scripted.scripted_actions`
    rehearsal: Rehearsal
    rng: np.random.Generator

    def act(self, seen: Observation, noise: float = _NOISE) -> Action:
        """What the script does, with noise of this deviation."""
        return np.asarray(self.script.get_action(seen) + self.rng.normal(0.0, noise, 4))

    def move(self, motion: Float[np.ndarray, "3"], grip: float) -> Action:
        """A motion of the hand and the gripper that the script knows nothing of."""
        return np.append(motion, grip) + self.rng.normal(0.0, _NOISE, 4)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How an attempt goes wrong.

    Attributes:
        since: step.
        act: (step, observation) -> what is done from there on.
        stops: it rests for good from there on.
        may_rest: it rests where the task is done.
    """

    since: int
    act: Callable[[int, Observation], Action]
    stops: bool = False
    may_rest: bool = True


def possible_flaws(rehearsal: Rehearsal) -> list[Flaw]:
    """Those that an episode can have: nothing drops where nothing is gripped, for one."""
    impossible = {"drops": not rehearsal.grips, "wrong-goal": not rehearsal.reads_goal}
    return [flaw for flaw in FLAWS if not impossible.get(flaw, False)]


def _stops(actor: Actor) -> Plan:
    """Half-way, and idles."""
    since = actor.rehearsal.step(actor.rng.uniform(0.2, 0.9))
    return Plan(since, lambda _, seen: actor.act(seen), stops=True)


def _wrong_place(actor: Actor) -> Plan:
    """Does everything 10 to 25 cm beside where it should: it takes its hand to be elsewhere."""
    beside = _beside(actor.rng)

    def act(_: int, seen: Observation) -> Action:
        believed = seen.copy()
        for entries in (HAND, _PREVIOUS_HAND):
            believed[entries] -= beside
        return actor.act(believed)

    return Plan(0, act)


def _wrong_goal(actor: Actor) -> Plan:
    """Takes the goal to be 10 to 25 cm beside where it is."""
    beside = _beside(actor.rng)

    def act(_: int, seen: Observation) -> Action:
        believed = seen.copy()
        believed[GOAL] += beside
        return actor.act(believed)

    return Plan(0, act)


def _wrong_direction(actor: Actor) -> Plan:
    """Has touched, and moves away from where it should."""
    since = actor.rehearsal.step_after_touch(actor.rng.uniform(0.0, 0.3))
    return Plan(since, _straight_on(actor, since, -actor.rehearsal.direction()))


def _drops(actor: Actor) -> Plan:
    """Opens the gripper on the way and goes on without the object."""
    rehearsal = actor.rehearsal

    def act(step: int, _: Observation) -> Action:
        if step >= len(rehearsal):
            return _still(_OPEN)
        return actor.move(rehearsal.actions[step, :3], _OPEN)

    return Plan(rehearsal.step_after_touch(actor.rng.uniform(0.1, 0.7)), act)


def _wanders_off(actor: Actor) -> Plan:
    """Has touched, lets go and leaves for somewhere else."""
    since = actor.rehearsal.step_after_touch(actor.rng.uniform(0.0, 0.4))
    place = _far_from(actor.rehearsal.hands[since], actor.rng)
    return Plan(since, lambda _, seen: actor.move(_GAIN * (place - seen[HAND]), _OPEN))


def _runs_past(actor: Actor) -> Plan:
    """Goes straight on where the task is done, or nearly."""
    since = len(actor.rehearsal)
    return Plan(since, _straight_on(actor, since, actor.rehearsal.direction()), may_rest=False)


def _hesitates(actor: Actor) -> Plan:
    """Pauses, and goes on as an expert does."""
    since = actor.rehearsal.step(actor.rng.uniform(0.1, 0.9))
    until, grip = since + int(actor.rng.integers(*_PAUSE)), actor.rehearsal.grip(since)
    return Plan(since, lambda step, seen: _still(grip) if step < until else actor.act(seen))


def _trembles(actor: Actor) -> Plan:
    """An expert at first, drowned in noise then."""
    since = actor.rehearsal.step(actor.rng.uniform(0.2, 0.8))
    noise = float(actor.rng.uniform(2.0, 6.0))
    return Plan(since, lambda _, seen: actor.act(seen, noise))


def _straight_on(
    actor: Actor, since: int, direction: Float[np.ndarray, "3"]
) -> Callable[[int, Observation], Action]:
    """At full speed, a centimetre a step, for a while, with the grip as it is."""
    until, grip = since + int(actor.rng.integers(*_PAUSE)), actor.rehearsal.grip(since)
    return lambda step, _: actor.move(direction, grip) if step < until else _still(grip)


def _still(grip: float) -> Action:
    return np.array([0.0, 0.0, 0.0, grip])


def _beside(rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    """A displacement over the table, m."""
    angle, distance = rng.uniform(0.0, 2 * np.pi), rng.uniform(*_BESIDE)
    return np.array([distance * np.cos(angle), distance * np.sin(angle), 0.0])


def _far_from(hand: Float[np.ndarray, "3"], rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    """A place that the hand can reach, not close to where it is; m."""
    while True:
        place = rng.uniform(_HAND_LOW, _HAND_HIGH)
        if np.linalg.norm(place - hand) >= _FAR:
            return place


FLAWS: Mapping[Flaw, Callable[[Actor], Plan]] = {
    "stops": _stops,
    "wrong-place": _wrong_place,
    "wrong-goal": _wrong_goal,
    "wrong-direction": _wrong_direction,
    "drops": _drops,
    "wanders-off": _wanders_off,
    "runs-past": _runs_past,
    "hesitates": _hesitates,
    "trembles": _trembles,
}
"""Plans of attempts by name."""
