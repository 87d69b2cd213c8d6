"""How a scene looks: camera, colours, textures and lights that differ from episode to episode.

What is learnt from pictures of one camera, one table and one light holds for these. A varied look
changes pictures alone: nothing that moves, no observation and no reward.

Source: domain randomisation as in Tobin et al. 2017 (arXiv 1703.06907), section III, which varies
textures, lights and the camera around where it stands; how much of it is our choice, untested:
every picture is still easily taken for one of the task.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

__all__ = ["Look", "Repainting", "draw_look", "texture_of"]

_CAMERA_SHIFT = 0.04  # m, each way
_CAMERA_TURN = 3.0  # degrees, about any axis
_FIELD_OF_VIEW = 3.0  # degrees, each way
_BRIGHTNESS = (0.6, 1.1)  # of a colour, by a factor
_TINT = 0.35  # greatest share of another colour
_LIGHT = (0.6, 1.4)  # of a light, by a factor
_HEADLIGHT = (0.75, 1.25)
_LIGHT_TURN = 0.35  # deviation of each entry of a light's direction, a unit vector
_LIGHT_SHIFT = 0.2  # m, deviation
_TEXTURE_TINT = 0.5  # greatest share of another colour in a texture's mean
_CONTRAST = (0.4, 1.6)  # of a texture, by a factor
_BLOTCHES = 25.0  # greatest deviation of what is painted over a texture, of 255
_BLOTCHES_A_SIDE = (3, 9)
_LARGEST_TEXTURE = 640 * 640  # texels; the floor's is larger, slow to repaint, and hardly seen
_DEFAULT = (0.5, 0.5, 0.5, 1.0)  # a geom of this colour has that of its material


@dataclass(frozen=True, slots=True, eq=False)
class _Recolouring:
    """How a colour, RGB in [0, 1], becomes another one: by a factor, and a share of a tint."""

    brightness: float
    share: float
    tint: Float[np.ndarray, "3"]

    @classmethod
    def draw(cls, rng: np.random.Generator, most: float = _TINT) -> _Recolouring:
        return cls(rng.uniform(*_BRIGHTNESS), rng.uniform(0.0, most), rng.uniform(0.0, 1.0, 3))

    def __call__(self, colour: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
        mixed = (1.0 - self.share) * self.brightness * colour + self.share * self.tint
        return np.asarray(np.clip(mixed, 0.0, 1.0))


@dataclass(frozen=True, slots=True, eq=False)
class Repainting:
    """How a texture becomes another one, of the same structure.

    Attributes:
        recolouring: of its mean colour.
        contrast: factor by which texels lie further from the mean.
        blotches: (K, K, 3), added smoothly, of 255.
    """

    recolouring: _Recolouring
    contrast: float
    blotches: Float[np.ndarray, "K K 3"]

    def paint(self, texture: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
        """The other texture."""
        height, width, _ = texture.shape
        mean = texture.mean(axis=(0, 1), dtype=np.float32)
        moved = 255.0 * self.recolouring(mean / 255.0) - self.contrast * mean
        # In float32 and in place: scenes are repainted for every picture of scattered ones.
        rows, columns = (_interpolation(n, len(self.blotches)) for n in (height, width))
        nodes = (self.blotches + moved).astype(np.float32)
        painted = np.einsum("hk,klc,wl->hwc", rows, nodes, columns, optimize=True)
        painted += np.multiply(texture, self.contrast, dtype=np.float32)
        return np.asarray(np.clip(painted, 0.0, 255.0, out=painted).astype(np.uint8))


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What some fields of a MuJoCo model are while a picture is taken.

    Attributes:
        fields: values by name of the field, ``"mat_rgba"`` or ``"vis.headlight.diffuse"``.
        textures: by number of the texture. OpenGL has copies of them, so that `put_on` does
            nothing of this.
    """

    fields: dict[str, np.ndarray]
    textures: dict[int, Repainting] = field(default_factory=dict)

    def put_on(self, model: Any) -> Look:
        """Change the model; gives what it looked like, to be put on again afterwards."""
        before = Look({name: np.array(attrgetter(name)(model)) for name in self.fields})
        for name, values in self.fields.items():
            attrgetter(name)(model)[:] = values
        return before


def draw_look(model: Any, camera: str, rng: np.random.Generator) -> Look:
    """A look of a model as it stands; the model is left alone.

    The camera moves by up to 4 cm, turns by 3 degrees and zooms by 3 degrees. Each colour gets
    darker or lighter and takes on a tint; what has the same colour keeps the same. Textures are
    repainted. Lights come from another direction, stronger or weaker. Markers of goals (sites)
    keep their colours.

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
        },
        _draw_textures(model, rng),
    )


def texture_of(model: Any, number: int) -> UInt8[np.ndarray, "H W C"]:
    """A texture of a model, to be read or written."""
    shape = (model.tex_height[number], model.tex_width[number], model.tex_nchannel[number])
    start = model.tex_adr[number]
    return np.asarray(model.tex_data[start : start + np.prod(shape)]).reshape(shape)


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
        row[:3] = _Recolouring.draw(rng)(row[:3])
    geoms = model.geom_rgba.copy()
    # A material's colour shows through wherever the geom's is MuJoCo's default.
    own = ~((model.geom_matid >= 0) & np.all(np.isclose(geoms, _DEFAULT), axis=1))
    colours, which = np.unique(geoms[own, :3], axis=0, return_inverse=True)
    others = np.array([_Recolouring.draw(rng)(colour) for colour in colours]).reshape(-1, 3)
    geoms[own, :3] = others[which.reshape(-1)]
    return {"mat_rgba": materials, "geom_rgba": geoms}


def _draw_textures(model: Any, rng: np.random.Generator) -> dict[int, Repainting]:
    repaintings = {}
    for number in range(model.ntex):
        height, width, channels = texture_of(model, number).shape
        if channels != 3 or height * width > _LARGEST_TEXTURE:
            continue
        recolouring = _Recolouring.draw(rng, _TEXTURE_TINT)
        side = int(rng.integers(*_BLOTCHES_A_SIDE))
        deviation = rng.uniform(0.0, _BLOTCHES)
        light = rng.normal(0.0, deviation, (side, side, 1))
        colour = rng.normal(0.0, deviation / 2, (side, side, 3))
        repaintings[number] = Repainting(recolouring, rng.uniform(*_CONTRAST), light + colour)
    return repaintings


def _interpolation(n: int, n_nodes: int) -> Float[np.ndarray, "n K"]:
    """Weights of evenly spread nodes at `n` places from the first to the last one."""
    places = np.linspace(0.0, n_nodes - 1, n)
    distances = np.abs(places[:, None] - np.arange(n_nodes))
    return np.asarray(np.maximum(1.0 - distances, 0.0), dtype=np.float32)
