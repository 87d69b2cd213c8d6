"""SoftGym's own environments, on NVIDIA FleX, as Gymnasium knows environments.

Code read: Xingyu-Lin/softgym at bb383f6, and RL-VLM-F's fork of it in yufeiwang63/RL-VLM-F at
febe2f2; both are understood. Nothing of theirs is imported before `make_softgym` is called.
Checked against a stand-in with SoftGym's API, never against FleX.

Without FleX there is a look-alike on MuJoCo, `vlfeedback_envs.deformables`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import inspect
import operator
import random
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from jaxtyping import Float, Float32, UInt8
from numpy.typing import NDArray

from vlfeedback.errors import (
    BusyError,
    InvalidTypeError,
    InvalidValueError,
    MissingExtraError,
    RenderError,
    UnknownNameError,
)
from vlfeedback.optional import hide_gym_notice
from vlfeedback.registry import suggest

__all__ = ["SHRINKS", "SoftGymAdapter", "make_softgym"]

SHRINKS = ("mean", "every-nth")
"""How pictures are made smaller; see `SoftGymAdapter`."""

_RATE = 100  # FleX steps of 1/100 s in a second
_LOOK_ALIKES = {
    "RopeFlattenEasy": "vlfeedback_envs:vlfeedback/StraightenRope-v0",
    "RopeFlatten": "vlfeedback_envs:vlfeedback/StraightenRopeFree-v0",
    "ClothFoldDiagonal": "vlfeedback_envs:vlfeedback/FoldClothDiagonal-v0",
    "ClothFold": "vlfeedback_envs:vlfeedback/FoldClothHalf-v0",
}
_MEASURES = ("performance", "normalized_performance")
_ASKED_FOR = (
    *("reset", "step", "render", "close", "horizon", "action_repeat"),
    *("observation_space.low", "action_space.low"),
)


class SoftGymAdapter(gym.Env[NDArray[np.float32], NDArray[Any]]):
    """An environment of SoftGym, original or fork, behind Gymnasium's API.

    Observations are float32, in SoftGym's order and units (m, y up). Actions are those of `env`:
    in its own units, or in [-1, 1] where SoftGym's `normalize` is around it. The reward is
    SoftGym's. An episode is truncated after SoftGym's horizon, which ``spec.max_episode_steps``
    says; it terminates where the simulation fails, that is where an observation or a reward is no
    finite number: the observation is then that of before and the reward 0.

    `info` has, after a reset and after every step, ``performance`` and ``normalized_performance``
    (float; what they measure is up to the task), ``success`` (bool: SoftGym's where it says so,
    else whether the normalised performance is at least `success_at`), ``sim_error`` (bool) and
    ``raw_info``, all that SoftGym says. What it says nothing of is left out.

    ``reset(seed=7)`` starts the episode that SoftGym starts after ``np.random.seed(7)`` and
    ``random.seed(7)``, and leaves both as they were. ``reset(options={"config_id": 3})`` starts
    from variation 3.

    FleX runs one environment in a process: a second adapter is refused until the first is closed.
    Several belong into spawned processes of their own: ``AsyncVectorEnv(..., context="spawn")``.

    Args:
        env: of SoftGym, with or without its `normalize` around it; closed with the adapter, whose
            `softgym_env` it is.
        render_mode: ``"rgb_array"`` for pictures, None for none.
        size: side of the square picture, px; None: as FleX renders it, which is 720 by 720.
        shrink: to `size`, ``"mean"`` of the area that a pixel covers, or ``"every-nth"`` row and
            column. RL-VLM-F's pictures: 240 and 360 px by ``"every-nth"`` of the rope and of the
            water, 360 px of the cloth, by OpenCV's resize, which at half the side is the mean.
        hide_picker: leave the pickers out of pictures, as RL-VLM-F does. The original SoftGym
            cannot, and shows them.
        success_at: from this normalised performance on a task is done, where SoftGym does not
            say. 0.9 is RL-VLM-F's of its cloth; for other tasks our choice, untested. 0.95 of
            RopeFlatten is RL-VLM-F's of its rope.

    Raises:
        InvalidTypeError: `env` is no environment of SoftGym whose spaces are boxes.
        UnknownNameError: no such way to shrink.
        InvalidValueError: `size` is below 1; (from `render`) it is no whole part of the picture,
            and `shrink` is ``"every-nth"``.
        RenderError: another render mode.
        BusyError: another adapter of this process is open.
    """

    # Gymnasium declares it as an instance variable.
    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": _RATE}  # noqa: RUF012

    _open: ClassVar[SoftGymAdapter | None] = None

    def __init__(
        self,
        env: Any,
        render_mode: str | None = None,
        *,
        size: int | None = None,
        shrink: str = "mean",
        hide_picker: bool = True,
        success_at: float = 0.9,
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise RenderError(f"render_mode={render_mode!r}; this view renders 'rgb_array' only.")
        if shrink not in SHRINKS:
            raise UnknownNameError(
                f"shrink={shrink!r}; expected {' or '.join(map(repr, SHRINKS))}."
            )
        if size is not None and size < 1:
            raise InvalidValueError(f"size={size}; expected at least one pixel.")
        _check_softgym(env)
        self.observation_space = _as_box(env.observation_space)
        self.action_space = _as_box(env.action_space)
        self.render_mode, self.size, self.success_at = render_mode, size, success_at
        self._shrink = shrink
        self.softgym_env = env
        self._horizon = int(env.horizon)
        self.spec = EnvSpec("SoftGym-v0")
        self.metadata = {**self.metadata, "render_fps": _RATE / env.action_repeat}
        can_hide = "hide_picker" in inspect.signature(env.render).parameters
        self._view = {"hide_picker": hide_picker} if can_hide else {}
        self._latest = np.zeros(env.observation_space.shape, dtype=np.float32)
        self._closed = False
        _refuse_second()
        SoftGymAdapter._open = self

    @property
    def spec(self) -> EnvSpec | None:
        """How it was made, with SoftGym's horizon as time limit."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        # gym.make sets one as well, and knows no horizon.
        if spec is not None:
            spec = dataclasses.replace(spec, max_episode_steps=self._horizon)
        self._spec = spec

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32[np.ndarray, "..."], dict[str, Any]]:
        """Start an episode; the same seed gives the same one.

        Args:
            seed: 0 or more; None goes on from the seed before.
            options: ``config_id``: which of SoftGym's variations to start from.
        """
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(2**32)) if seed is None else seed
        config_id = (options or {}).get("config_id")
        chosen = {} if config_id is None else {"config_id": config_id}
        with _globally_seeded(drawn % 2**32):
            self._latest = np.array(self.softgym_env.reset(**chosen), dtype=np.float32)
        raw: Mapping[str, Any] = getattr(self.softgym_env, "_get_info", dict)()
        return self._latest.copy(), self._told(raw, failed=not np.isfinite(self._latest).all())

    def step(
        self, action: Float[np.ndarray, " A"]
    ) -> tuple[Float32[np.ndarray, "..."], float, bool, bool, dict[str, Any]]:
        """One step of SoftGym's, which repeats the action for several of FleX's."""
        # A copy: RopeFlattenEasy writes into it.
        shown, reward, done, raw = self.softgym_env.step(np.array(action))
        observation = np.array(shown, dtype=np.float32)
        failed = not (np.isfinite(observation).all() and np.isfinite(reward))
        if not failed:
            self._latest = observation
        paid = 0.0 if failed else float(reward)
        return self._latest.copy(), paid, failed, bool(done), self._told(raw, failed=failed)

    def render(self) -> UInt8[np.ndarray, "H W 3"] | None:
        """The current picture; None without ``render_mode="rgb_array"``."""
        if self.render_mode is None:
            return None
        picture = np.array(self.softgym_env.render(mode="rgb_array", **self._view), dtype=np.uint8)
        if self.size is None:
            return picture
        return (_mean if self._shrink == "mean" else _every_nth)(picture, self.size)

    def close(self) -> None:
        """Close SoftGym's environment, and with it FleX; another may then be made."""
        if self._closed:
            return
        self._closed, SoftGymAdapter._open = True, None
        self.softgym_env.close()

    def _told(self, raw: Mapping[str, Any], *, failed: bool) -> dict[str, Any]:
        told: dict[str, Any] = {name: float(raw[name]) for name in _MEASURES if name in raw}
        if "success" in raw:
            told["success"] = bool(raw["success"])
        elif "normalized_performance" in told:
            told["success"] = told["normalized_performance"] >= self.success_at
        return {**told, "sim_error": bool(failed), "raw_info": dict(raw)}


