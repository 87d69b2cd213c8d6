"""Episodes of ropes, cloth and a sleeve as a collection holds them.

Levels:  expert = script + a little noise, N(0, 0.1) or less; medium = with more noise, of the rope
         whose ends are held also weaker; random = uniform actions; suboptimal (of the sleeve) =
         each episode is acted out in one of three ways.
Choices: Offline RL-VLM-F collects its rope data with policies of reinforcement learning and states
         neither their returns nor how many episodes there are. Ours, untested, are scripts whose
         returns lie where its Table I has behaviour cloning (expert 20.54, medium 14.17). Its 485
         dressing trajectories are those of a policy from simulation on a real robot, failures
         among them; ours are noisy scripts, pulls straight ahead whatever the elbow does, which is
         how its cloned policy fails, and random ones, in shares that are our choice. Noise on
         folds and on the rope that is free is our choice too: experts nearly always succeed,
         medium ones less than half of the time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from vlfeedback.errors import UnknownNameError
from vlfeedback.tasks import TaskSpec
from vlfeedback.types import ArrayFrames, Trajectory
from vlfeedback_envs.deformables.environment import DeformableEnv
from vlfeedback_envs.deformables.fold_diagonal import FoldClothDiagonal
from vlfeedback_envs.deformables.fold_half import FoldClothHalf
from vlfeedback_envs.deformables.free_rope import StraightenRopeFree
from vlfeedback_envs.deformables.rope import StraightenRope
from vlfeedback_envs.deformables.scripts import (
    fold_diagonally,
    fold_in_half,
    grasp_and_pull,
    pull_straight,
    pull_up_the_arm,
)
from vlfeedback_envs.deformables.sleeve import DressSleeve

__all__ = ["ACTORS", "SUBOPTIMAL", "Actor", "roll_out"]

Script = Callable[[Float[np.ndarray, " D"]], Float32[np.ndarray, " A"]]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts in an episode: ``gain * script(state) + N(0, noise)``, clipped; or at random.

    Attributes:
        name: ``"script"``, ``"straight ahead"`` or ``"random"``.
        gain: of the script, in [0, 1].
        noise: standard deviation of what is added to each entry of an action.
    """

    name: str
    gain: float = 1.0
    noise: float = 0.0


ACTORS: Mapping[str, Mapping[str, Actor]] = MappingProxyType(
    {
        "straighten-rope": {
            "expert": Actor("script", noise=0.1),
            "medium": Actor("script", gain=0.04, noise=0.3),
            "random": Actor("random"),
        },
        "dress-sleeve": {
            "expert": Actor("script", noise=0.1),
            "medium": Actor("script", noise=0.8),
            "random": Actor("random"),
        },
        "straighten-rope-free": {
            "expert": Actor("script", noise=0.1),
            "medium": Actor("script", noise=0.6),
            "random": Actor("random"),
        },
        "fold-cloth-diagonal": {
            "expert": Actor("script", noise=0.03),
            "medium": Actor("script", noise=0.25),
            "random": Actor("random"),
        },
        "fold-cloth-half": {
            "expert": Actor("script", noise=0.05),
            "medium": Actor("script", noise=0.2),
            "random": Actor("random"),
        },
    }
)
"""Who acts, by task and level."""

SUBOPTIMAL = {"script": 0.6, "straight ahead": 0.25, "random": 0.15}
"""Shares of the level ``suboptimal``; a script's noise is drawn from U(0.4, 1.2), and what pulls
straight ahead has a noise of 0.1."""

_AHEAD = np.array([1.0, 0.0, 0.0], dtype=np.float32)
_WORLDS: Mapping[str, tuple[type[DeformableEnv], Script]] = {
    "straighten-rope": (StraightenRope, pull_straight),
    "dress-sleeve": (DressSleeve, pull_up_the_arm),
    "straighten-rope-free": (StraightenRopeFree, grasp_and_pull),
    "fold-cloth-diagonal": (FoldClothDiagonal, fold_diagonally),
    "fold-cloth-half": (FoldClothHalf, fold_in_half),
}
_LOWS = {"box": -1.0, "u01": 0.0}


