"""Episodes of ManiSkill's tasks as a collection holds them.

Levels:  as of Meta-World's tasks, see `vlfeedback_envs.scripted`: expert = script + N(0, 0.1);
         medium = script + N(0, 0.5), stopped at 35 to 65 % of the time that the script needs in
         that very episode; random = the whole action space, or U[0, 1].
Choices: noise is ours, the numbers those of the VLP paper's Meta-World data, which its ManiSkill
         data may or may not share. ManiSkill ends an episode at success; here it goes on, the
         script at rest, so that all are equally long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from vlfeedback.errors import UnknownNameError
from vlfeedback.tasks import TaskSpec
from vlfeedback.types import ArrayFrames, Trajectory
from vlfeedback_envs.maniskill.environment import ManiSkillView
from vlfeedback_envs.maniskill.scripts import SCRIPTS

__all__ = ["NOISE", "roll_out"]

NOISE = {"expert": 0.1, "medium": 0.5}
"""Standard deviation of what is added to each entry of a script's action, by level."""

_HALF_WAY = (0.35, 0.65)  # share of the script's own time to success
_LOWS = {"box": -1.0, "u01": 0.0}
_ENDS = ("rest", "run-on")

_Choose = Callable[[bool], Float32[np.ndarray, "7"]]


def roll_out(
    task: TaskSpec, level: str, seeds: Sequence[int], settings: Mapping[str, Any]
) -> Iterator[Trajectory]:
    """One episode a seed, which begins its environment and all that its actor draws.

    Pictures are of the reset, and after steps 0, stride, 2 stride ... and the last.
    `Trajectory.stopped_at` is the step from which the script rests.

    Args:
        task: of `SCRIPTS`.
        level: ``"expert"``, ``"medium"`` or ``"random"``.
        seeds: of the episodes.
        settings: ``horizon``, ``random_actions``, ``frame_stride``, 0 for no pictures,
            ``frame_size``, ``medium`` (only ``"half-way"``), ``ends``, and ``env_options`` of the
            `ManiSkillView`.

    Raises:
        UnknownNameError: no such level, kind of random actions, stop or end.
        MissingExtraError: ManiSkill is not installed.
        RenderError: there are to be pictures, and nobody can render them.
    """
    for name, known in (
        (level, task.levels),
        (settings["random_actions"], tuple(_LOWS)),
        (settings["medium"], ("half-way",)),
        (settings["ends"], _ENDS),
    ):
        if name not in known:
            raise UnknownNameError(f"No {name!r} here; choose one of {', '.join(known)}.")
    options, stride = dict(settings["env_options"]), settings["frame_stride"]
    made_so = {"end_at_success": False, "size": settings["frame_size"], **options}
    render_mode = "rgb_array" if stride else None
    with closing(ManiSkillView(task.name, render_mode=render_mode, **made_so)) as view:
        for seed in seeds:
            # The view draws its start from `seed` itself.
            rng = np.random.default_rng([seed, 1])
            stop = settings["horizon"]
            if level == "medium":
                stop = int(_time_to_success(view, seed, stop) * rng.uniform(*_HALF_WAY))
            choose = _chooser(view, level, rng, _LOWS[settings["random_actions"]])
            rests = level != "random" and settings["ends"] == "rest"
            yield Trajectory(
                **_episode(view, choose, seed, settings["horizon"], stride, stop, rests),
                task=task.name,
                id=f"{task.name}/{level}/{seed}",
                level=level,
                seed=seed,
                env_options=options,
            )


def _chooser(view: ManiSkillView, level: str, rng: np.random.Generator, low: float) -> _Choose:
    """Who acts; once it has stopped it stays where it is, and the gripper keeps its grip."""
    script, last = SCRIPTS[view.task.name], np.zeros(7, dtype=np.float32)

    def choose(stopped: bool) -> Float32[np.ndarray, "7"]:
        nonlocal last
        if level == "random":
            action = rng.uniform(low, 1.0, 7)
        elif stopped:
            action = np.array([*np.zeros(6), last[6]])
        else:
            action = script(view.named) + rng.normal(0.0, NOISE[level], 7)
        last = np.clip(action, -1.0, 1.0).astype(np.float32)
        return last

    return choose


def _episode(
    view: ManiSkillView,
    choose: _Choose,
    seed: int,
    horizon: int,
    stride: int,
    stop: int,
    rests: bool,
) -> dict[str, Any]:
    """Arrays and pictures of an episode; a script that rests does so from success on."""
    observation, _ = view.reset(seed=seed)
    observations, actions = [observation], []
    rewards: list[float] = []
    successes: list[bool] = []
    times, pictures = ([0], [_picture(view)]) if stride else ([], [])
    for step in range(horizon):
        if rests and successes and successes[-1]:
            stop = min(stop, step)
        actions.append(choose(step >= stop))
        observation, reward, _, _, info = view.step(actions[-1])
        observations.append(observation)
        rewards.append(reward)
        successes.append(info[view.task.success_key])
        if stride and (step % stride == 0 or step == horizon - 1):
            times.append(step + 1)
            pictures.append(_picture(view))
    return {
        "observations": np.stack(observations),
        "actions": np.stack(actions),
        "env_rewards": np.asarray(rewards, dtype=np.float32),
        "successes": np.asarray(successes, dtype=np.bool_),
        "truncated": True,
        "frames": ArrayFrames(np.asarray(times), np.stack(pictures)) if stride else None,
        "stopped_at": stop,
    }


def _picture(view: ManiSkillView) -> UInt8[np.ndarray, "H W 3"]:
    return np.asarray(view.render(), dtype=np.uint8)


def _time_to_success(view: ManiSkillView, seed: int, horizon: int) -> int:
    view.reset(seed=seed)
    for step in range(horizon):
        *_, info = view.step(SCRIPTS[view.task.name](view.named))
        if info[view.task.success_key]:
            return step + 1
    return horizon
