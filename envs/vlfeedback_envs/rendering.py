"""Pictures of a MuJoCo simulation: three qualities, upright cameras, and frames rendered later.

A saved `SimulatorState` gives the picture that a live render would have given, bit for bit,
because both go through the same function. Many Meta-World tasks edit the *model* at reset
(where the drawer stands, where the goal is), so a state carries those fields too.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import os
import sys
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8

from vlfeedback.errors import RenderError, UnknownNameError
from vlfeedback.optional import require
from vlfeedback_envs.bound import BoundToSimulator
from vlfeedback_envs.looks import Look, texture_of

if sys.platform == "linux" and not os.environ.get("DISPLAY") and "mujoco" not in sys.modules:
    os.environ.setdefault("MUJOCO_GL", "egl")  # MuJoCo's own default needs a screen

_GL_HELP = (
    "Install the off-screen drivers (Debian, Ubuntu: apt-get install libegl1 libosmesa6 "
    "libgl1-mesa-dri) and start Python with MUJOCO_GL=egl or MUJOCO_GL=osmesa; "
    "MUJOCO_GL=disabled does without pictures."
)

try:
    import mujoco
except ModuleNotFoundError:
    require("mujoco", extra="metaworld", needed_by="A MuJoCo environment")
    raise
except (ImportError, AttributeError, OSError, RuntimeError) as error:
    raise RenderError(
        f"MuJoCo found no OpenGL library for MUJOCO_GL={os.environ.get('MUJOCO_GL', '')!r} "
        f"({error}). {_GL_HELP}"
    ) from error

# Whoever needs MuJoCo too imports it from here: its driver is chosen when it is first imported.
__all__ = [
    "QUALITIES",
    "Quality",
    "SceneRenderer",
    "SimulatorState",
    "mujoco",
]

# Everything the tasks of Meta-World 3.1.1 change in their model at reset.
_EDITED_FIELDS = ("body_pos", "body_quat", "site_pos")


@dataclass(frozen=True, slots=True)
class Quality:
    """How a picture is drawn; the cost is dominated by the shadow map."""

    shadows_and_reflections: bool
    samples: int  # multisampling of the off-screen buffer; 0 is none
    supersample: int  # rendered this many times larger and box-filtered down


QUALITIES = {
    "paper": Quality(shadows_and_reflections=True, samples=4, supersample=1),  # MuJoCo's own look
    "vlm": Quality(shadows_and_reflections=False, samples=0, supersample=2),  # smooth small parts
    "encoder": Quality(shadows_and_reflections=False, samples=0, supersample=1),  # cheapest
}


@dataclass(frozen=True, slots=True, eq=False)
class SimulatorState:
    """What a picture depends on; a few kilobytes, against 150 for the picture."""

    qpos: Float64[np.ndarray, " q"]
    mocap_pos: Float64[np.ndarray, "m 3"]
    mocap_quat: Float64[np.ndarray, "m 4"]
    model_fields: tuple[np.ndarray, ...]  # shared between the states of an episode
    look: Look | None = None  # of the pictures; None is the model's own


class SceneRenderer(BoundToSimulator):
    """Renders states of one model through one camera, upright and never mirrored.

    Pictures are taken in one process, and in the thread that took the first.

    Args:
        model: of MuJoCo.
        camera: one of its cameras.
        size: side of the square picture, px.
        quality: of `QUALITIES`.
        hide_goal: leave out sites that are called a goal.
        hidden_groups: geoms of these groups are left out.
        hidden_bodies: bodies of these names are left out, with all that hangs on them.
        edited: fields of the model that its owner changes at resets.

    Raises:
        UnknownNameError: no such quality or camera.
    """

    def __init__(
        self,
        model: Any,
        *,
        camera: str,
        size: int,
        quality: str,
        hide_goal: bool = False,
        hidden_groups: Sequence[int] = (),
        hidden_bodies: Sequence[str] = (),
        edited: Sequence[str] = _EDITED_FIELDS,
    ) -> None:
        if quality not in QUALITIES:
            raise UnknownNameError(
                f"No render quality {quality!r}; choose one of {sorted(QUALITIES)}."
            )
        cameras = sorted(model.camera(i).name for i in range(model.ncam))
        if camera not in cameras:
            raise UnknownNameError(f"No camera {camera!r}; this model has {cameras}.")
        self._model = model
        self._camera = camera
        self._size = size
        self._quality = QUALITIES[quality]
        roots = [model.body(name).id for name in hidden_bodies]
        sites = np.isin(model.body_rootid[model.site_bodyid], roots)
        for i in range(model.nsite):
            sites[i] |= hide_goal and "goal" in model.site(i).name
        geoms = np.isin(model.body_rootid[model.geom_bodyid], roots)
        self._hidden = ((model.site_rgba, sites), (model.geom_rgba, geoms))
        self._edited = tuple(edited)
        self._option = mujoco.MjvOption()
        self._option.geomgroup[list(hidden_groups)] = 0
        self._option.flags[mujoco.mjtVisFlag.mjVIS_FLEXEDGE] = 0  # cloth is a surface
        self._data = mujoco.MjData(model)
        self._renderer: _Renderer | None = None
        self._thread: threading.Thread | None = None
        self._snapshot: tuple[np.ndarray, ...] = ()
        self._turned = False
        self._painted: Look | None = None  # whose textures OpenGL has

    def capture(self, data: Any, look: Look | None = None) -> SimulatorState:
        """Save the current state of the simulation, to be rendered now or later, in this look."""
        fields = tuple(getattr(self._model, name) for name in self._edited)
        if not self._snapshot or not all(map(np.array_equal, fields, self._snapshot)):
            self._snapshot = tuple(field.copy() for field in fields)
        return SimulatorState(
            data.qpos.copy(), data.mocap_pos.copy(), data.mocap_quat.copy(), self._snapshot, look
        )

    def render(self, state: SimulatorState) -> UInt8[np.ndarray, "H W 3"]:
        """The picture of one state.

        Raises:
            RenderError: no OpenGL driver could be started on this machine, another thread took the
                first picture, or this process was forked from one that had rendered.
        """
        self._check_place()
        live = tuple(getattr(self._model, name).copy() for name in self._edited)
        self._write_fields(state.model_fields)
        own_look = None if state.look is None else state.look.put_on(self._model)
        try:
            with self._leaving_out():
                return self._draw(state)
        finally:
            if own_look is not None:
                own_look.put_on(self._model)
            self._write_fields(live)

    def render_all(self, states: Iterable[SimulatorState]) -> UInt8[np.ndarray, "F H W 3"]:
        """Pictures of many states, in order."""
        return np.stack([self.render(state) for state in states])

    def close(self) -> None:
        """Give the OpenGL context back."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _check_place(self) -> None:
        """Refuse a place where OpenGL would fail, or never return."""
        if _forked_from_a_renderer:
            raise RenderError(
                "This process was forked from one that had rendered, where OpenGL never returns. "
                "Have processes spawned: gym.make_vec(id, num_envs=2, asynchronous=True) does for "
                "ids of vlfeedback, and vector_kwargs={'context': 'spawn'} for all; or start them "
                "before the first picture is rendered."
            )
        here = threading.current_thread()
        if self._renderer is not None and self._thread is not here:
            raise RenderError(
                f"This environment took its first picture in the thread {self._thread!r} and is "
                f"asked for one in {here!r}; OpenGL works in one thread. Render there alone, or "
                "close() it there before it renders here, or make an environment in each thread."
            )

    def _write_fields(self, fields: tuple[np.ndarray, ...]) -> None:
        for name, values in zip(self._edited, fields, strict=True):
            getattr(self._model, name)[:] = values

    @contextmanager
    def _leaving_out(self) -> Iterator[None]:
        """Within it, what is hidden is transparent, which MuJoCo does not draw."""
        alphas = [rgba[which, 3] for rgba, which in self._hidden]
        for rgba, which in self._hidden:
            rgba[which, 3] = 0.0
        try:
            yield
        finally:
            for (rgba, which), alpha in zip(self._hidden, alphas, strict=True):
                rgba[which, 3] = alpha

    def _draw(self, state: SimulatorState) -> UInt8[np.ndarray, "H W 3"]:
        data = self._data
        data.qpos[:] = state.qpos
        data.mocap_pos[:] = state.mocap_pos
        data.mocap_quat[:] = state.mocap_quat
        mujoco.mj_kinematics(self._model, data)
        mujoco.mj_comPos(self._model, data)
        mujoco.mj_camlight(self._model, data)
        mujoco.mj_flex(self._model, data)
        if self._renderer is None:
            self._renderer, self._thread = self._start(), threading.current_thread()
            # Some cameras are mounted rolled by half a turn. Turning the picture puts it upright;
            # flipping its rows would mirror it, and "left" would mean right.
            self._turned = data.cam(self._camera).xmat[7] < -0.3  # world z of the camera's up axis
        if state.look is not self._painted:
            self._paint(self._renderer, state.look)
        self._renderer.update_scene(data, camera=self._camera, scene_option=self._option)
        if not self._quality.shadows_and_reflections:
            self._renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
            self._renderer.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        picture = self._renderer.render()
        factor = self._quality.supersample
        if factor > 1:
            picture = _box_filter(picture, factor)
        return np.ascontiguousarray(np.rot90(picture, 2)) if self._turned else picture

    def _paint(self, renderer: Any, look: Look | None) -> None:
        """Give OpenGL the textures of a look, or the model's own."""
        renderer._gl_context.make_current()
        looks = (self._painted, look)
        for number in {n for one in looks if one is not None for n in one.textures}:
            texture = texture_of(self._model, number)
            own = texture.copy()
            if look is not None and number in look.textures:
                texture[:] = look.textures[number].paint(own)
            mujoco.mjr_uploadTexture(self._model, renderer._mjr_context, number)
            texture[:] = own
        self._painted = look

    def _start(self) -> _Renderer:
        global _has_rendered
        _has_rendered = True
        # Triton, which torch's optimisers import, and Mesa each bring an LLVM: loaded after
        # Mesa's, triton's crashes the process (seen with Mesa 22.3).
        if importlib.util.find_spec("triton") is not None:
            importlib.import_module("triton")
        size = self._size * self._quality.supersample
        visual = self._model.vis
        visual.global_.offwidth = visual.global_.offheight = size
        visual.quality.offsamples = self._quality.samples
        # PyOpenGL's errors are of a family of their own, imported only with some drivers.
        gl_error = getattr(sys.modules.get("OpenGL.error"), "Error", RuntimeError)
        try:
            renderer = _Renderer(self._model, height=size, width=size)
        except (RuntimeError, ImportError, AttributeError, mujoco.FatalError, gl_error) as error:
            raise RenderError(
                f"MuJoCo could not start OpenGL off-screen with "
                f"MUJOCO_GL={os.environ.get('MUJOCO_GL', '')!r} ({error}). {_GL_HELP}"
            ) from error
        _unclosed.add(renderer)
        _close_all_at_exit()
        return renderer


