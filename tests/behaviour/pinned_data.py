"""The tiny data that pinned cases compute with: synthetic, and the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from vlfeedback import SegmentBatch, SourceNeeds, Trajectory
from vlfeedback.testing import PointReachEnv
from vlfeedback.types import ArrayFrames

__all__ = [
    "ENCODERS",
    "INSTRUCTIONS",
    "EpisodeEnergy",
    "arrays_of",
    "noise_batch",
    "noise_episodes",
    "padded",
    "point_episodes",
    "register_tiny_clips",
    "sparse",
    "write_picture",
]

INSTRUCTIONS = ("close the drawer", "open the window", "press the button")
ENCODERS = Path(__file__).resolve().parents[1] / "encoders"


def noise_episodes(
    n: int = 12, *, picture_size: int = 0, length: int = 20, seed: int = 0
) -> list[Trajectory]:
    """Episodes of noise, of 3 numbers a state and 2 an action; some terminate, others do not."""
    rng = np.random.default_rng(seed)
    episodes = []
    for index in range(n):
        steps = length + index % 3
        side = picture_size or 1
        pictures = rng.integers(0, 256, (steps + 1, side, side, 3), dtype=np.uint8)
        episodes.append(
            Trajectory(
                observations=rng.normal(size=(steps + 1, 3)).astype(np.float32),
                actions=rng.uniform(-1, 1, (steps, 2)).astype(np.float32),
                env_rewards=rng.normal(size=steps).astype(np.float32),
                successes=rng.random(steps) < 0.2,
                terminated=index % 4 == 0,
                truncated=index % 4 != 0,
                frames=ArrayFrames(np.arange(steps + 1), pictures) if picture_size else None,
                task="drawer-close",
                id=f"noise/{index:03d}",
            )
        )
    return episodes


@cache
def point_episodes() -> tuple[Trajectory, ...]:
    """Eight episodes of the dot on a line, with a picture of every state."""
    return tuple(_point_episode(seed) for seed in range(8))


def _point_episode(seed: int) -> Trajectory:
    env = PointReachEnv(steps=12, render_mode="rgb_array", random_start=True)
    rng = np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed)
    observations, pictures = [observation], [env.render()]
    actions: list[np.ndarray] = []
    rewards: list[float] = []
    successes: list[bool] = []
    terminated = False
    while not terminated and len(actions) < 25:
        action = rng.uniform(-0.5, 1, 1).astype(np.float32)
        observation, reward, terminated, _, info = env.step(action)
        observations.append(observation)
        pictures.append(env.render())
        actions.append(action)
        rewards.append(reward)
        successes.append(info["success"])
    frames = np.stack([picture for picture in pictures if picture is not None])
    return Trajectory(
        observations=np.stack(observations),
        actions=np.stack(actions),
        env_rewards=np.array(rewards, np.float32),
        successes=np.array(successes),
        terminated=terminated,
        truncated=not terminated,
        frames=ArrayFrames(np.arange(len(frames)), frames),
        task="point",
        id=f"point/{seed}",
    )


def sparse(trajectories: Sequence[Trajectory], every: int) -> list[Trajectory]:
    """The same episodes with pictures of the reset and of every so many steps alone."""
    thinned = []
    for trajectory in trajectories:
        assert trajectory.frames is not None
        times = np.r_[0, np.arange(1, len(trajectory) + 1, every)]
        thinned.append(
            replace(trajectory, frames=ArrayFrames(times, trajectory.frames.read(times)))
        )
    return thinned


def noise_batch(needs: SourceNeeds, *, n: int = 3, size: int = 64, seed: int = 0) -> SegmentBatch:
    """Segments of noise with all that a source needs."""
    rng = np.random.default_rng(seed)
    steps = max(needs.context, needs.frame_stride + 1, 4)
    taken = np.arange(0, steps, needs.frame_stride)
    pictures = rng.integers(0, 256, (n, len(taken), size, size, 3), dtype=np.uint8)
    starts = rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8)
    return SegmentBatch(
        frames=pictures if needs.frames else None,
        first_frames=starts if needs.first_frame else None,
        observations=rng.normal(size=(n, steps, 39)).astype(np.float32),
        actions=rng.uniform(-1, 1, (n, steps, 4)).astype(np.float32),
        env_rewards=rng.normal(size=(n, steps)).astype(np.float32),
        instructions=[INSTRUCTIONS[i % len(INSTRUCTIONS)] for i in range(n)],
        frame_steps=taken if needs.frames else None,
    )


def padded(batch: SegmentBatch) -> SegmentBatch:
    """The batch with row i two i steps shorter; what is padding stays noise."""
    ends = np.maximum(1, batch.n_steps - 2 * np.arange(len(batch)))
    return replace(batch, mask=np.arange(batch.n_steps) < ends[:, None])


class EpisodeEnergy:
    """A source of whole episodes: how far the pictures' mean moved, plus the sum of actions."""

    needs = SourceNeeds(frames=True, actions=True, granularity="episode", frame_stride=2)

    def rewards(self, batch: SegmentBatch) -> np.ndarray:
        """One number at each segment's last real step."""
        assert batch.frames is not None and batch.actions is not None
        given = np.zeros((len(batch), batch.n_steps), np.float32)
        for row, last in enumerate(batch.last_steps):
            shown = batch.frames[row, batch.picture_steps <= last].mean(axis=(1, 2, 3)) / 255
            given[row, last] = shown[-1] - shown[0] + batch.actions[row, : last + 1].sum()
        return given


def arrays_of(trajectories: Sequence[Trajectory], *, pictures: bool = False) -> list[Any]:
    """All that trajectories hold, as arrays and JSON values."""
    said: list[Any] = []
    for t in trajectories:
        row: dict[str, Any] = {
            name: getattr(t, name)
            for name in ("observations", "actions", "env_rewards", "rewards", "successes")
        }
        row |= {"terminated": t.terminated, "truncated": t.truncated, "task": t.task, "id": t.id}
        if t.frames is not None:
            row["times"] = np.asarray(t.frames.times)
            if pictures:
                row["pictures"] = t.frames.read(t.frames.times)
        said.append(row)
    return said


@cache
def register_tiny_clips() -> None:
    """Tell open_clip of architectures that are small enough for a test."""
    import open_clip

    open_clip.add_model_config(ENCODERS / "tiny_clip")


def write_picture(path: Path, *, seed: int = 3, size: int = 64) -> str:
    """A picture of noise that stands for the goal."""
    from PIL import Image

    shown = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(shown).save(path)
    return str(path)
