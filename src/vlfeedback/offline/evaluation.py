"""Evaluation of a policy: one episode for each of fixed seeds, its success and its return."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from vlfeedback.errors import InvalidValueError, NeedsError, ShapeError
from vlfeedback.types import Trajectory

__all__ = ["Policy", "PolicyEvaluation", "PolicyEvaluator", "evaluate_policy"]

N_EPISODES = 25
"""Episodes of an evaluation (CPL's protocol, and the VLP paper's, appendix A.2)."""


@runtime_checkable
class Policy(Protocol):
    """Whatever maps observations to actions: any d3rlpy algorithm, for one.

    One with memory also has ``reset(n_episodes)``, called before an evaluation; row i of every
    later `predict` is then the same episode until the evaluation ends.
    """

    def predict(self, x: Float[np.ndarray, "B D"]) -> Float[np.ndarray, "B A"]:
        """Best actions for these observations."""


@dataclass(frozen=True, slots=True, eq=False)
class PolicyEvaluation:
    """One run of a policy on P seeds.

    Attributes:
        successes: at any time of the episode.
        returns: of the environment's own reward.
        lengths: steps.
    """

    successes: Bool[np.ndarray, " P"]
    returns: Float64[np.ndarray, " P"]
    lengths: Int64[np.ndarray, " P"]

    @property
    def success(self) -> float:
        """Share of episodes that succeeded."""
        return float(self.successes.mean())


class PolicyEvaluator:
    """Runs policies on the same episodes, all of which step together.

    The policy is called once a step for all episodes that still run. Environments are made at the
    first call and kept, so that a reset is all that later calls cost. It is also an evaluator
    of d3rlpy's `fit`, which calls it as ``evaluator(algo, dataset)`` and is given the success.

    Args:
        env: Gymnasium id, such as ``TaskSpec.env_id``, or what makes an environment. Only its own
            reward and `info` are read, and nothing is rendered.
        seeds: one for each episode. An environment has to begin alike for equal seeds.
        horizon: steps after which an episode is cut; None: the environment's own limit.
        stop_at_success: end an episode once it has succeeded. Successes stay the same and cost
            less; returns are then those of shorter episodes.
        success_key: entry of `info` that is truthy once the task is done; where an environment
            has none, no episode succeeds.
        env_options: keyword arguments of `gym.make`: those of the environment that the policy's
            data was recorded in (`vlfeedback.types.Trajectory.env_options`).

    Source: success is the maximum over time, as in CPL and the VLP paper.
    """

    def __init__(
        self,
        env: str | Callable[[], gym.Env[Any, Any]],
        *,
        seeds: Sequence[int] = range(N_EPISODES),
        horizon: int | None = None,
        stop_at_success: bool = False,
        success_key: str = "success",
        env_options: Mapping[str, Any] | None = None,
    ) -> None:
        if not len(seeds):
            raise NeedsError("No seeds: an evaluation needs at least one episode.")
        if horizon is not None and horizon < 1:
            raise InvalidValueError(f"horizon={horizon}; expected at least one step.")
        self.seeds = tuple(int(seed) for seed in seeds)
        self.history: list[PolicyEvaluation] = []
        self._make = env
        self._options = dict(env_options or {})
        if self._options and callable(env):
            raise InvalidValueError(
                f"env_options={self._options} are of a Gymnasium id; what makes an environment "
                "itself has to give them to it."
            )
        self._horizon, self._stop, self._key = horizon, stop_at_success, success_key
        self._envs: list[gym.Env[Any, Any]] = []

    def __call__(self, algo: Policy, dataset: object = None) -> float:
        """Success of a policy, as d3rlpy asks for it; `history` keeps each evaluation."""
        self.history.append(self.evaluate(algo))
        return self.history[-1].success

    def evaluate(self, policy: Policy) -> PolicyEvaluation:
        """Run one episode for each seed.

        Raises:
            NeedsError: an environment without a time limit, and no `horizon` is given; or actions
                that are no box.
        """
        envs = self._environments()
        reset: Callable[[int], None] | None = getattr(policy, "reset", None)
        if reset is not None:
            reset(len(envs))
        observations = np.stack(
            [_flat(env.reset(seed=seed)[0]) for env, seed in zip(envs, self.seeds, strict=True)]
        )
        n = len(envs)
        runs, succeeded = np.ones(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
        returns, lengths = np.zeros(n), np.zeros(n, dtype=np.int64)
        while runs.any():
            # A policy with memory identifies its episodes by their rows, so all rows are passed.
            rows = np.arange(n) if reset is not None else np.flatnonzero(runs)
            actions = np.asarray(policy.predict(observations[rows]))
            for row, action in zip(rows, actions, strict=True):
                if not runs[row]:
                    continue
                space = envs[row].action_space
                low, high = space.low, space.high  # type: ignore[attr-defined]
                clipped_action = np.clip(action, low, high).astype(space.dtype)
                observation, reward, terminated, truncated, info = envs[row].step(clipped_action)
                observations[row] = _flat(observation)
                returns[row] += float(reward)
                lengths[row] += 1
                succeeded[row] |= bool(info.get(self._key, False))
                at_horizon = self._horizon is not None and lengths[row] >= self._horizon
                is_over = terminated or truncated or at_horizon or (self._stop and succeeded[row])
                runs[row] = not is_over
        return PolicyEvaluation(succeeded, returns, lengths)

    def check_fits(self, trajectory: Trajectory) -> None:
        """Refuse an environment whose observations or actions are not those of the data.

        Raises:
            ShapeError: they have other numbers.
            NeedsError: see `evaluate`.
        """
        env = self._environments()[0]
        spaces = (("observations", env.observation_space), ("actions", env.action_space))
        for name, space in spaces:
            rows = getattr(trajectory, name)
            if space.shape is not None and math.prod(space.shape) != math.prod(rows.shape[1:]):
                raise ShapeError(
                    f"The environment's {name} have shape {space.shape} and those of trajectory "
                    f"{trajectory.id!r} {rows.shape[1:]}; a policy that learns from these cannot "
                    "act there. Name the environment that was recorded."
                )

    def settings(self) -> dict[str, Any]:
        """What its figures depend on beside the policy; JSON values."""
        env = self._make
        if callable(env):
            env = f"{env.__module__}:{getattr(env, '__qualname__', type(env).__qualname__)}"
        options = {"env_options": self._options} if self._options else {}
        return {
            "env": env,
            **options,
            "seeds": list(self.seeds),
            "horizon": self._horizon,
            "stop_at_success": self._stop,
            "success_key": self._key,
        }

    def close(self) -> None:
        """Close the environments; the next call makes new ones."""
        for env in self._envs:
            env.close()
        self._envs = []

    def _environments(self) -> list[gym.Env[Any, Any]]:
        if not self._envs:
            # The same environment again and again would do, one episode after the other; stepping
            # copies together calls the policy once for all of them.
            make = self._make if callable(self._make) else _maker(self._make, self._options)
            envs = [make() for _ in self.seeds]
            if not isinstance(envs[0].action_space, gym.spaces.Box):
                raise NeedsError(
                    f"Actions are {envs[0].action_space}; policies of this library act in a Box."
                )
            limit = envs[0].spec.max_episode_steps if envs[0].spec else None
            if self._horizon is None and limit is None:
                raise NeedsError(
                    "The environment says no max_episode_steps, so that an episode might never "
                    "end; pass horizon=<steps>."
                )
            self._envs = list(map(_of_one_array, envs))
        return self._envs


def evaluate_policy(
    policy: Policy,
    env: str | Callable[[], gym.Env[Any, Any]],
    *,
    seeds: Sequence[int] = range(N_EPISODES),
    horizon: int | None = None,
    stop_at_success: bool = False,
    success_key: str = "success",
    env_options: Mapping[str, Any] | None = None,
) -> PolicyEvaluation:
    """Run a policy once on each seed; see `PolicyEvaluator`, which keeps its environments.

    Example: evaluate_policy(algo, get_task("drawer-close").env_id, horizon=250).success
    """
    evaluator = PolicyEvaluator(
        env,
        seeds=seeds,
        horizon=horizon,
        stop_at_success=stop_at_success,
        success_key=success_key,
        env_options=env_options,
    )
    try:
        return evaluator.evaluate(policy)
    finally:
        evaluator.close()


def _maker(env_id: str, options: Mapping[str, Any]) -> Callable[[], gym.Env[Any, Any]]:
    def make() -> gym.Env[Any, Any]:
        return gym.make(env_id, disable_env_checker=True, **options)

    return make


def _of_one_array(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """Parts of an observation as one vector, in the order in which `collect` keeps them."""
    if isinstance(env.observation_space, gym.spaces.Dict | gym.spaces.Tuple):
        return gym.wrappers.FlattenObservation(env)
    return env


def _flat(observation: Any) -> Float[np.ndarray, " D"]:
    return np.asarray(observation, dtype=np.float32).reshape(-1)