def make_softgym(
    name: str,
    render_mode: str | None = None,
    *,
    normalize: bool = True,
    overrides: Mapping[str, Any] | None = None,
    **view: Any,
) -> SoftGymAdapter:
    """Make one of SoftGym's environments by its name, on FleX; for ``vlfeedback/SoftGym-v0`` too.

    Variations that SoftGym does not find on disk it generates, a minute each by its own word, from
    the global random state of NumPy and Python.

    Args:
        name: a key of SoftGym's `SOFTGYM_ENVS`, such as ``"RopeFlatten"``.
        render_mode: see `SoftGymAdapter`; SoftGym's own setting of this name is of `overrides`.
        normalize: put SoftGym's `normalize` around it: actions are in [-1, 1].
        overrides: settings of SoftGym's that stand above its `env_arg_dict`, such as
            ``{"observation_mode": "key_point"}``. ``recording``, with which the fork keeps and
            renders every step, is off.
        **view: other arguments of `SoftGymAdapter`.

    Raises:
        MissingExtraError: softgym or pyflex cannot be imported; the message names a look-alike.
        UnknownNameError: SoftGym has no such environment.
        BusyError: another adapter of this process is open; FleX is not started then.
        whatever `SoftGymAdapter` raises; FleX is closed then.
    """
    registered, normalized = _import_softgym(name)
    if name not in registered.SOFTGYM_ENVS:
        known = list(registered.SOFTGYM_ENVS)
        raise UnknownNameError(
            f"SoftGym has no environment {name!r}. {suggest(name, known)}It has {', '.join(known)}."
        )
    _refuse_second()
    settings = dict(registered.env_arg_dict[name])
    if "recording" in settings:
        settings["recording"] = False
    env = registered.SOFTGYM_ENVS[name](**{**settings, **(overrides or {})})
    try:
        return SoftGymAdapter(normalized.normalize(env) if normalize else env, render_mode, **view)
    except Exception:
        env.close()
        raise


