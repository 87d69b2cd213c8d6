"""N environments whose rewards come from one source, asked once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import iterate
from jaxtyping import Bool, Float64, Shaped

from vlfeedback.errors import InvalidValueError
from vlfeedback.types import RewardSource
from vlfeedback.wrappers.answers import as_arrays, checked_rewards
from vlfeedback.wrappers.modes import RewardMix, RewardMode
from vlfeedback.wrappers.scoring import live_scorer, resolve_source
from vlfeedback.wrappers.told_instructions import check_one_instruction, told_instructions
from vlfeedback.wrappers.vector_pictures import VectorPictures, without_frames

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

    After a reset and after every step `infos` has the entries of `RewardFromSource`, (N,) each:
    ``"env_reward"``, ``"env_return"`` and ``"source_score"`` in float64, ``"source_success"`` where
    the source tells, and ``"is_success"`` where the environments say ``"success"``. They are those
    of the step whose reward is returned: at the end of an episode, that episode's.
    ``infos["_env_reward"]`` is False after a reset and in steps that only reset.

    Pictures are taken inside each environment by `CaptureFrames`, which is put into a
    `SyncVectorEnv` where it is missing, and do not appear in `infos`. Any other vector environment
    is asked for all pictures, (N, H, W, 3), by `render` at the steps where one is read. That does
    not show the last picture of an episode where the next begins in the same step: such an
    environment has to send them, as ``ManiSkillVectorEnv(CaptureFrames(env))`` does.

    Tensors are read, such as ManiSkill's. Rewards and both ends are NumPy arrays; observations are
    returned as they come.

    Episodes of different length that end at the same step are scored in one call a length.

    Args:
        env: any vector environment; with ``render_mode="rgb_array"`` if the source reads
            pictures, and then synchronous, or made with `CaptureFrames`.
        source: an id such as ``"vlp"``, or a source.
        instruction: what the source is told the task is; or a list of N, one for each environment.
        instruction_key: where the environments say it, anew in each episode: see
            `RewardFromSource`.
        mode: ``"replace"``, ``"progress"``, ``"add"`` or ``"shape"``; formulas: `RewardMix`.
        scale: reward units per unit of score.
        discount: the learner's, in [0, 1]; read by ``"shape"`` alone.
        device: where a source made from an id computes, such as ``"cuda"``.
        source_config: settings of a source made from an id.

    Raises:
        UnknownNameError: no source has this id.
        NeedsError: the source reads an instruction and none was given.
        RenderError: the source reads pictures and the environments do not give them.
        InvalidTypeError: (from `step`) rewards of the environments are no numbers.
        ValueError: unknown mode, one that the source cannot be used in, another number of
            instructions than environments, or a vector environment that does not say how it
            resets; (from `step`) a reward of the environments is not finite.
    """

    def __init__(
        self,
        env: gym.vector.VectorEnv[Any, Any, Any],
        source: str | RewardSource,
        *,
        instruction: str | Sequence[str] | None = None,
        instruction_key: str | None = None,
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
        check_one_instruction(instruction, instruction_key)
        self._instruction_key = instruction_key
        self._mix = RewardMix(mode, scale, discount)
        self.source = resolve_source(source, device=device, config=source_config)
        self._mix.check(self.source)
        self._scorer = live_scorer(
            self.source,
            instructions=_instruction_of_each(instruction, env.num_envs),
            # Some vector environments leave it to the one that they are made of.
            render_mode=env.render_mode or getattr(env.unwrapped, "render_mode", None),
            observation_space=env.single_observation_space,
            action_space=env.single_action_space,
            score_reset=self._mix.compares_steps,
            told_by_reset=instruction_key is not None,
        )
        if self.source.needs.frames:
            self._pictures = VectorPictures(
                env,
                autoreset,
                stride=self.source.needs.frame_stride,
                at_reset=self._scorer.reads_reset,
            )
        self._ended = np.zeros(env.num_envs, dtype=np.bool_)
        self._scores = self._scorer.scores.copy()
        self._successes = self._seen_successes()
        self._env_returns = np.zeros(env.num_envs)
        self._succeeded = np.zeros(env.num_envs, dtype=np.bool_)

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
        """Start episodes in all environments, or in those of ``options["reset_mask"]``.

        ManiSkill's ``options["env_idx"]``, numbers of environments, is understood as well.
        """
        mask = np.ones(self.num_envs, dtype=np.bool_)
        if options is not None and "reset_mask" in options:
            mask = np.array(as_arrays(options["reset_mask"]))  # the environment takes it out
        elif options is not None and "env_idx" in options:
            mask = np.isin(np.arange(self.num_envs), as_arrays(options["env_idx"]))
        observations, infos = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]
        self._begin(mask, observations, infos)
        self._ended[mask] = False
        self._scores, self._successes = self._scorer.scores.copy(), self._seen_successes()
        infos = self._told(infos, np.zeros(self.num_envs), stepped=np.zeros_like(mask))
        return observations, infos

    def step(self, actions: Any) -> _Step:
        """Step all environments; rewards are (N,) float64."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        terminated, truncated = as_arrays(terminated), as_arrays(truncated)
        ended = terminated | truncated
        stepped = np.ones(self.num_envs, dtype=np.bool_)
        reset = np.zeros(self.num_envs, dtype=np.bool_)
        if self._autoreset is AutoresetMode.NEXT_STEP:
            stepped, reset = ~self._ended, self._ended
        elif self._autoreset is AutoresetMode.SAME_STEP:
            reset = ended

        own_rewards = checked_rewards(rewards, stepped, whose=self.env)
        # Around another VectorRewardFromSource the environments' own rewards are in infos.
        told = _told_of(infos, "env_reward", self._last_of_same_step(ended))
        env_rewards = np.where(stepped, own_rewards if told is None else told, 0.0)
        before = self._scorer.scores.copy()
        rows = [int(row) for row in np.flatnonzero(stepped)]
        all_actions = list(iterate(self.env.action_space, as_arrays(actions)))
        all_observations = self._rows_of(observations)
        pictures = self._pictures_after(rows, ended, infos)
        self._scores = self._scorer.step(
            rows,
            [all_actions[row] for row in rows],
            [float(env_rewards[row]) for row in rows],
            [all_observations[row] for row in rows],
            [pictures.get(row) for row in rows],
            [bool(ended[row]) for row in rows],
        )
        self._successes = self._seen_successes()
        mixed_rewards = self._mix(own_rewards, self._scores, before, terminated)
        mixed_rewards = np.where(stepped, mixed_rewards, 0.0)

        self._begin(reset & ~stepped, observations, infos)
        self._env_returns += env_rewards
        entries = self._told(infos, env_rewards, stepped=stepped, ended=ended)
        self._begin(reset & stepped, observations, infos)
        self._ended = ended
        return observations, mixed_rewards, terminated, truncated, entries

    def _begin(
        self, mask: Bool[np.ndarray, " N"], observations: Any, infos: dict[str, Any]
    ) -> None:
        """Begin an episode where `mask` is True, with what the environments answered to a reset."""
        rows = [int(row) for row in np.flatnonzero(mask)]
        if not rows:
            return
        self._env_returns[mask], self._succeeded[mask] = 0.0, False
        if self._instruction_key is not None:
            texts = told_instructions(observations, infos, self._instruction_key, rows)
            self._scorer.instruct(rows, texts)
        all_observations = self._rows_of(observations)
        reads = self._scorer.reads_reset
        self._scorer.reset(
            rows,
            [all_observations[row] for row in rows],
            self._pictures.after_reset(rows, infos) if reads else [None] * len(rows),
        )

    def _pictures_after(
        self, rows: Sequence[int], ended: Bool[np.ndarray, " N"], infos: dict[str, Any]
    ) -> dict[int, np.ndarray]:
        read = [row for row in rows if self._scorer.reads_picture(row, ended=bool(ended[row]))]
        if not read:
            return {}
        return self._pictures.after_step(read, ended[read].tolist(), infos)

    def _rows_of(self, observations: Any) -> list[Any]:
        # Nobody reads them: they may lie on another device, and are left there.
        if not self.source.needs.observations:
            return [None] * self.num_envs
        return list(iterate(self.env.observation_space, as_arrays(observations)))

    def _seen_successes(self) -> Float64[np.ndarray, " N"] | None:
        successes = self._scorer.successes
        return None if successes is None else successes.copy()

    def _last_of_same_step(
        self, ended: Bool[np.ndarray, " N"] | None
    ) -> Bool[np.ndarray, " N"] | None:
        return ended if self._autoreset is AutoresetMode.SAME_STEP else None

    def _told(
        self,
        infos: dict[str, Any],
        env_rewards: Float64[np.ndarray, " N"],
        stepped: Bool[np.ndarray, " N"],
        ended: Bool[np.ndarray, " N"] | None = None,
    ) -> dict[str, Any]:
        told = without_frames(infos)
        everywhere = np.ones_like(stepped)
        told |= {
            "env_reward": env_rewards,
            "_env_reward": stepped,
            "env_return": self._env_returns.copy(),
            "_env_return": everywhere,
            "source_score": np.where(stepped, self._scores, self._scorer.scores),
            "_source_score": everywhere,
        }
        seen = self._seen_successes()
        if seen is not None and self._successes is not None:
            told |= {
                "source_success": np.where(stepped, self._successes, seen),
                "_source_success": everywhere,
            }
        successes = _told_of(infos, "success", self._last_of_same_step(ended))
        if successes is not None:
            self._succeeded |= successes.astype(np.bool_)
            if "is_success" not in infos:
                told |= {"is_success": self._succeeded.copy(), "_is_success": everywhere}
        return told


def _instruction_of_each(
    instruction: str | Sequence[str] | None, n_envs: int
) -> Sequence[str | None]:
    if instruction is None or isinstance(instruction, str):
        return [instruction] * n_envs
    if len(instruction) != n_envs:
        raise InvalidValueError(
            f"instruction has {len(instruction)} texts and there are {n_envs} environments; give "
            "one for each, or a single text for all."
        )
    return list(instruction)


def _told_of(
    infos: dict[str, Any], key: str, last: Bool[np.ndarray, " N"] | None
) -> Shaped[np.ndarray, " N"] | None:
    """What `infos` say of the step; of an episode's last, where `last`, in ``final_info``."""
    final = None if last is None else infos.get("final_info", {}).get(key)
    values = infos.get(key, final)
    if values is None:
        return None
    if final is None or last is None:
        return np.asarray(as_arrays(values))
    return np.where(last, np.asarray(as_arrays(final)), np.asarray(as_arrays(values)))
