"""The Gymnasium ids ``<Source>Reward-<Task>-v0``: every source on every task, as strings.

Nothing is imported or loaded before `gym.make`; its keyword arguments are those of `make_env`.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import partial
from typing import Any

import gymnasium as gym
from gymnasium.vector import AutoresetMode

from vlfeedback.errors import NeedsError
from vlfeedback.rewards import REWARD_SOURCES
from vlfeedback.tasks import TASKS, TaskSpec, get_task
from vlfeedback.wrappers.frames import CaptureFrames
from vlfeedback.wrappers.modes import RewardMode
from vlfeedback.wrappers.reward import RewardFromSource
from vlfeedback.wrappers.scoring import resolve_source
from vlfeedback.wrappers.vector import VectorRewardFromSource

__all__ = ["make_env", "make_vector_env", "register_ids"]


def register_ids() -> None:
    """Register the ids of all sources on all tasks; those already registered are left alone."""
    for task in TASKS:
        _register_ids_of(task)


def _register_ids_of(task: str) -> None:
    gym_name = TASKS.entry(task).gym_name
    for source in REWARD_SOURCES.names():
        entry = REWARD_SOURCES.entry(source)
        id = f"{entry.gym_name}Reward-{gym_name}-v0"
        if id not in gym.registry:
            gym.register(
                id=id,
                entry_point="vlfeedback.wrappers.ids:make_env",
                vector_entry_point="vlfeedback.wrappers.ids:make_vector_env",
                kwargs={"task": task, "source": entry.name},
                # The view brings its own order check and time limit, inside the reward.
                order_enforce=False,
            )


TASKS.tell(_register_ids_of)  # of those that `register_task` adds


def make_env(
    task: str,
    source: str,
    *,
    render_mode: str | None = "rgb_array",
    instruction: str | None = None,
    mode: RewardMode = "replace",
    scale: float = 1.0,
    discount: float = 0.99,
    device: str = "cpu",
    source_config: dict[str, Any] | None = None,
    time_limit: int | None = None,
    **view: Any,
) -> RewardFromSource:
    """A task's view with the reward of a source; what ``gym.make`` calls for our ids.

    Args:
        task: a name of `vlfeedback.tasks`, such as ``"drawer-close"``.
        source: an id such as ``"vlp"``.
        render_mode: ``"rgb_array"``, or None for sources that read no pictures.
        instruction: what the source is told; by default the task's own, or what each episode
            says (`TaskSpec.instruction_key`).
        mode: see `RewardFromSource`, as `scale`, `discount`, `device` and `source_config`.
        scale: see `mode`.
        discount: see `mode`.
        device: see `mode`.
        source_config: see `mode`.
        time_limit: steps of an episode; the task's own by default (500 in Meta-World). The step
            that reaches it is scored on its own picture. ``gym.make(..., max_episode_steps=...)``
            does the same; the smaller of the two counts.
        **view: arguments of the view, such as ``size=128`` or ``camera="corner"``.

    Raises:
        UnknownNameError: there is no such task or source.
        NeedsError: the task names no environment.
        RenderError: the source reads pictures and `render_mode` is None.
    """
    spec = _spec_with_env(task)
    limits = [limit for limit in (time_limit, _limit_given_to_make()) if limit is not None]
    env = gym.make(
        spec.env_id,
        max_episode_steps=min(limits, default=None),
        disable_env_checker=True,  # the id's own `gym.make` checks
        render_mode=render_mode,
        **view,
    )
    return RewardFromSource(
        env,
        source,
        **_told(spec, instruction),
        mode=mode,
        scale=scale,
        discount=discount,
        device=device,
        source_config=source_config,
    )


def make_vector_env(
    num_envs: int,
    task: str,
    source: str,
    *,
    render_mode: str | None = "rgb_array",
    instruction: str | Sequence[str] | None = None,
    mode: RewardMode = "replace",
    scale: float = 1.0,
    discount: float = 0.99,
    device: str = "cpu",
    source_config: dict[str, Any] | None = None,
    time_limit: int | None = None,
    max_episode_steps: int | None = None,
    asynchronous: bool = False,
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    **view: Any,
) -> VectorRewardFromSource:
    """Views of a task with one source for all; what ``gym.make_vec`` calls for our ids.

    Args:
        num_envs: how many views.
        task: see `make_env`, as all that is not listed here.
        source: see `task`.
        render_mode: see `task`.
        instruction: see `task`; or a list with one for each view.
        mode: see `task`.
        scale: see `task`.
        discount: see `task`.
        device: see `task`.
        source_config: see `task`.
        time_limit: see `task`.
        max_episode_steps: the same as `time_limit`; ``gym.make_vec`` hands it on.
        asynchronous: step and render each view in a process of its own. They are spawned, so a
            script must be guarded by ``if __name__ == "__main__":``.
        autoreset_mode: what happens after an episode's last step; see `VectorRewardFromSource`.
        **view: see `task`.

    Raises:
        UnknownNameError: there is no such task or source.
        NeedsError: the task names no environment.
        RenderError: the source reads pictures and `render_mode` is None.
    """
    spec = _spec_with_env(task)
    live = resolve_source(source, device=device, config=source_config)
    wrappers = [partial(CaptureFrames, stride=live.needs.frame_stride)]
    vector: dict[str, Any] = {"autoreset_mode": autoreset_mode}
    if asynchronous:
        vector["context"] = "spawn"  # a fork of a process that has rendered hangs in OpenGL
    env = gym.make_vec(
        spec.env_id,
        num_envs,
        vectorization_mode="async" if asynchronous else "sync",
        vector_kwargs=vector,
        wrappers=wrappers if live.needs.frames and render_mode == "rgb_array" else (),
        max_episode_steps=time_limit if max_episode_steps is None else max_episode_steps,
        disable_env_checker=True,
        render_mode=render_mode,
        **view,
    )
    return VectorRewardFromSource(
        env,
        live,
        **_told(spec, instruction),
        mode=mode,
        scale=scale,
        discount=discount,
    )


def _spec_with_env(task: str) -> TaskSpec:
    spec = get_task(task)
    if not spec.env_id:
        raise NeedsError(
            f"Task {spec.name!r} names no environment, only recorded episodes; give its TaskSpec "
            "an env_id."
        )
    return spec


def _told(spec: TaskSpec, instruction: Any) -> dict[str, Any]:
    """What is told where: the text given, what each episode says, or the task's own text."""
    if instruction is None and spec.instruction_key:
        return {"instruction_key": spec.instruction_key}
    return {"instruction": spec.instruction if instruction is None else instruction}


def _limit_given_to_make() -> int | None:
    """The ``max_episode_steps`` of the `gym.make` that is making this environment, if any.

    `gym.make` hands it to nobody: it puts a `TimeLimit` around what is made, outside of the
    reward, where the step that ends an episode looks like any other.
    """
    frame = inspect.currentframe()
    while frame is not None and frame.f_code is not gym.make.__code__:
        frame = frame.f_back
    if frame is None:
        return None
    limit, env_spec = frame.f_locals.get("max_episode_steps"), frame.f_locals.get("env_spec")
    limit = getattr(env_spec, "max_episode_steps", None) if limit is None else limit
    return limit if isinstance(limit, int) and limit > 0 else None
