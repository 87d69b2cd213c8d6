"""ManiSkill's own environments, made with our settings, and with errors that say what to do.

Code read: mani_skill 3.0.1 (envs/sapien_env.py, envs/utils/system/backend.py).
"""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium as gym

from vlfeedback.errors import InvalidValueError, NeedsError, RenderError, UnknownNameError
from vlfeedback.optional import require
from vlfeedback.registry import suggest
from vlfeedback.tasks import MANISKILL_TASKS, TaskSpec, get_task

__all__ = [
    "CONTROL_MODES",
    "RENDER_BACKENDS",
    "make_simulation",
    "make_worlds",
    "maniskill_id",
    "maniskill_task",
]

CONTROL_MODES = (
    *("pd_ee_delta_pose", "pd_ee_delta_pos", "pd_ee_target_delta_pose", "pd_ee_target_delta_pos"),
    *("pd_joint_delta_pos", "pd_joint_pos"),
)
"""What actions may mean, see ManiSkill's page on controllers; robots of our tasks know these."""

RENDER_BACKENDS = ("auto", "cpu", "gpu", "none")
"""Who renders: a Vulkan driver on the CPU, such as Mesa's lavapipe, a GPU, or nobody."""

_DRIVER_HELP = (
    "On a machine without a GPU run `make maniskill`, which brings Mesa's Vulkan driver on Debian "
    "12, or install mesa-vulkan-drivers of version 24.3 or newer and libvulkan1 by hand; where "
    "there are several drivers, set VK_ICD_FILENAMES=/usr/share/vulkan/icd.d/lvp_icd.json. "
    'render_backend="none" does without pictures.'
)


def maniskill_task(task: str | TaskSpec) -> TaskSpec:
    """The task of this name, which is one of ManiSkill's.

    Raises:
        UnknownNameError: it is not.
    """
    if isinstance(task, str):
        by_gym_name = {get_task(name).gym_name: name for name in MANISKILL_TASKS}
        name = by_gym_name.get(task.removesuffix("-v1"), task)
    else:
        name = task.name
    if name not in MANISKILL_TASKS:
        raise UnknownNameError(
            f"No task {name!r} of ManiSkill here. {suggest(name, MANISKILL_TASKS)}There are "
            f"{', '.join(MANISKILL_TASKS)}; make others with gymnasium.make and wrap them with "
            "mani_skill's CPUGymWrapper."
        )
    return get_task(name)


def maniskill_id(task: TaskSpec) -> str:
    """What ManiSkill calls a task.

    >>> maniskill_id(get_task("pick-cube"))
    'PickCube-v1'
    """
    return f"{task.gym_name}-v1"


def make_simulation(
    task: TaskSpec, *, renders: bool, size: int, control_mode: str, render_backend: str
) -> Any:
    """ManiSkill's environment of a task with one world, simulated on the CPU.

    Its observations are dicts (``obs_mode="state_dict"``) of tensors with a leading axis of 1.

    Args:
        task: of ManiSkill.
        renders: whether pictures will be asked for; else no driver is needed.
        size: side of the square picture, px.
        control_mode: of `CONTROL_MODES`.
        render_backend: of `RENDER_BACKENDS`; ``"auto"`` is a GPU that CUDA knows, or the CPU.

    Raises:
        UnknownNameError: no such control mode or backend.
        InvalidValueError: `size` is below 1.
        MissingExtraError: mani_skill is not installed.
        RenderError: pictures will be asked for and nobody can render them.
    """
    settings = _settings(task, renders, size, control_mode, render_backend)
    make = _class_of(task)
    settings |= {"num_envs": 1, "sim_backend": "physx_cpu", "obs_mode": "state_dict"}
    with _making(settings["render_backend"]):
        return make(**settings, reward_mode=_reward_mode(make))