class _Renderer(mujoco.Renderer):  # type: ignore[misc]  # MuJoCo has no types
    """A renderer that may be dropped even if it failed to start."""

    _gl_context = None
    _mjr_context = None


_unclosed: weakref.WeakSet[_Renderer] = weakref.WeakSet()
_has_rendered = _forked_from_a_renderer = False
_of_other_processes: list[Any] = []


def _notice_fork() -> None:
    global _forked_from_a_renderer
    _forked_from_a_renderer = _has_rendered
    for renderer in list(_unclosed):  # the other process's; may not even be closed here
        _of_other_processes.append((renderer._gl_context, renderer._mjr_context))
        renderer._gl_context = renderer._mjr_context = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_notice_fork)


@functools.cache
def _close_all_at_exit() -> None:
    """Have environments nobody closed give their contexts back before the driver goes.

    Exit handlers run in reverse, so this waits until the first context has registered the end of
    its driver. A `weakref.finalize` runs after that end if anything else has used one before.
    """
    atexit.register(lambda: [renderer.close() for renderer in list(_unclosed)])


def _box_filter(picture: UInt8[np.ndarray, "H W 3"], factor: int) -> UInt8[np.ndarray, "h w 3"]:
    height, width = picture.shape[0] // factor, picture.shape[1] // factor
    blocks = picture.reshape(height, factor, width, factor, 3).astype(np.uint16)
    total = blocks.sum(axis=(1, 3), dtype=np.uint16)
    return np.asarray(((total + factor * factor // 2) // (factor * factor)).astype(np.uint8))
