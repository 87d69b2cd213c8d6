"""Attempts of Meta-World's scripted policies that go wrong, each in one of nine ways.

A reward that was only shown experts, experts that stop and random actions has not seen what a
policy that is still learning does: it goes to the wrong place, lets go, turns round, runs past. No
outcome is made up: an attempt that succeeds all the same is recorded as the success that it was.

Source: the kinds (`vlfeedback_envs.flaws`) are ours, and so are all numbers. An attempt is first
rehearsed without noise, from the same reset, so that "half-way" and "once it has touched" are
those of this very episode.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
from jaxtyping import Float32

from vlfeedback.errors import InvalidValueError, UnknownNameError
from vlfeedback.types import Trajectory
from vlfeedback_envs.flaws import FLAWS, Actor, Flaw, Plan, possible_flaws
from vlfeedback_envs.metaworld import MetaWorldView
from vlfeedback_envs.rehearsal import rehearse
from vlfeedback_envs.scripted import Choose, Ends, Stops, perform, quiet_scripts, scripted_actions

__all__ = ["FLAWED", "rollout_flawed"]

FLAWED = "flawed"
"""`Trajectory.level` of an attempt that goes wrong; its ``info["flaw"]`` says how."""


def rollout_flawed(
    view: MetaWorldView,
    *,
    seed: int,
    flaw: Flaw | None = None,
    horizon: int = 150,
    frame_stride: int = 7,
    frame_size: int = 112,
    ends: Ends = "rest",
) -> Trajectory:
    """An attempt that goes wrong; its ``info`` has the ``flaw`` and the step it shows ``since``.

    Args:
        view: of the task.
        seed: of the episode, its noise, and how it goes wrong.
        flaw: of `vlfeedback_envs.flaws.FLAWS`; by default drawn from those that the episode can
            have: nothing drops where nothing is gripped, and no goal is mistaken where the script
            reads none.
        horizon: steps.
        frame_stride: steps between pictures.
        frame_size: side of the pictures, px.
        ends: what follows a success: ``"rest"``, or ``"run-on"``. What runs past does not rest.

    Raises:
        UnknownNameError: no such flaw or end.
        InvalidValueError: the episode cannot have this flaw, or the view's picture size is no
            multiple of `frame_size`.
    """
    for name, allowed in ((flaw, tuple(FLAWS)), (ends, get_args(Ends))):
        if name is not None and name not in allowed:
            raise UnknownNameError(f"No {name!r} here; choose one of {', '.join(allowed)}.")
    rng = np.random.default_rng(seed)
    with quiet_scripts():
        rehearsal = rehearse(view, seed=seed, horizon=horizon)
        possible = possible_flaws(rehearsal)
        if flaw is not None and flaw not in possible:
            raise InvalidValueError(
                f"No episode of {view.task.name!r} has the flaw {flaw!r}; choose one of "
                f"{', '.join(possible)}."
            )
        kind = flaw or possible[int(rng.integers(len(possible)))]
        actor = Actor(scripted_actions(view), rehearsal, rng)
        plan = FLAWS[kind](actor)
        trajectory = perform(
            view,
            _chooser(actor, plan),
            _stops(view, plan, ends),
            level=FLAWED,
            seed=seed,
            horizon=horizon,
            frame_stride=frame_stride,
            frame_size=frame_size,
        )
    return replace(trajectory, info={"flaw": kind, "since": plan.since})


def _chooser(actor: Actor, plan: Plan) -> Choose:
    last = np.zeros(4, dtype=np.float32)
    step = -1

    def choose(seen: Float32[np.ndarray, " o"], stopped: bool) -> Float32[np.ndarray, " a"]:
        nonlocal last, step
        step += 1
        if stopped:
            action = np.array([0.0, 0.0, 0.0, last[3]])  # the gripper keeps its grip
        else:
            action = plan.act(step, seen) if step >= plan.since else actor.act(seen)
        last = np.asarray(np.clip(action, -1.0, 1.0), dtype=np.float32)
        return last

    return choose


def _stops(view: MetaWorldView, plan: Plan, ends: Ends) -> Stops:
    """When the actor rests for good."""

    def stops(n_done: int, info: dict[str, Any]) -> bool:
        done = ends == "rest" and plan.may_rest and bool(info.get(view.task.success_key))
        return done or (plan.stops and n_done >= plan.since)

    return stops