def make_worlds(
    task: str,
    num_envs: int,
    render_mode: str | None = None,
    *,
    size: int = 128,
    control_mode: str = "pd_ee_delta_pose",
    render_backend: str = "auto",
) -> gym.Env[Any, Any]:
    """Many worlds of a task in one simulation on a GPU, as ManiSkill gives them: tensors.

    Observations are ManiSkill's flat states, (num_envs, D). For rewards of a source put it into
    ``VectorRewardFromSource(ManiSkillVectorEnv(CaptureFrames(worlds)), ...)``; without pictures
    leave `CaptureFrames` out. One world is simulated on the CPU.

    Args:
        task: of ManiSkill, such as ``"pick-cube"``.
        num_envs: how many worlds.
        render_mode: ``"rgb_array"`` for pictures, (num_envs, size, size, 3), None for none.
        size: side of the square picture, px.
        control_mode: of `CONTROL_MODES`.
        render_backend: of `RENDER_BACKENDS`.

    Raises:
        UnknownNameError: no such task, control mode or backend.
        InvalidValueError: fewer worlds than one, or `size` is below 1.
        NeedsError: several worlds, and no GPU that CUDA knows.
        MissingExtraError: mani_skill is not installed.
        RenderError: pictures will be asked for and nobody can render them.
    """
    spec = maniskill_task(task)
    if num_envs < 1:
        raise InvalidValueError(f"num_envs={num_envs}; expected at least one world.")
    renders = render_mode is not None
    settings = _settings(spec, renders, size, control_mode, render_backend)
    reward_mode = _reward_mode(_class_of(spec))
    if num_envs > 1 and not _has_gpu():
        raise NeedsError(
            f"num_envs={num_envs} worlds are simulated on a GPU, and torch finds no CUDA device "
            "here. Take one world, or many processes of one each: "
            f"gymnasium.make_vec({spec.env_id!r}, num_envs={num_envs}, "
            "vectorization_mode='async', vector_kwargs={'context': 'spawn'})."
        )
    settings |= {"num_envs": num_envs, "obs_mode": "state", "render_mode": render_mode}
    with _making(settings["render_backend"]):
        return gym.make(
            maniskill_id(spec), disable_env_checker=True, reward_mode=reward_mode, **settings
        )


def _settings(
    task: TaskSpec, renders: bool, size: int, control_mode: str, render_backend: str
) -> dict[str, Any]:
    """Keyword arguments of ManiSkill's environment."""
    for name, value, known in (
        ("control_mode", control_mode, CONTROL_MODES),
        ("render_backend", render_backend, RENDER_BACKENDS),
    ):
        if value not in known:
            raise UnknownNameError(f"{name}={value!r}; expected one of {', '.join(known)}.")
    if size < 1:
        raise InvalidValueError(f"size={size}; expected at least one pixel.")
    if not renders:
        render_backend = "none"
    elif render_backend == "none":
        raise RenderError(
            f"render_backend='none' renders nothing, and pictures of {task.name!r} are asked for. "
            "Take 'auto', or render_mode=None and obs_mode='state'."
        )
    has_gpu = renders and _has_gpu(needed_by=task)
    if render_backend == "gpu" and not has_gpu:
        raise RenderError(
            "render_backend='gpu', and torch finds no CUDA device here; take 'cpu', which needs a "
            f"Vulkan driver. {_DRIVER_HELP}"
        )
    if render_backend == "auto":
        render_backend = "gpu" if has_gpu else "cpu"
    return {
        "control_mode": control_mode,
        "render_mode": "rgb_array" if renders else None,
        "render_backend": render_backend,
        "human_render_camera_configs": {"width": size, "height": size},
    }


def _class_of(task: TaskSpec) -> Any:
    """ManiSkill's class of a task.

    It is not called by ManiSkill's `make`, which adds a time limit of its own.
    """
    subject = f"Task {task.name!r}"
    package = require("mani_skill", extra="maniskill", needed_by=subject)
    package.logger.setLevel(logging.ERROR)  # it warns of things without an initial pose
    require("mani_skill.envs", extra="maniskill", needed_by=subject)
    registration = require("mani_skill.utils.registration", extra="maniskill", needed_by=subject)
    return registration.REGISTERED_ENVS[maniskill_id(task)].cls


def _reward_mode(make: Any) -> str:
    """The normalised dense reward where a task has one: by default some have none at all."""
    dense = "normalized_dense"
    return dense if dense in make.SUPPORTED_REWARD_MODES else "sparse"


def _has_gpu(needed_by: TaskSpec | None = None) -> bool:
    subject = "ManiSkill" if needed_by is None else f"Task {needed_by.name!r}"
    return bool(require("torch", extra="maniskill", needed_by=subject).cuda.is_available())


@contextlib.contextmanager
def _making(render_backend: str) -> Iterator[None]:
    """Within it ManiSkill makes an environment, and says in our words why it cannot."""
    try:
        with warnings.catch_warnings():
            # It calls `Logger.warn`, of things without an initial pose.
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    except RuntimeError as error:
        driver = os.environ.get("VK_ICD_FILENAMES", "")
        found = f" with VK_ICD_FILENAMES={driver!r}" if driver else ""
        raise RenderError(
            f"SAPIEN, which ManiSkill renders with, found no Vulkan driver that it can use{found} "
            f"(render_backend={render_backend!r}; {error}). {_DRIVER_HELP}"
        ) from error
