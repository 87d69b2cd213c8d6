"""How MuJoCo's worlds are seen: by which camera, and is up in the picture up in the world?

That is told by an experiment. Everything is lifted against gravity and drawn again by the
environment's own `render`: in an upright picture it then stands higher, whatever flips the picture
on its way. Where no MuJoCo model is found, or the lift does not show, nothing is told: a person has
to look.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import Float, UInt8

from vlfeedback.evaluation.environment.findings import Finding
from vlfeedback.wrappers.frames import render_picture

__all__ = ["look_at_cameras", "look_at_up"]

_LIFT = 0.02  # of the model's extent: a few pixels in most views
_LARGEST_SHIFT = 1 / 6  # of a picture's height
_FREE = 0  # mjtJoint.mjJNT_FREE
_CLEAR = 0.9  # error of the best shift, of that of none and of the opposite one
_LOOK = "Look at the sheet: which way is up?"


def look_at_cameras(env: gym.Env[Any, Any], options: Mapping[str, Any]) -> list[Finding]:
    """Which cameras the model has, and whether the one asked for is there; empty without a model.

    Args:
        env: that was made.
        options: keyword arguments that it was made with.
    """
    model, _ = _simulation(env)
    if model is None:
        return []
    names = [model.camera(place).name for place in range(model.ncam)]
    detail = f"the model has {', '.join(map(repr, names))}" if names else "the model has none"
    asked = options.get("camera_name")
    if asked is not None and asked not in names:
        return [
            Finding(
                "camera",
                "problem",
                f"no camera_name={asked!r}, and MuJoCo then shows the free camera: {detail}",
                "Take one that is there, or leave it out and pass default_camera_config.",
            )
        ]
    return [Finding("camera", "ok", detail)]


def look_at_up(env: gym.Env[Any, Any]) -> Finding:
    """Whether pictures are upright.

    Args:
        env: after a reset, with pictures that can be read; to be reset before it goes on.
    """
    subject = "upright"
    model, data = _simulation(env)
    if model is None:
        return Finding(subject, "note", "cannot be told without a MuJoCo model", _LOOK)
    before = render_picture(env).copy()
    after = _lifted(env, model, data)
    shift = rows_shifted(before, after)
    if not shift:
        detail = "lifting all bodies does not show: a camera from above, or one that moves along"
        return Finding(subject, "note", detail, _LOOK)
    if shift < 0:
        return Finding(subject, "ok", "what is lifted moves up in the picture")
    return Finding(
        subject,
        "problem",
        "upside-down: what is lifted moves down in the picture",
        "Turn it in a wrapper: render() gives picture[::-1] where it is mirrored, and "
        "picture[::-1, ::-1] where it is turned; or mend the camera's orientation.",
    )


def rows_shifted(before: UInt8[np.ndarray, "H W 3"], after: UInt8[np.ndarray, "H W 3"]) -> int:
    """By how many rows the content moved, negative for up; 0 where that is not clear."""
    old, new = (picture.mean(axis=2) for picture in (before, after))
    furthest = max(1, round(len(old) * _LARGEST_SHIFT))
    errors = {shift: _error(old, new, shift) for shift in range(-furthest, furthest + 1)}
    best = min(errors, key=lambda shift: errors[shift])
    rivals = (errors[0], errors[-best])
    return best if errors[best] < _CLEAR * min(rivals) else 0


def _simulation(env: gym.Env[Any, Any]) -> tuple[Any, Any]:
    """MuJoCo's model and data; None and None where the environment has none."""
    model, data = (getattr(env.unwrapped, name, None) for name in ("model", "data"))
    # By name: asking is no reason to import a simulator.
    if type(model).__name__ == "MjModel" and type(data).__name__ == "MjData":
        return model, data
    return None, None


def _error(old: Float[np.ndarray, "H W"], new: Float[np.ndarray, "H W"], shift: int) -> float:
    """Mean absolute difference where the moved old picture and the new one overlap."""
    height = len(old)
    from_old = old[max(0, -shift) : height - max(0, shift)]
    from_new = new[max(0, shift) : height - max(0, -shift)]
    return float(np.abs(from_old - from_new).mean())


def _lifted(env: gym.Env[Any, Any], model: Any, data: Any) -> UInt8[np.ndarray, "H W 3"]:
    """A picture of the world moved against gravity, by cameras that stay where they are.

    Moved is what is drawn, and, for environments whose `render` computes that anew, what it is
    computed from.
    """
    gravity = np.array(model.opt.gravity)
    strength = float(np.linalg.norm(gravity))
    up = -gravity / strength if strength > 0 else np.array([0.0, 0.0, 1.0])
    free = [int(at) for at in model.jnt_qposadr[model.jnt_type == _FREE]]
    of_free = np.isin(np.arange(model.nbody), model.jnt_bodyid[model.jnt_type == _FREE])
    held = (model.body_parentid == 0) & ~of_free
    held[0] = False  # the world itself, whose geoms are moved one by one
    places = (data.geom_xpos, data.qpos, data.mocap_pos, model.body_pos, model.geom_pos)
    kept = [np.array(place) for place in places]
    lift = _LIFT * float(model.stat.extent) * up
    try:
        data.geom_xpos += lift
        data.mocap_pos += lift
        model.body_pos[held] += lift
        model.geom_pos[model.geom_bodyid == 0] += lift
        for at in free:
            data.qpos[at : at + 3] += lift
        return render_picture(env).copy()
    finally:
        for place, before in zip(places, kept, strict=True):
            place[:] = before
