"""Claim: the bundled model warns in every other world that is installed, and in none of its own.

Its own: fresh episodes of all 50 Meta-World tasks by the training's camera, each shown to a source
of its own, and three render settings of some. Other worlds: every environment of Gymnasium that
draws pictures here, CartPole and a test world of this library, photographs, and Meta-World by
cameras that it was not trained on. A distance is the median over the pictures of an episode, and
`vlfeedback.models.vlp.familiarity.UNFAMILIAR` is where the warning begins.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from measurement import publish
from sklearn.datasets import load_sample_images

from vlfeedback.collecting import collect, complete_settings
from vlfeedback.data.collection import Collection
from vlfeedback.errors import UnfamiliarPicturesWarning
from vlfeedback.models.vlp.familiarity import UNFAMILIAR
from vlfeedback.rewards.vlp import VLPConfig, VLPReward
from vlfeedback.tasks import METAWORLD_TASKS, get_task
from vlfeedback.testing import PointReachEnv
from vlfeedback.types import SegmentBatch

WEIGHTS = ("mt50", "mt45")
LEVELS = ("expert", "medium", "random")
STRIDE, STEPS = 7, 50
RENDERED = ("drawer-close", "pick-place", "button-press", "door-open", "soccer", "stick-pull")
OTHER_CAMERAS = ("corner", "corner2", "corner3", "topview", "behindGripper", "gripperPOV")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, default=Path("outputs/unfamiliar_pictures"))
    parser.add_argument("--episodes", type=int, default=2, help="of each task and level")
    parser.add_argument("--seed", type=int, default=30_000, help="no training used it")
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    tasks = [get_task(name) for name in METAWORLD_TASKS]
    settings = complete_settings(tasks, {"episodes": args.episodes, "seed": args.seed})
    collect(args.clips, tasks, settings=settings, workers=args.workers, levels=LEVELS)
    own = [
        trajectory.frames.read(trajectory.frames.times)
        for task in METAWORLD_TASKS
        for trajectory in Collection.open(args.clips).load(task, LEVELS)
        if trajectory.frames is not None
    ]
    rendered = {
        f"render quality {quality}": [rolled for name in RENDERED for rolled in view(name, quality)]
        for quality in ("encoder", "vlm", "paper")
    }
    worlds = dict(other_worlds())
    figures: dict[str, Any] = {"warning begins above": UNFAMILIAR}
    for weights in WEIGHTS:
        distances = {name: distance(weights, pictures) for name, pictures in worlds.items()}
        figures[weights] = {
            "own episodes": len(own),
            "own episodes that warn": sum(warns(weights, pictures) for pictures in own),
            "largest distance of an own episode": max(distance(weights, p) for p in own),
            "largest distance, by render quality": {
                name: max(distance(weights, pictures) for pictures in episodes)
                for name, episodes in rendered.items()
            },
            "other worlds": len(worlds),
            "other worlds that warn": sum(warns(weights, p) for p in worlds.values()),
            "smallest distance of another world": min(distances.values()),
            "distance of each": distances,
        }
    figures["scores in other worlds, mt50"] = {name: score(p) for name, p in worlds.items()}
    publish(
        "unfamiliar_pictures",
        claim="the bundled model warns in every other world that draws pictures here, and in no "
        "episode of its own",
        seed=args.seed,
        figures=figures,
    )


def other_worlds() -> Iterator[tuple[str, np.ndarray]]:
    """Pictures of one short episode each of what no weights were trained on."""
    newest = {
        (spec.namespace, spec.name): spec.id
        for spec in gym.registry.values()
        if str(spec.entry_point).startswith("gymnasium.envs")
    }
    for id in newest.values():
        try:
            env = gym.make(id, render_mode="rgb_array")
            yield id, roll(env)
        except (gym.error.Error, ImportError, AttributeError, TypeError, ValueError) as error:
            print(f"{id} is left out: {str(error).splitlines()[0]}")
    yield (
        "CartPoleBalance",
        roll(gym.make("vlfeedback_envs:vlfeedback/CartPoleBalance-v0", render_mode="rgb_array")),
    )
    yield "PointReach", roll(PointReachEnv(steps=100, render_mode="rgb_array", size=64))
    for name, photograph in zip(("a temple", "a flower"), load_sample_images().images, strict=True):
        yield (
            f"photograph of {name}",
            np.stack([photograph[k : k + 224, 2 * k : 2 * k + 224] for k in range(0, 160, 20)]),
        )
    for camera in OTHER_CAMERAS:
        yield (
            f"Meta-World by {camera}",
            np.concatenate(
                [rolled for name in RENDERED for rolled in view(name, "encoder", camera)]
            ),
        )


def view(task: str, quality: str, camera: str = "corner4") -> Iterator[np.ndarray]:
    """Pictures of one episode of random actions."""
    env_id = f"vlfeedback_envs:vlfeedback/mw-{task}-v0"
    yield roll(gym.make(env_id, render_mode="rgb_array", camera=camera, quality=quality))


def roll(env: gym.Env[Any, Any]) -> np.ndarray:
    """The picture of the reset and of every 7th of 50 steps of random actions."""
    env.reset(seed=0)
    env.action_space.seed(0)
    pictures = [env.render()]
    for step in range(STEPS):
        *_, terminated, truncated, _ = env.step(env.action_space.sample())
        if step % STRIDE == 0:
            pictures.append(env.render())
        if terminated or truncated:
            env.reset()
    env.close()
    return np.stack([np.asarray(picture, dtype=np.uint8) for picture in pictures])


SOURCES = {name: VLPReward(VLPConfig(name)) for name in WEIGHTS}


def distance(weights: str, pictures: np.ndarray) -> float:
    """Median over the pictures."""
    statistics = SOURCES[weights].weights.pictures
    if statistics is None:
        raise SystemExit(f"The weights {weights} have no picture statistics.")
    return float(np.median(statistics.distances(pictures)))


def warns(weights: str, pictures: np.ndarray) -> bool:
    """Whether a source that reads these pictures first says that it does not know them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        VLPReward(VLPConfig(weights)).embed(pictures)
    return any(issubclass(w.category, UnfamiliarPicturesWarning) for w in caught)


def score(pictures: np.ndarray) -> float:
    """Of the pictures as one window under an instruction that would fit many worlds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnfamiliarPicturesWarning)
        batch = SegmentBatch(frames=pictures[None, :8], instructions=["reach the goal"])
        return float(SOURCES["mt50"].rewards(batch)[0, -1])


if __name__ == "__main__":
    main()
