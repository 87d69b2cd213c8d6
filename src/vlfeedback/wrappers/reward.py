"""An environment whose reward comes from a source."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from vlfeedback.types import RewardSource
from vlfeedback.wrappers.frames import render_picture
from vlfeedback.wrappers.modes import RewardMix, RewardMode
from vlfeedback.wrappers.scoring import live_scorer, resolve_source

__all__ = ["RewardFromSource"]


class RewardFromSource(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Replaces an environment's reward by a source's score, or adds the score to it.

    ``info["env_reward"]`` is always the environment's own reward; success, termination and
    truncation are never touched. What is rendered depends on the source: pictures are taken
    after steps 0, stride, 2 stride ... of an episode (`SourceNeeds.frame_stride`) and after its
    last step. Between two pictures the last score is held. A source of granularity "episode"
    gives 0 until the last step, and there the score of the whole episode.

    A `TimeLimit` belongs inside this wrapper: one outside ends episodes without telling, so
    the last step keeps the held score, and a source that scores episodes never gets to.

    With an id for `source`, ``env.spec.to_json()`` holds all it takes to make the environment
    again. A live source object works too, but such a spec cannot go to JSON.

    Args:
        env: any environment; with ``render_mode="rgb_array"`` if the source reads pictures.
        source: an id such as ``"vlp"``, or a source.
        instruction: what the source is told the task is.
        mode: ``"replace"``, ``"add"`` or ``"shape"``; see `RewardMix` for the formulas.
        scale: reward units per unit of score.
        discount: the learner's, in [0, 1]; read by ``"shape"`` alone.
        device: where a source made from an id computes, such as ``"cuda"``.
        source_config: settings of a source made from an id.

    Raises:
        UnknownNameError: no source has this id.
        NeedsError: the source reads an instruction and none was given.
        RenderError: the source reads pictures and `env` gives none.
        DtypeError: (from `step` and `reset`) `env` renders something else than uint8.
        ValueError: unknown mode, or one that the source cannot be used in.

    >>> from vlfeedback.testing import PointReachEnv
    >>> dot = PointReachEnv(steps=5, render_mode="rgb_array")  # brighter by 51 with each action
    >>> env = RewardFromSource(dot, "picture-energy")
    >>> _ = env.reset(seed=0)
    >>> for _ in range(3):
    ...     _, reward, _, _, info = env.step(np.ones(1, np.float32))
    >>> reward, round(info["env_reward"], 1)
    (51.0, -0.4)
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        source: str | RewardSource,
        *,
        instruction: str | None = None,
        mode: RewardMode = "replace",
        scale: float = 1.0,
        discount: float = 0.99,
        device: str = "cpu",
        source_config: dict[str, Any] | None = None,
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(
            self,
            _disable_deepcopy=not isinstance(source, str),
            source=source,
            instruction=instruction,
            mode=mode,
            scale=scale,
            discount=discount,
            device=device,
            source_config=source_config,
        )
        gym.Wrapper.__init__(self, env)
        self._mix = RewardMix(mode, scale, discount)
        self.source = resolve_source(source, device=device, config=source_config)
        self._mix.check(self.source)
        self._scorer = live_scorer(
            self.source,
            instruction=instruction,
            n_envs=1,
            render_mode=env.render_mode,
            observation_space=env.observation_space,
            action_space=env.action_space,
            score_reset=mode == "shape",
        )

    @property
    def source_score(self) -> float:
        """The source's last score, before mode and scale; 0 where nothing was scored yet."""
        return float(self._scorer.scores[0])

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode; the source's window then shows the reset picture only."""
        observation, info = self.env.reset(seed=seed, options=options)
        picture = render_picture(self.env) if self._scorer.reads_reset else None
        self._scorer.reset([0], [observation], [picture])
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step; the reward is the source's, the environment's is in ``info["env_reward"]``."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        ended = bool(terminated or truncated)
        picture = None
        if self._scorer.reads_picture(0, ended=ended):
            picture = render_picture(self.env)
        # Around another RewardFromSource the environment's own reward is already in info.
        env_reward = float(info.get("env_reward", reward))
        before = self._scorer.scores.copy()
        scores = self._scorer.step([0], [action], [env_reward], [observation], [picture], [ended])
        mixed_reward = self._mix(np.array([float(reward)]), scores, before, np.array([terminated]))
        info = {**info, "env_reward": env_reward}
        return observation, float(mixed_reward[0]), terminated, truncated, info