def roll_out(
    task: TaskSpec, level: str, seeds: Sequence[int], settings: Mapping[str, Any]
) -> Iterator[Trajectory]:
    """One episode a seed, which begins its environment and all that its actor draws.

    Pictures are rendered after the episode, of the reset, after every stride-th step, and after
    the last. An episode ends where the environment ends it, or after ``settings["horizon"]``
    steps; ``info["actor"]`` says who acted.

    Args:
        task: one of those in `ACTORS`.
        level: one of the task's.
        seeds: of the episodes.
        settings: ``horizon``, ``random_actions``, ``frame_stride``, 0 for no pictures,
            ``frame_size``, and ``env_options`` of the environment.

    Raises:
        UnknownNameError: no such level, or no such kind of random actions.
    """
    if level not in task.levels:
        raise UnknownNameError(f"No {level!r} here; choose one of {', '.join(task.levels)}.")
    low = _LOWS.get(settings["random_actions"])
    if low is None:
        raise UnknownNameError(
            f"No {settings['random_actions']!r} here; choose one of {', '.join(_LOWS)}."
        )
    make, script = _WORLDS[task.name]
    options = dict(settings["env_options"])
    with closing(make(size=settings["frame_size"], **options)) as env:
        for seed in seeds:
            # The environment draws its start from `seed` itself.
            rng = np.random.default_rng([seed, 1])
            actor = _suboptimal(rng) if level == "suboptimal" else ACTORS[task.name][level]
            act = _acting(actor, script, rng, low, env.action_space.shape or ())
            yield Trajectory(
                **_episode(env, act, seed, settings["horizon"], settings["frame_stride"]),
                task=task.name,
                id=f"{task.name}/{level}/{seed}",
                level=level,
                seed=seed,
                env_options=options,
                info={"actor": dataclasses.asdict(actor)},
            )


def _suboptimal(rng: np.random.Generator) -> Actor:
    name = str(rng.choice(list(SUBOPTIMAL), p=list(SUBOPTIMAL.values())))
    noise = {"script": float(rng.uniform(0.4, 1.2)), "straight ahead": 0.1}
    return Actor(name, noise=noise.get(name, 0.0))


def _acting(
    actor: Actor, script: Script, rng: np.random.Generator, low: float, shape: tuple[int, ...]
) -> Script:
    def act(state: Float[np.ndarray, " D"]) -> Float32[np.ndarray, " A"]:
        if actor.name == "random":
            return rng.uniform(low, 1.0, shape).astype(np.float32)
        chosen = script(state) if actor.name == "script" else _AHEAD
        noisy = actor.gain * chosen + rng.normal(0.0, actor.noise, shape)
        return np.clip(noisy, -1.0, 1.0).astype(np.float32)

    return act


def _episode(
    env: DeformableEnv, act: Script, seed: int, horizon: int, stride: int
) -> dict[str, Any]:
    """Arrays and pictures of an episode."""
    observation, _ = env.reset(seed=seed)
    observations, actions, rewards, successes = [observation], [], [], []
    times, states = [0], [env.capture_state()]
    terminated = truncated = False
    while not (terminated or truncated):
        actions.append(act(env.state()))
        observation, reward, terminated, truncated, info = env.step(actions[-1])
        observations.append(observation)
        rewards.append(reward)
        successes.append(info[env.task.success_key])
        n_done = len(actions)
        truncated = truncated or (n_done == horizon and not terminated)
        if stride and ((n_done - 1) % stride == 0 or terminated or truncated):
            times.append(n_done)
            states.append(env.capture_state())
    frames = ArrayFrames(np.array(times), env.render_states(states)) if stride else None
    return {
        "observations": np.stack(observations),
        "actions": np.stack(actions),
        "env_rewards": np.asarray(rewards, dtype=np.float32),
        "successes": np.asarray(successes, dtype=np.bool_),
        "terminated": terminated,
        "truncated": truncated,
        "frames": frames,
    }
