"""Policies that are trained for a few steps, and what they are judged by."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tests.behaviour.pinned_data import noise_episodes
from tests.behaviour.pinned_record import case

from vlfeedback import (
    PreferenceDataset,
    Trajectory,
    label_pairs,
    make_preference_source,
    offline,
    sample_segment_pairs,
)
from vlfeedback.testing import PointReachEnv

__all__: list[str] = []

_SETTINGS: dict[str, dict[str, Any]] = {
    "diffusion": {
        "network": "unet",
        "hidden": (8, 16),
        "n_sampling_steps": 2,
        "batch_size": 8,
        "horizon": 8,
        "n_action_steps": 4,
    },
}


@cache
def _episodes() -> tuple[Trajectory, ...]:
    return tuple(replace(t, rewards=t.env_rewards) for t in noise_episodes(12, length=14))


@cache
def _dots() -> tuple[Trajectory, ...]:
    """Episodes of the dot with rewards, none of which terminates."""
    rng = np.random.default_rng(0)
    made = []
    for index in range(8):
        actions = rng.uniform(-1, 1, (10, 1)).astype(np.float32)
        places = np.clip(np.cumsum(np.r_[0.5, actions[:, 0] / 10]), 0, 1)[:, None]
        rewards = (places[1:, 0] - 1).astype(np.float32)
        observed = places.astype(np.float32)
        made.append(
            Trajectory(
                observed,
                actions,
                env_rewards=rewards,
                rewards=rewards,
                truncated=True,
                id=f"{index}",
            )
        )
    return tuple(made)


def _preferences(episodes: tuple[Trajectory, ...], length: int = 8) -> PreferenceDataset:
    pairs = sample_segment_pairs(episodes, 16, length, rng=np.random.default_rng(4))
    return label_pairs(pairs, make_preference_source("teacher.mistake"))


def _trained(learner: str, n_steps: int = 24, **options: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {"preset": "smoke", "eval_every": 12, "seed": 3} | _SETTINGS.get(
        learner, {}
    )
    trained = offline.train_policy(
        learner,
        trajectories=_episodes(),
        preferences=_preferences(_episodes()),
        n_steps=n_steps,
        **(settings | options),
    )
    asked = np.random.default_rng(9).normal(size=(6, 3)).astype(np.float32)
    policy = trained.algo
    if hasattr(policy, "reset"):
        policy.reset(len(asked))
    return {"actions": np.asarray(policy.predict(asked)), "settings": trained.config["settings"]}


@case(exact=True)
def names(folder: Path) -> Any:
    return offline.list_learners()


@case(exact=True)
def presets(folder: Path) -> Any:
    return {
        f"{name}, {learner}, {n_steps}": offline.PRESETS[name].settings(learner, n_steps)
        for name in offline.PRESETS
        for learner in offline.list_learners()
        for n_steps in (1000, 10_000_000)
    }


def _add(learner: str) -> None:
    def trained(folder: Path) -> Any:
        return _trained(learner)

    trained.__name__ = learner.replace("-", "_")
    case()(trained)


for _learner in (
    *("bc", "cpl", "cpl-bc", "cpl-kl", "diffusion", "ipl", "iql", "iql-average", "iql-d3rlpy"),
    *("p-iql", "sft"),
):
    _add(_learner)


@case()
def settings_of_papers(folder: Path) -> Any:
    small = {"hidden": [16, 16]}
    learnt = {
        "vlp cpl": _trained("cpl", 12, preset="vlp", bc_steps=4, **small),
        "cpl cpl": _trained("cpl", 12, preset="cpl", bc_steps=4, **small),
        "plare cpl": _trained("cpl", 12, preset="plare", bc_steps=4, **small),
        "offline-rl-vlm-f iql": _trained("iql", 12, preset="offline-rl-vlm-f", **small),
        "standardised iql": _trained("iql", 12, standardise=True, observation_scaler="standard"),
        "discrete p-iql": _trained("p-iql", 12, reward_model={"inputs": "state", "hidden": (8,)}),
    }
    return learnt


@case()
def curves(folder: Path) -> Any:
    said: dict[str, Any] = {}
    for learner in ("iql", "cpl", "diffusion"):
        evaluator = offline.PolicyEvaluator(
            lambda: PointReachEnv(steps=5, random_start=True), seeds=(0, 1, 2), horizon=8
        )
        trained = offline.train_policy(
            learner,
            trajectories=_dots(),
            preferences=_preferences(_dots()),
            preset="smoke",
            n_steps=20,
            eval_every=8,
            seed=1,
            evaluator=evaluator,
            out=folder / learner,
            **_SETTINGS.get(learner, {}),
        )
        curve = trained.curve
        said[learner] = curve.to_json() | {
            "best": [curve.best(2), curve.best(2, "return")],
            "last": [curve.last(), curve.last("return", 2)],
            "files": sorted(path.name for path in (folder / learner).iterdir()),
            "data": [trained.config["trajectories"], trained.config["preferences"]],
        }
    return said


@case()
def buffers(folder: Path) -> Any:
    transitions = offline.TransitionBuffer(_episodes(), standardise=True, seed=2)
    pairs = offline.PreferenceBuffer(_preferences(_episodes()), length=5, seed=2)
    drawn = transitions.sample_transition_batch(7)
    return {
        "observations": np.asarray(drawn.observations),
        "actions": np.asarray(drawn.actions),
        "rewards": np.asarray(drawn.rewards),
        "terminals": np.asarray(drawn.terminals),
        "transitions": int(transitions.transition_count),
        "pairs": int(pairs.transition_count),
    }
