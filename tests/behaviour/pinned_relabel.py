"""Recorded episodes with the rewards of sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tests.behaviour.pinned_data import (
    EpisodeEnergy,
    noise_episodes,
    point_episodes,
    register_tiny_clips,
    sparse,
)
from tests.behaviour.pinned_record import case

from vlfeedback import CachedEmbeddings, Trajectory, make_reward_source, relabel
from vlfeedback.testing import BrightnessConfig, BrightnessEmbedder, BrightnessReward

__all__: list[str] = []


def _rewards(trajectories: Sequence[Trajectory], source: Any, **options: Any) -> np.ndarray:
    """All rewards in a row."""
    relabelled = list(relabel(trajectories, source, **options))
    for before, after in zip(trajectories, relabelled, strict=True):
        assert after.observations is before.observations and after.env_rewards is before.env_rewards
    return np.concatenate([t.rewards for t in relabelled if t.rewards is not None])


def _window(**more: Any) -> BrightnessConfig:
    return BrightnessConfig(granularity="window", **({"context": 7, "frame_stride": 3} | more))


def _sources() -> dict[str, Any]:
    return {
        "step": BrightnessReward(),
        "step, every fourth": BrightnessEmbedder(BrightnessConfig(frame_stride=4)),
        "window": BrightnessReward(_window()),
        "embedded window": BrightnessEmbedder(_window(context=9, frame_stride=2)),
        "episode": EpisodeEnergy(),
        "random": make_reward_source("random", seed=1),
        "env": make_reward_source("env"),
        "picture-energy": make_reward_source("picture-energy"),
    }


@case()
def complete_pictures(folder: Path) -> Any:
    said: dict[str, Any] = {}
    for name in _sources():
        for batch_size in (3, 1024):
            said[f"{name}, {batch_size}"] = _rewards(
                point_episodes(), _sources()[name], batch_size=batch_size
            )
    return said


@case()
def sparse_pictures(folder: Path) -> Any:
    said: dict[str, Any] = {}
    thinned = sparse(point_episodes(), 3)
    for name, source in (
        ("step", BrightnessReward()),
        ("window", BrightnessReward(_window(context=4))),
        ("embedded window", BrightnessEmbedder(_window(context=4))),
        ("random", make_reward_source("random")),
    ):
        for between in ("hold", "interpolate"):
            for batch_size in (3, 1024):
                key = f"{name}, {between}, {batch_size}"
                said[key] = _rewards(thinned, source, between=between, batch_size=batch_size)
        try:
            said[f"{name}, refuse"] = _rewards(thinned, source, between="refuse")
        except Exception as error:
            said[f"{name}, refuse"] = type(error).__name__
    return said


@case(exact=True)
def resumed(folder: Path) -> Any:
    episodes = point_episodes()
    source = BrightnessReward(_window())
    begun = list(islice(relabel(episodes, source, resume=folder / "kept", batch_size=5), 3))
    rest = BrightnessReward(_window())
    whole = _rewards(episodes, rest, resume=folder / "kept", batch_size=5)
    assert np.array_equal(whole, _rewards(episodes, BrightnessReward(_window())))
    return {"whole": whole, "begun": [t.rewards for t in begun], "asked": sum(rest.batch_sizes)}


@case()
def vlp(folder: Path) -> Any:
    said: dict[str, Any] = {}
    episodes = noise_episodes(2, picture_size=32, length=24)
    source = make_reward_source("vlp")
    for batch_size in (3, 1024):
        said[f"{batch_size}"] = _rewards(
            episodes, source, instruction="close the drawer", batch_size=batch_size
        )
    said["cached"] = _rewards(episodes, CachedEmbeddings(source), instruction="close the drawer")
    for between in ("hold", "interpolate"):
        said[between] = _rewards(
            sparse(episodes, 7), source, instruction="open the window", between=between
        )
    return said


@case()
def clip(folder: Path) -> Any:
    register_tiny_clips()
    episodes = noise_episodes(3, picture_size=24, length=10)
    source = make_reward_source("clip.tiny-quickgelu", random_weights_seed=0, frame_stride=3)
    cached = CachedEmbeddings(source, folder / "kept.sqlite")
    return {
        "plain": _rewards(episodes, source, instruction="open the window"),
        "cached": _rewards(episodes, cached, instruction="open the window"),
        "another": _rewards(episodes, cached, instruction="close the drawer", batch_size=3),
    }


@case(exact=True)
def rewards_that_were_there_are_replaced(folder: Path) -> Any:
    given = [replace(t, rewards=np.ones(len(t), np.float32)) for t in noise_episodes(3)]
    return _rewards(given, make_reward_source("env"))