def _import_softgym(name: str) -> tuple[Any, Any]:
    """SoftGym's registry, and the module that normalises."""
    hide_gym_notice()
    try:
        registered = importlib.import_module("softgym.registered_env")
        normalized = importlib.import_module("softgym.utils.normalized_env")
    except Exception as error:  # without pyflex it raises gym's own kind, which is no ImportError
        raise MissingExtraError(
            f"{name!r} needs softgym and pyflex, which NVIDIA FleX is built into, and importing "
            f"them failed ({error}). Build them as SoftGym's README says; {_instead_of(name)}."
        ) from error
    return registered, normalized


def _instead_of(name: str) -> str:
    if name in _LOOK_ALIKES:
        return f"or take the look-alike on MuJoCo: gymnasium.make({_LOOK_ALIKES[name]!r})"
    return f"look-alikes on MuJoCo are there of {', '.join(_LOOK_ALIKES)}"


def _refuse_second() -> None:
    if SoftGymAdapter._open is not None:
        raise BusyError(
            f"{SoftGymAdapter._open} is open, and FleX runs one environment in a process. Close it "
            "first: env.close(). Several belong into spawned processes of their own: "
            "gymnasium.vector.AsyncVectorEnv(..., context='spawn')."
        )


@contextlib.contextmanager
def _globally_seeded(seed: int) -> Iterator[None]:
    """Seed what SoftGym draws from, and give the caller's state back afterwards."""
    of_numpy, of_python = np.random.get_state(), random.getstate()
    np.random.seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(of_numpy)
        random.setstate(of_python)


def _check_softgym(env: Any) -> None:
    missing = []
    for name in _ASKED_FOR:
        try:
            operator.attrgetter(name)(env)
        except AttributeError:
            missing.append(name)
    if missing:
        raise InvalidTypeError(
            f"env={env!r} has no {', '.join(missing)}; expected an environment of SoftGym. "
            "make_softgym('RopeFlatten') makes one by its name."
        )


def _as_box(space: Any) -> gym.spaces.Box[Any]:
    """A space of the old gym as one of Gymnasium's."""
    low, high = (np.asarray(bound, dtype=np.float32) for bound in (space.low, space.high))
    return gym.spaces.Box(low, high, tuple(space.shape), np.float32)


def _every_nth(picture: UInt8[np.ndarray, "H W 3"], size: int) -> UInt8[np.ndarray, "S S 3"]:
    height, width, _ = picture.shape
    if height % size or width % size:
        raise InvalidValueError(
            f"size={size} is no whole part of a picture of {height} by {width} px, so no every "
            "n-th row and column is it; pass another size, or shrink='mean'."
        )
    return picture[:: height // size, :: width // size].copy()


def _mean(picture: UInt8[np.ndarray, "H W 3"], size: int) -> UInt8[np.ndarray, "S S 3"]:
    height, width, _ = picture.shape
    rows = np.tensordot(_shares(size, height), picture.astype(np.float32), axes=1)
    means = np.tensordot(_shares(size, width), rows, axes=([1], [1])).swapaxes(0, 1)
    return np.floor(means + 0.5).astype(np.uint8)  # halves up, as OpenCV does


@functools.lru_cache(maxsize=4)
def _shares(n_out: int, n_in: int) -> Float32[np.ndarray, "O I"]:
    """How much of each output pixel every input pixel covers, along one axis."""
    edges = np.arange(n_out + 1)[:, None] * (n_in / n_out)
    place = np.arange(n_in)
    covered = np.minimum(edges[1:], place + 1) - np.maximum(edges[:-1], place)
    return np.asarray(covered.clip(0) * (n_out / n_in), dtype=np.float32)
