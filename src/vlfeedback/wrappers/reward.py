"""An environment whose reward comes from a source."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym
import numpy as np

from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.types import RewardSource
from vlfeedback.wrappers.answers import as_arrays, checked_rewards, n_worlds, success_of
from vlfeedback.wrappers.frames import render_picture
from vlfeedback.wrappers.modes import RewardMix, RewardMode
from vlfeedback.wrappers.scoring import live_scorer, resolve_source
from vlfeedback.wrappers.told_instructions import check_one_instruction, told_instruction

__all__ = ["RewardFromSource"]

_ONE = np.ones(1, dtype=np.bool_)


class RewardFromSource(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Replaces an environment's reward by a source's score, or adds the score to it.

    Success, termination and truncation are never touched. ``info`` has the same entries after a
    reset and after every step:

    - ``"env_reward"``: the environment's own reward; NaN after a reset
    - ``"env_return"``: the sum of those in this episode so far
    - ``"source_score"``: the last score of the (outermost) source, before mode and scale
    - ``"source_success"``: how likely the task is done, as the source saw it then, in [0, 1]; NaN
      before its first look. There where the source tells, see `TellsSuccess`
    - ``"is_success"``: whether ``info["success"]`` was true at any time of this episode; there
      where the environment says ``"success"``, and left as it is where it says ``"is_success"``

    At the end of an episode they are what stable-baselines3 shows:
    ``Monitor(env, info_keywords=("env_return", "source_score"))``, and the success rate of its
    logger and its `EvalCallback`.

    What is rendered depends on the source: pictures are taken
    after steps 0, stride, 2 stride ... of an episode (`SourceNeeds.frame_stride`) and after its
    last step. Between two pictures the last score is held. A source of granularity "episode"
    gives 0 until the last step, and there the score of the whole episode.

    A `TimeLimit` belongs inside this wrapper: one outside ends episodes without telling, so
    the last step keeps the held score, and a source that scores episodes never gets to. The next
    reset then warns, once.

    A step after the last one, without a reset between, begins the next episode: its reward is 0,
    as that of the step in which `gymnasium.wrappers.Autoreset` resets.

    Environments that are batched inside are understood where they hold one world, such as
    ManiSkill's: tensors are read, and the reward and both ends are a float and two bools.
    Observations are returned as they come.

    With an id for `source`, ``env.spec.to_json()`` holds all it takes to make the environment
    again. A live source object works too, but such a spec cannot go to JSON.

    Args:
        env: any environment; with ``render_mode="rgb_array"`` if the source reads pictures.
        source: an id such as ``"vlp"``, or a source.
        instruction: what the source is told the task is.
        instruction_key: where the environment says it, anew in each episode: the entry of a
            reset's observation or `info` that holds the text, such as ``"mission"`` of MiniGrid.
        mode: ``"replace"``, ``"progress"``, ``"add"`` or ``"shape"``; formulas: `RewardMix`.
        scale: reward units per unit of score.
        discount: the learner's, in [0, 1]; read by ``"shape"`` alone.
        device: where a source made from an id computes, such as ``"cuda"``.
        source_config: settings of a source made from an id.

    Raises:
        UnknownNameError: no source has this id.
        NeedsError: the source reads an instruction and none was given; (from `reset`) there is no
            entry `instruction_key`.
        RenderError: the source reads pictures and `env` gives none.
        DtypeError: (from `step` and `reset`) `env` renders something else than uint8.
        InvalidTypeError: (from `step`) the environment's reward is no number; (from `reset`) the
            entry `instruction_key` is no text.
        ValueError: unknown mode, or one that the source cannot be used in; an instruction beside a
            key of one; `env` holds several worlds; (from `step`) the environment's reward is not
            finite, or not one.

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
        instruction_key: str | None = None,
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
            instruction_key=instruction_key,
            mode=mode,
            scale=scale,
            discount=discount,
            device=device,
            source_config=source_config,
        )
        gym.Wrapper.__init__(self, env)
        self._worlds = n_worlds(env)
        if self._worlds is not None and self._worlds != 1:
            raise InvalidValueError(
                f"{env} holds {self._worlds} worlds and this wrapper is for one. Pass it to "
                "VectorRewardFromSource as a vector environment, such as "
                "ManiSkillVectorEnv(CaptureFrames(env))."
            )
        check_one_instruction(instruction, instruction_key)
        self._instruction_key = instruction_key
        self._mix = RewardMix(mode, scale, discount)
        self.source = resolve_source(source, device=device, config=source_config)
        self._mix.check(self.source)
        self._scorer = live_scorer(
            self.source,
            instructions=[instruction],
            render_mode=env.render_mode,
            observation_space=env.observation_space,
            action_space=(
                env.action_space
                if self._worlds is None
                else env.get_wrapper_attr("single_action_space")
            ),
            score_reset=self._mix.compares_steps,
            told_by_reset=instruction_key is not None,
        )
        self._env_return = 0.0
        self._succeeded = self._ended = False
        self._n_steps = 0  # of this episode
        self._may_warn = self.source.needs.granularity == "episode"

    @property
    def source_score(self) -> float:
        """The source's last score, before mode and scale; 0 where nothing was scored yet."""
        return float(self._scorer.scores[0])

    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> Any:
        """Refuse: a source scores what was seen and done, not a goal that was given later.

        It stands before the `compute_reward` of an environment with goals, whose rewards
        `HerReplayBuffer` of stable-baselines3 would mix with those of the source.

        Raises:
            NeedsError: always.
        """
        raise NeedsError(
            f"{type(self.source).__name__} scores what was seen and done, not a goal that is put "
            "in its place later, as HerReplayBuffer does. Train with "
            "replay_buffer_class=DictReplayBuffer, or with HER and without RewardFromSource."
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode; the source's window then shows the reset picture only."""
        if self._may_warn and self._n_steps and not self._ended:
            self._may_warn = False
            warnings.warn(
                f"An episode ended before {type(self.source).__name__}, which scores whole "
                "episodes, saw its end: its reward was 0 throughout. A TimeLimit belongs inside of "
                "RewardFromSource.",
                stacklevel=2,
            )
        observation, info = self.env.reset(seed=seed, options=options)
        self._ended = False
        return observation, self._begin(observation, info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step; the reward is the source's, the environment's is in ``info["env_reward"]``."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        terminated, truncated = bool(terminated), bool(truncated)
        began, self._ended = self._ended, terminated or truncated
        if began:  # something inside has reset
            return observation, 0.0, terminated, truncated, self._begin(observation, info)
        self._n_steps += 1
        picture = None
        if self._scorer.reads_picture(0, ended=self._ended):
            picture = render_picture(self.env)
        own_reward = checked_rewards(reward, _ONE, whose=self.env)
        # Around another RewardFromSource the environment's own reward is already in info.
        env_reward = float(info.get("env_reward", own_reward[0]))
        before = self._scorer.scores.copy()
        scores = self._scorer.step(
            [0],
            [self._one(action)],
            [env_reward],
            [self._observed(observation)],
            [picture],
            [self._ended],
        )
        mixed_reward = self._mix(own_reward, scores, before, np.array([terminated]))
        self._env_return += env_reward
        info = self._told(info, env_reward)
        return observation, float(mixed_reward[0]), terminated, truncated, info

    def _begin(self, observation: Any, info: dict[str, Any]) -> dict[str, Any]:
        if self._instruction_key is not None:
            text = told_instruction(observation, info, self._instruction_key)
            self._scorer.instruct([0], [text])
        picture = render_picture(self.env) if self._scorer.reads_reset else None
        self._scorer.reset([0], [self._observed(observation)], [picture])
        self._env_return, self._succeeded, self._n_steps = 0.0, False, 0
        return self._told(info, np.nan)

    def _told(self, info: dict[str, Any], env_reward: float) -> dict[str, Any]:
        told = {
            **info,
            "env_reward": env_reward,
            "env_return": self._env_return,
            "source_score": self.source_score,
        }
        if self._scorer.successes is not None:
            told["source_success"] = float(self._scorer.successes[0])
        success = success_of(info)
        if success is not None:
            self._succeeded |= success
            told.setdefault("is_success", self._succeeded)
        return told

    def _observed(self, observation: Any) -> Any:
        # Nobody reads it: it may lie on another device, and is left there.
        return self._one(observation) if self.source.needs.observations else observation

    def _one(self, value: Any) -> Any:
        """An observation or action, without the axis of worlds that batched environments have."""
        array = as_arrays(value)
        has_axis = self._worlds is not None and np.ndim(array) > 1 and len(array) == 1
        return array[0] if has_axis else array
