"""MuJoCo's pictures beside other OpenGL in the same process.

Gymnasium's off-screen viewers make their context the current one when they are made, and never
again. A second environment then draws into the first one's context, and where one is closed the
other's pictures are black (gymnasium 1.4.0, `gymnasium.envs.mujoco.mujoco_rendering`; freeing a
context of EGL releases the thread's current one).
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
from typing import Any

import gymnasium as gym

__all__ = ["use_own_context"]


def use_own_context(env: gym.Env[Any, Any]) -> None:
    """Have an environment of MuJoCo draw into its own context; of others nothing is changed.

    Args:
        env: that is about to render.
    """
    renderer = _renderer_of(env.unwrapped)
    if renderer is None:
        return
    if renderer.viewer is not None:
        renderer.viewer.make_context_current()
        return
    # Viewers of environments that nobody holds any more, freed while this one's is made, would take
    # its context away before its textures are in it.
    gc.collect()
    if importlib.util.find_spec("triton") is not None:
        # Triton, which torch's optimisers import, and Mesa each bring an LLVM: loaded after
        # Mesa's, triton's crashes the process (seen with Mesa 22.3).
        importlib.import_module("triton")


def _renderer_of(inner: gym.Env[Any, Any]) -> Any:
    """The `MujocoRenderer` of an environment, or of one that it keeps inside, as mazes do."""
    found = getattr(inner, "mujoco_renderer", None)
    if found is not None:
        return found
    kept = [value for value in vars(inner).values() if isinstance(value, gym.Env)]
    return next(filter(None, (getattr(one, "mujoco_renderer", None) for one in kept)), None)
