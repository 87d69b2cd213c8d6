"""Rewards that sources give to batches, asked directly."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tests.behaviour.pinned_data import (
    ENCODERS,
    EpisodeEnergy,
    noise_batch,
    padded,
    register_tiny_clips,
    write_picture,
)
from tests.behaviour.pinned_record import case

from vlfeedback import (
    CachedEmbeddings,
    RewardSource,
    get_task,
    list_reward_sources,
    list_tasks,
    make_reward_source,
)
from vlfeedback.testing import BrightnessConfig, BrightnessEmbedder, BrightnessReward
from vlfeedback.types import EmbeddingSource

__all__: list[str] = []


@cache
def _source(name: str, **settings: Any) -> RewardSource:
    register_tiny_clips()
    return make_reward_source(name, **settings)


def _asked(source: RewardSource, *, size: int = 64, n: int = 3) -> dict[str, Any]:
    """Rewards of noise, with and without padding, and embeddings where there are some."""
    batch = noise_batch(source.needs, n=n, size=size)
    said: dict[str, Any] = {
        "rewards": source.rewards(batch),
        "padded": source.rewards(padded(batch)),
        "first row": source.rewards(batch.take([0])),
    }
    if isinstance(source, EmbeddingSource) and batch.frames is not None:
        said["embeddings"] = source.embed(batch.frames[:, 0])
        cached = CachedEmbeddings(source)
        said["cached"] = cached.rewards(batch)
        said["cached again"] = cached.rewards(batch)
    return said


def _needs(source: RewardSource) -> dict[str, Any]:
    needs = source.needs
    names = ("frames", "first_frame", "observations", "actions", "instruction", "env_rewards")
    said = {name: getattr(needs, name) for name in names}
    more = ("granularity", "context", "frame_stride", "context_frames")
    return said | {name: getattr(needs, name) for name in more}


@case(exact=True)
def names(folder: Path) -> Any:
    return list_reward_sources()


@case(exact=True)
def tasks(folder: Path) -> Any:
    told = {name: get_task(name) for name in list_tasks()}
    return {n: [t.instruction, t.camera, t.success_key, t.gym_name] for n, t in told.items()}


@case(exact=True)
def random(folder: Path) -> Any:
    return [_asked(make_reward_source("random", seed=seed)) for seed in (0, 3)]


@case(exact=True)
def env(folder: Path) -> Any:
    return _asked(make_reward_source("env"))


@case()
def picture_energy(folder: Path) -> Any:
    return [_asked(make_reward_source("picture-energy"), size=size) for size in (20, 64)]


@case(exact=True)
def brightness(folder: Path) -> Any:
    configs = (
        BrightnessConfig(),
        BrightnessConfig(granularity="window", context=9, frame_stride=4),
        BrightnessConfig(granularity="episode", frame_stride=3),
    )
    return [[_asked(kind(c)) for c in configs] for kind in (BrightnessReward, BrightnessEmbedder)]


@case(exact=True)
def own_episode_source(folder: Path) -> Any:
    return EpisodeEnergy().rewards(padded(noise_batch(EpisodeEnergy.needs, n=2, size=8)))


@case()
def vlp(folder: Path) -> Any:
    return _asked(_source("vlp"), size=112)


@case()
def vlp_mt45(folder: Path) -> Any:
    return _asked(_source("vlp.mt45"), size=80)


@case()
def clip(folder: Path) -> Any:
    held = _source("clip", architecture="tiny-quickgelu", random_weights_seed=0, frame_stride=3)
    return [_asked(_source("clip", architecture="tiny", random_weights_seed=1)), _asked(held)]


@case()
def vlm_rm(folder: Path) -> Any:
    tiny: dict[str, Any] = {"architecture": "tiny-quickgelu", "random_weights_seed": 0}
    return [
        _asked(_source("vlm_rm", alpha=alpha, baseline="a drawer", preprocess=way, **tiny))
        for alpha, way in ((0.0, "vlmrm"), (0.5, "openclip"), (1.0, "vlmrm"))
    ]


@case()
def siglip2(folder: Path) -> Any:
    tiny: dict[str, Any] = {"architecture": "tiny-siglip2", "random_weights_seed": 0}
    tokenizer = str(ENCODERS / "tiny_tokenizer")
    return [
        _asked(_source("siglip2", tokenizer=tokenizer, calibrated=c, **tiny)) for c in (False, True)
    ]


@case()
def liv(folder: Path) -> Any:
    tiny: dict[str, Any] = {"architecture": "tiny-resnet-quickgelu", "random_weights_seed": 0}
    register_tiny_clips()
    goal = write_picture(folder / "goal.png")
    return [
        _asked(make_reward_source("liv", **tiny, **more))
        for more in ({}, {"metric": "l2", "goal": goal}, {"preprocess": "clip"})
    ]


@case()
def dino_goal(folder: Path) -> Any:
    tiny: dict[str, Any] = {"random_weights_seed": 0, "image_size": 32}
    goal = write_picture(folder / "goal.png")
    return [
        _asked(make_reward_source("dino-goal.test_vit", goal=goal, features=features, **tiny))
        for features in ("class", "patches")
    ]


@case(slow=True)
def r3m_goal(folder: Path) -> Any:
    goals = [write_picture(folder / f"{i}.png", seed=i) for i in range(2)]
    return _asked(make_reward_source("r3m-goal.18", goal=goals, random_weights_seed=0), n=2)


@case(slow=True)
def r3m(folder: Path) -> Any:
    return [
        _asked(make_reward_source("r3m", size=18, random_weights_seed=0, first_frame=which), n=2)
        for which in ("episode", "segment")
    ]


@case(slow=True)
def vip(folder: Path) -> Any:
    goal = write_picture(folder / "goal.png")
    return [
        _asked(make_reward_source(f"vip-{kind}", goal=goal, random_weights_seed=0), n=2)
        for kind in ("distance", "potential")
    ]


@case()
def roboclip(folder: Path) -> Any:
    return _asked(make_reward_source("roboclip", random_weights_seed=0, n_frames=4), n=2)


@case(exact=True)
def what_sources_need(folder: Path) -> Any:
    made = {
        "vlp": _source("vlp"),
        "random": _source("random"),
        "env": _source("env"),
        "picture-energy": _source("picture-energy"),
        "clip": _source("clip", architecture="tiny", random_weights_seed=1),
    }
    return {name: _needs(source) for name, source in made.items()}


@case()
def cached_embeddings_in_a_file(folder: Path) -> Any:
    source = _source("clip", architecture="tiny", random_weights_seed=1)
    batch = noise_batch(source.needs)
    path = folder / "kept.sqlite"
    first = CachedEmbeddings(source, path).rewards(batch)
    again = CachedEmbeddings(source, path).rewards(batch.take([2, 0]))
    counted = BrightnessEmbedder()
    dark = noise_batch(counted.needs, size=8)
    wrapped = CachedEmbeddings(counted, folder / "dark.sqlite")
    given = [wrapped.rewards(dark), wrapped.rewards(dark)]
    assert np.array_equal(given[0], given[1])
    return {"first": first, "again": again, "given": given, "embedded": counted.embedded}
