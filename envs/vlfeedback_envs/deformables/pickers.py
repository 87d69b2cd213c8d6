"""Pickers that are free: they take hold of what is near them, carry it, and let it go.

Code read: softgym's `Picker`, Xingyu-Lin/softgym at bb383f6. A particle that is held has infinite
mass there; here a soft `connect` ties it to its picker, which waits for what lags behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from vlfeedback_envs.rendering import mujoco

__all__ = ["LAG", "STRIDE", "Pickers", "drawn_together", "kept_near"]

STRIDE = 0.08
"""How far a picker goes in a step at an action of 1, m."""

LAG = 0.03
"""How far what is held may be behind its picker, m: more, and whipping links tear a chain."""

_SUBSTEPS = 8  # of 10 ms; SoftGym's action_repeat
_SLACK = 1.02  # of the distance that two points can have: cloth stretches a little


class Pickers:
    """The mocap bodies ``picker_0``, ``picker_1`` ... of a model, and what each of them holds.

    A picker whose flag is positive takes hold of the nearest point within reach that no other
    holds, and keeps it where it is beside the picker; at another flag it lets go.

    Args:
        model: of MuJoCo. Its first mocap bodies are the pickers, and its equality ``tie_0`` is a
            `connect` of bodies, inactive, from ``picker_0``.
        data: of the model.
        bodies: ids of the bodies to which the points belong that may be held.
        anchors: where each point is in the frame of its body, m.
        apart: how far apart each two points are when what lies between them is straight, m.
        reach: how near a point must be to be held, m.
        low: least x, y and height of a picker, m.
        high: greatest ones.
    """

    def __init__(
        self,
        model: Any,
        data: Any,
        *,
        bodies: Int64[np.ndarray, " P"],
        anchors: Float[np.ndarray, "P 3"],
        apart: Float[np.ndarray, "P P"],
        reach: float,
        low: Float[np.ndarray, "3"],
        high: Float[np.ndarray, "3"],
    ) -> None:
        self._model, self._data = model, data
        self._bodies, self._anchors, self._apart = bodies, anchors, apart
        self._reach, self._low, self._high = reach, low, high
        names = [model.equality(i).name for i in range(model.neq)]
        self._ties = [i for i, name in enumerate(names) if name.startswith("tie_")]
        self.held: list[int | None] = [None] * len(self._ties)
        self._offsets = np.zeros((len(self._ties), 3))

    def begin(self, places: Float[np.ndarray, "K 3"]) -> None:
        """Be here and hold nothing."""
        self._data.mocap_pos[:] = places
        for picker in range(len(self._ties)):
            self._let_go(picker)

    def take(self, picker: int, point: int, place: Float[np.ndarray, "3"]) -> None:
        """Have a picker hold a point, which is here, where it is beside the picker."""
        tie = self._ties[picker]
        self._offsets[picker] = place - self._data.mocap_pos[picker]
        self._model.eq_obj2id[tie] = self._bodies[point]
        self._model.eq_data[tie, :6] = [*self._offsets[picker], *self._anchors[point]]
        self._data.eq_active[tie] = 1
        self.held[picker] = point

    def let_go(self) -> None:
        """Have all of them hold nothing."""
        for picker in range(len(self._ties)):
            self._let_go(picker)

    def act(
        self, action: Float[np.ndarray, " A"], points: Callable[[], Float[np.ndarray, "P 3"]]
    ) -> None:
        """Simulate a step: in each of its substeps pickers take hold or let go, and then move.

        Args:
            action: x, height, z and flag of each picker, in [-1, 1].
            points: says where everything is that may be held, m.
        """
        x, up, z, flag = action.reshape(-1, 4).T
        move = np.stack([x, -z, up], axis=1) * (STRIDE / _SUBSTEPS)
        n_simulated = round(0.01 / self._model.opt.timestep)
        for _ in range(_SUBSTEPS):
            self.grasp(points(), flag > 0)
            self.move(points(), move)
            mujoco.mj_step(self._model, self._data, nstep=n_simulated)

    def grasp(self, points: Float[np.ndarray, "P 3"], flags: Bool[np.ndarray, " K"]) -> None:
        """Take hold or let go, as the flags say.

        Args:
            points: where everything is that may be held, m.
            flags: of each picker: hold, or let go.
        """
        for picker, flag in enumerate(flags):
            if not flag:
                self._let_go(picker)
            elif self.held[picker] is None:
                away = np.linalg.norm(points - self._data.mocap_pos[picker], axis=1)
                away[[point for point in self.held if point is not None]] = np.inf
                nearest = int(np.argmin(away))
                if away[nearest] <= self._reach:
                    self.take(picker, nearest, points[nearest])

    def move(self, points: Float[np.ndarray, "P 3"], move: Float[np.ndarray, "K 3"]) -> None:
        """Have pickers go so far, m, or as far as what they hold and the room let them."""
        places = np.clip(self._data.mocap_pos + move, self._low, self._high)
        holding = [picker for picker, point in enumerate(self.held) if point is not None]
        held = [point for point in self.held if point is not None]
        if len(held) == 2:
            longest = _SLACK * float(self._apart[held[0], held[1]])
            places = drawn_together(places + self._offsets, longest) - self._offsets
        if held:
            ends = points[held] - self._offsets[holding]
            places[holding] = kept_near(places[holding], ends)
        self._data.mocap_pos[:] = np.clip(places, self._low, self._high)

    def _let_go(self, picker: int) -> None:
        self._data.eq_active[self._ties[picker]] = 0
        self.held[picker] = None


def drawn_together(places: Float[np.ndarray, "2 3"], longest: float) -> Float64[np.ndarray, "2 3"]:
    """Two places, drawn together where they are farther apart than `longest`, m."""
    gap = places[1] - places[0]
    length = float(np.linalg.norm(gap))
    if length <= longest:
        return np.asarray(places)
    pull = gap * (length - longest) / (2 * length)
    return np.asarray(places + np.stack([pull, -pull]))


def kept_near(
    places: Float[np.ndarray, "K 3"], ends: Float[np.ndarray, "K 3"]
) -> Float64[np.ndarray, "K 3"]:
    """Places of pickers that are no farther than `LAG` from where their ends have them, m."""
    behind = places - ends
    lag = np.linalg.norm(behind, axis=1, keepdims=True)
    return np.asarray(ends + behind * np.minimum(1.0, LAG / np.maximum(lag, 1e-9)))
