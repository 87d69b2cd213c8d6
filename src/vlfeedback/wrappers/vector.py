"""N environments whose rewards come from one source, asked once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import iterate
from jaxtyping import Bool, Float64

from vlfeedback.errors import InvalidValueError, RenderError
from vlfeedback.types import RewardSource
from vlfeedback.wrappers.frames import FRAME_KEY, CaptureFrames
from vlfeedback.wrappers.modes import RewardMix, RewardMode
from vlfeedback.wrappers.scoring import live_scorer, resolve_source

__all__ = ["VectorRewardFromSource"]

if TYPE_CHECKING:
    _VectorWrapper = gym.vector.VectorWrapper[Any, Any, Any, Any, Any]
else:
    _VectorWrapper = gym.vector.VectorWrapper  # takes parameters from Gymnasium 1.4 on

_Step = tuple[
    Any,
    Float64[np.ndarray, " N"],
    Bool[np.ndarray, " N"],
    Bool[np.ndarray, " N"],
    dict[str, Any],
]


class VectorRewardFromSource(_VectorWrapper):
    """`RewardFromSource` for a vector environment: the same rewards, in one call of the source.

    All three autoreset modes are understood. The last step of an episode is scored on its own
    picture, and the next episode begins with an empty window:

    - NEXT_STEP: the step that only resets is not scored; its reward is 0.
    - SAME_STEP: the last step's picture comes from ``final_info``.
    - DISABLED: ``reset(options={"reset_mask": mask})`` starts new windows where `mask` is True.

    ``infos["env_reward"]`` (N,) float64 is the environments' own reward, valid where
    ``infos["_env_reward"]``: everywhere but in steps that only reset. Pictures are taken inside
    each environment by `CaptureFrames`, which is put into a `SyncVectorEnv` where it is missing,
    and do not appear in `infos`.

    Episodes of different length that end at the same step are scored in one call a length.

    Args:
        env: any vector environment; with ``render_mode="rgb_array"`` if the source reads
            pictures, and then synchronous, or made with `CaptureFrames`.
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
        RenderError: the source reads pictures and the environments do not give them.
        ValueError: unknown mode, one that the source cannot be used in, or a vector environment
            that does not say how it resets.
    """

    def __init__(
        self,
        env: gym.vector.VectorEnv[Any, Any, Any],
        source: str | RewardSource,
        *,
        instruction: str | None = None,
        mode: RewardMode = "replace",
        scale: float = 1.0,
        discount: float = 0.99,
        device: str = "cpu",
        source_config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(env)
        autoreset = env.metadata.get("autoreset_mode")
        if not isinstance(autoreset, AutoresetMode):
            raise InvalidValueError(
                f"metadata['autoreset_mode'] of {env} is {autoreset!r}; set it to the "
                "gymnasium.vector.AutoresetMode that this environment follows."
            )
        self._autoreset = autoreset
        self._mix = RewardMix(mode, scale, discount)
        self.source = resolve_source(source, device=device, config=source_config)
        self._mix.check(self.source)
        self._scorer = live_scorer(
            self.source,
            instruction=instruction,
            n_envs=env.num_envs,
            render_mode=env.render_mode,
            observation_space=env.single_observation_space,
            action_space=env.single_action_space,
            score_reset=mode == "shape",
        )
        if self.source.needs.frames:
            stride = self.source.needs.frame_stride
            _capture_frames(env.unwrapped, stride, self._scorer.reads_reset)
        self._ended = np.zeros(env.num_envs, dtype=np.bool_)
        self._scores = self._scorer.scores.copy()

    @property
    def source_scores(self) -> Float64[np.ndarray, " N"]:
        """The last score of each environment's last step, before mode and scale."""
        return self._scores.copy()

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Start episodes in all environments, or in those of ``options["reset_mask"]``."""
        mask = np.ones(self.num_envs, dtype=np.bool_)
        if options is not None and "reset_mask" in options:
            mask = np.array(options["reset_mask"])  # the environment takes it out of options
        observations, infos = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]
        self._begin(mask, observations, infos)
        self._ended[mask] = False
        self._scores = self._scorer.scores.copy()
        return observations, _without_frames(infos)

    def step(self, actions: Any) -> _Step:
        """Step all environments; rewards are (N,) float64."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        ended = terminated | truncated
        stepped = np.ones(self.num_envs, dtype=np.bool_)
        reset = np.zeros(self.num_envs, dtype=np.bool_)
        if self._autoreset is AutoresetMode.NEXT_STEP:
            stepped, reset = ~self._ended, self._ended
        elif self._autoreset is AutoresetMode.SAME_STEP:
            reset = ended

        rewards = np.asarray(rewards, dtype=np.float64)
        # Around another VectorRewardFromSource the environments' own rewards are in infos.
        env_rewards = np.where(stepped, infos.get("env_reward", rewards), 0.0)
        before = self._scorer.scores.copy()
        rows = [int(row) for row in np.flatnonzero(stepped)]
        all_actions = list(iterate(self.env.action_space, actions))
        all_observations = list(iterate(self.env.observation_space, observations))
        self._scores = self._scorer.step(
            rows,
            [all_actions[row] for row in rows],
            [float(env_rewards[row]) for row in rows],
            [all_observations[row] for row in rows],
            [self._picture_after(row, infos, ended=bool(ended[row])) for row in rows],
            [bool(ended[row]) for row in rows],
        )
        mixed_rewards = np.where(stepped, self._mix(rewards, self._scores, before, terminated), 0.0)

        self._begin(reset, observations, infos)
        self._ended = ended
        infos = _without_frames(infos) | {"env_reward": env_rewards, "_env_reward": stepped}
        return observations, mixed_rewards, terminated, truncated, infos

    def _begin(
        self, mask: Bool[np.ndarray, " N"], observations: Any, infos: dict[str, Any]
    ) -> None:
        rows = [int(row) for row in np.flatnonzero(mask)]
        if not rows:
            return
        all_observations = list(iterate(self.env.observation_space, observations))
        reads = self._scorer.reads_reset
        self._scorer.reset(
            rows,
            [all_observations[row] for row in rows],
            [_picture_of(row, infos) if reads else None for row in rows],
        )

    def _picture_after(self, row: int, infos: dict[str, Any], *, ended: bool) -> np.ndarray | None:
        if not self._scorer.reads_picture(row, ended=ended):
            return None
        if ended and self._autoreset is AutoresetMode.SAME_STEP:
            infos = infos.get("final_info", {})
        return _picture_of(row, infos)


