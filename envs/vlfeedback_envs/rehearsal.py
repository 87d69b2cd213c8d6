"""What a scripted policy does from a reset, found out before an episode is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from vlfeedback_envs.metaworld import MetaWorldView
from vlfeedback_envs.scripted import scripted_actions

__all__ = ["GOAL", "HAND", "Rehearsal", "rehearse"]

HAND, GOAL = slice(0, 3), slice(36, 39)
"""Entries of `MetaWorldView.script_observation`, m."""

_SETTLED = 10  # steps, in which things that a reset has put into the hand fall out of it
_UNTOUCHED = 0.6  # share of the way at which what touches nothing, such as reaching, would touch
_OWN_WAY = 0.05  # m


@dataclass(frozen=True, slots=True, eq=False)
class Rehearsal:
    """The script's own episode from a reset, without noise, up to its success.

    Attributes:
        hands: (S + 1, 3), where the hand is before each action and after the last, m.
        actions: (S, 4), as the environment took them.
        touches: steps after which the hand has touched something that can move.
        grips: whether the gripper is closed further from then on than it was at first; what is
            closed all along is pushing.
        reads_goal: whether the script would act otherwise, were the goal elsewhere.
    """

    hands: Float[np.ndarray, "S1 3"]
    actions: Float[np.ndarray, "S 4"]
    touches: int
    grips: bool
    reads_goal: bool

    def __len__(self) -> int:
        """Steps to success, or to the end where there is none."""
        return len(self.actions)

    def step(self, share: float) -> int:
        """The step at this share of the whole episode."""
        return int(share * len(self))

    def step_after_touch(self, share: float) -> int:
        """The step at this share of the way from touch to success."""
        return self.touches + int(share * (len(self) - self.touches))

    def grip(self, step: int) -> float:
        """The gripper's action at a step, or at the last."""
        return float(self.actions[min(step, len(self) - 1), 3])

    def direction(self) -> Float[np.ndarray, "3"]:
        """Where the hand goes once it has touched, as a unit vector."""
        distances = np.linalg.norm(self.hands[-1] - self.hands, axis=1)
        far = np.flatnonzero(distances >= _OWN_WAY)
        # What succeeds at a touch has no way of its own: then its last centimetres count.
        start = min(self.touches, int(far[-1]) if len(far) else 0)
        way = self.hands[-1] - self.hands[start]
        return np.asarray(way / max(float(np.linalg.norm(way)), 1e-6))


def rehearse(view: MetaWorldView, *, seed: int, horizon: int) -> Rehearsal:
    """Act out a script from the reset of `seed`; the view is left for its next reset.

    Args:
        view: of the task.
        seed: of the reset.
        horizon: steps at most.
    """
    policy = scripted_actions(view)
    view.reset(seed=seed)
    seen = view.script_observation
    hands, actions = [seen[HAND]], []
    touches: int | None = None
    reads_goal = False
    for step in range(horizon):
        action = policy.get_action(seen)
        reads_goal = reads_goal or bool(np.any(action != policy.get_action(_goal_moved(seen))))
        actions.append(np.clip(action, -1.0, 1.0).astype(np.float32))
        _, _, _, _, info = view.step(actions[-1])
        seen = view.script_observation
        hands.append(seen[HAND])
        if touches is None and step >= _SETTLED and _is_touching(view.simulation):
            touches = step + 1
        if info[view.task.success_key]:
            break
    if touches is None:
        touches = int(_UNTOUCHED * len(actions))
    grip = np.asarray(actions)[:, 3]
    return Rehearsal(
        hands=np.asarray(hands, dtype=np.float64),
        actions=np.asarray(actions, dtype=np.float64),
        touches=touches,
        grips=bool(np.any(grip[touches:] > grip[0])),
        reads_goal=reads_goal,
    )


def _goal_moved(seen: Float32[np.ndarray, " o"]) -> Float32[np.ndarray, " o"]:
    elsewhere = seen.copy()
    elsewhere[GOAL] += 0.5  # m
    return elsewhere


def _is_touching(simulation: Any) -> bool:
    """Whether the hand or a finger is in contact with something that is not fixed."""
    model, contacts = simulation.model, simulation.data.contact
    bodies = model.geom_bodyid[contacts.geom]  # (contacts, 2)
    ours = model.body_rootid == model.body_rootid[model.body("hand").id]
    movable = (model.body_weldid != 0) & ~ours
    return bool(np.any(ours[bodies] & movable[bodies[:, ::-1]]))
