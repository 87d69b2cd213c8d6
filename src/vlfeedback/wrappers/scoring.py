"""One source run over the windows of one or of many environments, in as few calls as possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import Float64

from vlfeedback.errors import InvalidTypeError, NeedsError, RenderError, ShapeError
from vlfeedback.rewards import make_reward_source
from vlfeedback.scoring.live_window import SourceWindow, batch_windows, is_pictured
from vlfeedback.types import EmbeddingSource, RewardSource

__all__ = ["SourceScorer", "check_instruction", "check_render_mode", "resolve_source"]

_ARRAY_SPACES = (
    gym.spaces.Box,
    gym.spaces.Discrete,
    gym.spaces.MultiBinary,
    gym.spaces.MultiDiscrete,
)


def resolve_source(
    source: str | RewardSource, *, device: str, config: Mapping[str, Any] | None
) -> RewardSource:
    """The source of this id, or the given source itself.

    Raises:
        UnknownNameError: no source has this id.
        TypeError: `source` is neither an id nor a source, or a live source came with a config.
    """
    if isinstance(source, str):
        return make_reward_source(source, device=device, **(config or {}))
    if isinstance(source, type) or not isinstance(source, RewardSource):
        raise InvalidTypeError(
            f"source={source!r} is no reward source; expected an id such as 'vlp', or an object "
            "with `needs` and `rewards`."
        )
    if config:
        raise InvalidTypeError(
            f"source_config={dict(config)!r} came with a live {type(source).__name__}; configure "
            "it when it is made, or pass a source's id."
        )
    return source


def check_instruction(source: RewardSource, instruction: str | None) -> None:
    """Refuse a missing instruction before the first step.

    Raises:
        NeedsError: the source reads an instruction and there is none.
    """
    if source.needs.instruction and not (instruction or "").strip():
        raise NeedsError(
            f"{type(source).__name__} reads an instruction; got instruction={instruction!r}. "
            'Pass instruction="close the drawer", or whatever the task is.'
        )


def check_render_mode(source: RewardSource, render_mode: str | None) -> None:
    """Refuse an environment that gives no pictures to a source that reads them.

    Raises:
        RenderError: the environment was not made with ``render_mode="rgb_array"``.
    """
    if source.needs.frames and render_mode != "rgb_array":
        raise RenderError(
            f"{type(source).__name__} reads pictures and this environment has render_mode="
            f"{render_mode!r}; make it with gym.make(..., render_mode='rgb_array')."
        )


class SourceScorer:
    """The windows of N environments, and the last score of each.

    A score is held until the next picture (`SourceNeeds.frame_stride`). A source that scores
    whole episodes scores their last step; until then the score is 0.

    Args:
        source: what scores.
        instruction: told to the source with every window.
        n_envs: N.
        observation_space: of one environment.
        action_space: of one environment.
        score_reset: also score the window at a reset, which potential-based shaping needs.

    Raises:
        NeedsError: the source reads observations or actions that are no arrays.
    """

    def __init__(
        self,
        source: RewardSource,
        *,
        instruction: str | None,
        n_envs: int,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        score_reset: bool,
    ) -> None:
        needs = source.needs
        for name, read, space in (
            ("observations", needs.observations, observation_space),
            ("actions", needs.actions, action_space),
        ):
            if read and not isinstance(space, _ARRAY_SPACES):
                raise NeedsError(
                    f"{type(source).__name__} reads {name} as arrays and this space is {space}; "
                    "flatten it with gymnasium.wrappers.FlattenObservation or a wrapper of yours."
                )
        self._source = source
        self._embedder = source if needs.frames and isinstance(source, EmbeddingSource) else None
        self._instruction = instruction
        self._score_reset = score_reset
        idle = np.zeros(action_space.shape or (), action_space.dtype or np.float64)
        self._windows = [SourceWindow(needs, idle) for _ in range(n_envs)]
        self.scores = np.zeros(n_envs, dtype=np.float64)

    @property
    def reads_reset(self) -> bool:
        """Whether the picture of a reset is ever read."""
        needs = self._source.needs
        remembered = needs.granularity == "window" and needs.context_frames > 1
        return needs.first_frame or (needs.frames and (self._score_reset or remembered))

    def reads_picture(self, row: int, *, ended: bool) -> bool:
        """Whether the picture after the step that environment `row` just took is read."""
        needs = self._source.needs
        step = self._windows[row].n_steps
        return needs.frames and is_pictured(step, needs.frame_stride, ended=ended)

    def reset(
        self,
        rows: Sequence[int],
        observations: Sequence[Any],
        pictures: Sequence[np.ndarray | None],
    ) -> None:
        """Start an episode in these environments; one element a row.

        Args:
            rows: which environments.
            observations: what each reset returned.
            pictures: (H, W, 3) uint8 after it where `reads_reset`, else None.
        """
        kept = self._keep(pictures)
        for row, observation, picture in zip(rows, observations, kept, strict=True):
            self._windows[row].reset(observation, picture)
            self.scores[row] = 0.0
        if self._score_reset:
            self._score(rows)

    def step(
        self,
        rows: Sequence[int],
        actions: Sequence[Any],
        env_rewards: Sequence[float],
        next_observations: Sequence[Any],
        pictures: Sequence[np.ndarray | None],
        ended: Sequence[bool],
    ) -> Float64[np.ndarray, " N"]:
        """Take one step in these environments; one element a row.

        Args:
            rows: which environments.
            actions: what each did.
            env_rewards: what each environment itself gave.
            next_observations: what each returned.
            pictures: (H, W, 3) uint8 after the step where `reads_picture`, else None.
            ended: whether it ended the episode.

        Returns:
            The last score of every environment, in the source's own unit.

        Raises:
            ShapeError: the source returned something else than (N, T).
        """
        needs = self._source.needs
        due = []
        kept = self._keep(pictures)
        steps = zip(rows, actions, env_rewards, next_observations, kept, ended, strict=True)
        for row, action, env_reward, observation, picture, over in steps:
            window = self._windows[row]
            if over or (
                needs.granularity != "episode"
                and is_pictured(window.n_steps, needs.frame_stride, ended=False)
            ):
                due.append(row)
            window.push(action, env_reward, observation, picture)
        self._score(due)
        return self.scores.copy()

    def _keep(self, pictures: Sequence[np.ndarray | None]) -> list[np.ndarray | None]:
        """Embed each picture, once, if the source can: what the windows then keep."""
        kept = list(pictures)
        taken = [i for i, picture in enumerate(kept) if picture is not None]
        if self._embedder is not None and taken:
            embeddings = self._embedder.embed(np.stack([kept[i] for i in taken]))  # type: ignore[misc]
            for i, embedding in zip(taken, embeddings, strict=True):
                kept[i] = embedding
        return kept

    def _score(self, rows: Sequence[int]) -> None:
        # Windows are equally long, hence one call. Episodes may differ: one call a length.
        for length in sorted({self._windows[row].length for row in rows}):
            group = [row for row in rows if self._windows[row].length == length]
            batch = batch_windows(
                [self._windows[row] for row in group],
                self._instruction,
                embedded=self._embedder is not None,
            )
            rewards = np.asarray(self._source.rewards(batch))
            if rewards.shape != (len(group), length):
                raise ShapeError(
                    f"{type(self._source).__name__}.rewards returned shape {rewards.shape}; "
                    f"expected ({len(group)}, {length}), one number a step."
                )
            self.scores[group] = rewards[:, -1]