def _picture_of(row: int, infos: dict[str, Any]) -> np.ndarray:
    if FRAME_KEY not in infos or not infos[f"_{FRAME_KEY}"][row]:
        raise RenderError(
            f"Environment {row} sent no picture in infos['{FRAME_KEY}'] though the source reads "
            "one at this step. Only one VectorRewardFromSource may read pictures; put others "
            "into the environments as RewardFromSource."
        )
    picture: np.ndarray = infos[FRAME_KEY][row]
    return picture


def _without_frames(infos: dict[str, Any]) -> dict[str, Any]:
    others = {k: v for k, v in infos.items() if k not in (FRAME_KEY, f"_{FRAME_KEY}")}
    if isinstance(others.get("final_info"), dict):
        others["final_info"] = _without_frames(others["final_info"])
    return others


def _capture_frames(env: Any, stride: int, at_reset: bool) -> None:
    """Make sure that every environment in `env` sends the pictures that will be read.

    Raises:
        RenderError: they do not, and only whoever makes `env` can change that.
    """
    if isinstance(env, SyncVectorEnv):
        for i, single in enumerate(env.envs):
            if not _captures(single, stride, at_reset):
                env.envs[i] = CaptureFrames(single, stride=stride, at_reset=at_reset)
        return
    if hasattr(env, "call") and all(env.call("has_wrapper_attr", "capture_stride")):
        strides = env.call("get_wrapper_attr", "capture_stride")
        resets = env.call("get_wrapper_attr", "captures_reset")
        if all(map(_suffices, strides, resets, [stride] * len(strides), [at_reset] * len(resets))):
            return
    raise RenderError(
        f"The source reads a picture every {stride} steps, and the environments of "
        f"{type(env).__name__} do not send them. Make it with: gym.make_vec(id, "
        f"num_envs={env.num_envs}, vectorization_mode='async', render_mode='rgb_array', "
        f"wrappers=[functools.partial(CaptureFrames, stride={stride})])"
    )


def _captures(env: gym.Env[Any, Any], stride: int, at_reset: bool) -> bool:
    if not env.has_wrapper_attr("capture_stride"):
        return False
    capture_stride = env.get_wrapper_attr("capture_stride")
    return _suffices(capture_stride, env.get_wrapper_attr("captures_reset"), stride, at_reset)


def _suffices(capture_stride: int, reset_taken: bool, stride: int, at_reset: bool) -> bool:
    return stride % capture_stride == 0 and (reset_taken or not at_reset)
