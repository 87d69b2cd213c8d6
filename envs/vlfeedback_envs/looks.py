"""How a scene looks: cameras, colours and lights that differ a little from episode to episode.

What is learnt from pictures of one camera, one table and one light holds for these. A varied look
changes pictures alone: nothing that moves, no observation and no reward.

Source: domain randomisation as in Tobin et al. 2017 (arXiv 1703.06907), section III, which varies
textures, lights and the camera around where it stands; how much of it is our choice, untested:
every picture is still easily taken for one of the task.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
from jaxtyping import Float

__all__ = ["Look", "draw_look"]

_CAMERA_SHIFT = 0.04  # m, each way
_CAMERA_TURN = 3.0  # degrees, about any axis
_FIELD_OF_VIEW = 3.0  # degrees, each way
_BRIGHTNESS = (0.7, 1.25)  # of a colour, by a factor
_TINT = 0.35  # greatest share of another colour
_LIGHT = (0.6, 1.4)  # of a light, by a factor
_HEADLIGHT = (0.75, 1.25)
_LIGHT_TURN = 0.35  # deviation of each entry of a light's direction, a unit vector
_LIGHT_SHIFT = 0.2  # m, deviation
_DEFAULT = (0.5, 0.5, 0.5, 1.0)  # a geom of this colour has that of its material


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What some fields of a MuJoCo model are while a picture is taken.

    Attributes:
        fields: values by name of the field, ``"mat_rgba"`` or ``"vis.headlight.diffuse"``.
    """

    fields: dict[str, np.ndarray]

    def put_on(self, model: Any) -> Look:
        """Change the model; gives what it looked like, to be put on again afterwards."""
        before = Look({name: np.array(attrgetter(name)(model)) for name in self.fields})
        for name, values in self.fields.items():
            attrgetter(name)(model)[:] = values
        return before


def draw_look(model: Any, camera: str, rng: np.random.Generator) -> Look:
    """A look of a model as it stands; the model is left alone.

    The camera moves by up to 4 cm, turns by 3 degrees and zooms by 3 degrees. Each colour gets
    darker or lighter and takes on a tint; what has the same colour keeps the same. Lights come
    from another direction, stronger or weaker. Markers of goals (sites) keep their colours.

    Args:
        model: of MuJoCo, in its own look.
        camera: that takes the pictures.
        rng: draws.
    """
    index = model.camera(camera).id
    return Look(
        {
            **_draw_camera(model, index, rng),
            **_draw_lights(model, rng),
            **_draw_colours(model, rng),
        }
    )


def _draw_camera(model: Any, camera: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    positions, turns = model.cam_pos.copy(), model.cam_quat.copy()
    views = model.cam_fovy.copy()
    positions[camera] += rng.uniform(-_CAMERA_SHIFT, _CAMERA_SHIFT, 3)
    axis = rng.normal(size=3)
    angle = np.deg2rad(rng.uniform(0.0, _CAMERA_TURN))
    turns[camera] = _turned(turns[camera], axis / np.linalg.norm(axis), angle)
    views[camera] += rng.uniform(-_FIELD_OF_VIEW, _FIELD_OF_VIEW)
    return {"cam_pos": positions, "cam_quat": turns, "cam_fovy": views}


def _turned(
    quaternion: Float[np.ndarray, "4"], axis: Float[np.ndarray, "3"], angle: float
) -> Float[np.ndarray, "4"]:
    """A rotation (w, x, y, z) after another one by `angle` radians, about an axis of its own."""
    w, x = quaternion[0], quaternion[1:]
    v, u = np.cos(angle / 2), np.sin(angle / 2) * axis
    return np.append(w * v - x @ u, w * u + v * x + np.cross(x, u))


def _draw_lights(model: Any, rng: np.random.Generator) -> dict[str, np.ndarray]:
    number = model.nlight
    directions = model.light_dir + rng.normal(0.0, _LIGHT_TURN, (number, 3))
    strengths = rng.uniform(*_LIGHT, (number, 1))
    headlight = rng.uniform(*_HEADLIGHT)
    return {
        "light_dir": directions / np.linalg.norm(directions, axis=1, keepdims=True),
        "light_pos": model.light_pos + rng.normal(0.0, _LIGHT_SHIFT, (number, 3)),
        "light_diffuse": model.light_diffuse * strengths,
        "light_specular": model.light_specular * strengths,
        "vis.headlight.ambient": model.vis.headlight.ambient * headlight,
        "vis.headlight.diffuse": model.vis.headlight.diffuse * headlight,
    }


def _draw_colours(model: Any, rng: np.random.Generator) -> dict[str, np.ndarray]:
    materials = model.mat_rgba.copy()
    for row in materials:
        row[:3] = _another(row[:3], rng)
    geoms = model.geom_rgba.copy()
    # A material's colour shows through wherever the geom's is MuJoCo's default.
    own = ~((model.geom_matid >= 0) & np.all(np.isclose(geoms, _DEFAULT), axis=1))
    colours, which = np.unique(geoms[own, :3], axis=0, return_inverse=True)
    others = np.array([_another(colour, rng) for colour in colours]).reshape(-1, 3)
    geoms[own, :3] = others[which.reshape(-1)]
    return {"mat_rgba": materials, "geom_rgba": geoms}


def _another(colour: Float[np.ndarray, "3"], rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    """A colour near this one, RGB in [0, 1]."""
    share, tint = rng.uniform(0.0, _TINT), rng.uniform(0.0, 1.0, 3)
    mixed = (1.0 - share) * colour * rng.uniform(*_BRIGHTNESS) + share * tint
    return np.asarray(np.clip(mixed, 0.0, 1.0))
