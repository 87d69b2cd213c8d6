"""What will not do, found out before steps are spent on it."""

from __future__ import annotations

from stable_baselines3.common.vec_env import VecEnv

from vlfeedback.errors import NeedsError
from vlfeedback.online.memory import check_memory
from vlfeedback.online.recording import RecordEpisodes
from vlfeedback.online.settings import FeedbackConfig
from vlfeedback.types import ArrayFrames, Trajectory

__all__ = ["check_environments", "check_episode"]


def check_environments(env: VecEnv) -> None:
    """Refuse environments that do not record, or whose episodes have no end.

    Raises:
        NeedsError: they are such.
    """
    if not all(env.env_is_wrapped(RecordEpisodes)):
        raise NeedsError(
            "The environments do not record their episodes; wrap each: "
            "DummyVecEnv([lambda: RecordEpisodes(env, seed=0)])."
        )
    for spec in env.get_attr("spec"):
        if spec is not None and spec.max_episode_steps is None:
            raise NeedsError(
                f"{spec.id} has no time limit, and pairs are drawn from whole episodes; give it "
                "one: gym.make(..., max_episode_steps=500)."
            )


def check_episode(episode: Trajectory, config: FeedbackConfig, env: VecEnv, *, span: int) -> None:
    """Refuse what the first episode shows will not do.

    Args:
        episode: the first one.
        config: of segments, and of how many episodes are kept.
        env: what it is of.
        span: steps of an episode that a segment takes, with those that SURF keeps around it.

    Raises:
        NeedsError: segments are longer than any episode, or there is no memory for the pictures of
            all episodes that will be kept.
    """
    horizons = [
        spec.max_episode_steps if spec is not None else None for spec in env.get_attr("spec")
    ]
    longest = max(steps or len(episode) for steps in horizons)
    if longest < span > config.segment_length:
        raise NeedsError(
            f"Episodes have at most {longest} steps, and segments of {config.segment_length} with "
            f"those that SURF keeps around them take {span}; pass a shorter "
            "FeedbackConfig(segment_length=...), or a smaller SURFConfig(window=..., "
            "crop_range=...)."
        )
    if longest < config.segment_length:
        raise NeedsError(
            f"Episodes have at most {longest} steps and segments {config.segment_length}; pass "
            f"FeedbackConfig(segment_length=...) of at most {longest}."
        )
    if isinstance(episode.frames, ArrayFrames):
        check_memory(
            config.episodes_kept * episode.frames.pictures.nbytes,
            what=f"The pictures of {config.episodes_kept} episodes, which this run keeps,",
            advice="Keep fewer: FeedbackConfig(episodes_kept=...), or render smaller pictures.",
        )
