"""Numbers of papers: when to ask, what the reward model is, how the agent learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from vlfeedback.errors import UnknownNameError
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.models.reward.training import RewardTraining
from vlfeedback.online.settings import FeedbackConfig
from vlfeedback.registry import suggest

__all__ = ["PRESETS", "OnlinePreset", "get_online_preset"]

# B-Pref's network and batch for Meta-World. Its temperature begins at 0.1 and learns at 1e-4, which
# stable-baselines3 cannot tell from the other learning rates.
_META_WORLD: Mapping[str, Any] = {
    "learning_rate": 3e-4,
    "batch_size": 512,
    "ent_coef": "auto_0.1",
    "policy_kwargs": {"net_arch": [256, 256, 256]},
}
_CONTROL: Mapping[str, Any] = {
    **_META_WORLD,
    "learning_rate": 5e-4,
    "batch_size": 1024,
    "policy_kwargs": {"net_arch": [1024, 1024]},
}


@dataclass(frozen=True, slots=True)
class OnlinePreset:
    """What a paper trains one kind of task with.

    Attributes:
        paper: and the code that was read.
        n_steps: of the environment.
        config: when to ask, about what.
        reward: networks of the reward model.
        training: of the reward model, of one session.
        algorithm_settings: of SAC.
    """

    paper: str
    n_steps: int
    config: FeedbackConfig
    reward: RewardModelConfig = field(default_factory=RewardModelConfig)
    training: RewardTraining = field(default_factory=RewardTraining)
    algorithm_settings: Mapping[str, Any] = field(default_factory=lambda: dict(_META_WORLD))


def _few_labels(max_labels: int, per_session: int) -> OnlinePreset:
    return OnlinePreset(
        paper="QPA's comparison of six methods; code: zgong11/OnlinePbRL at 20b2006",
        n_steps=1_000_000,
        config=FeedbackConfig(max_labels=max_labels, labels_per_session=per_session),
    )


def _pictures(
    passes: int,
    *,
    learning_rate: float = 3e-4,
    network: str = "cnn",
    size: int = 300,
    n_steps: int = 1_000_000,
    settings: Mapping[str, Any] = _META_WORLD,
    **config: Any,
) -> OnlinePreset:
    """RL-VLM-F: single pictures, drawn uniformly; the agent does not wait for answers."""
    return OnlinePreset(
        paper="RL-VLM-F; code: yufeiwang63/RL-VLM-F at febe2f2, run.sh and train_PEBBLE.py",
        n_steps=n_steps,
        config=FeedbackConfig(
            **{
                "max_labels": 20_000,
                "segment_length": 1,
                "sampler": "uniform",
                "asynchronous": True,
                **config,
            }
        ),
        reward=RewardModelConfig(inputs="frames", network=network, picture_size=size),
        training=RewardTraining(epochs=passes, learning_rate=learning_rate),
        algorithm_settings={"buffer_size": 200_000, **settings},
    )


PRESETS: Mapping[str, OnlinePreset] = MappingProxyType(
    {
        "b-pref": OnlinePreset(
            paper="B-Pref, Meta-World; code: rll-research/BPref at f3ece2e, scripts/",
            n_steps=1_000_000,
            config=FeedbackConfig(max_labels=10_000, labels_per_session=50),
            training=RewardTraining(epochs=10),
        ),
        "rime": OnlinePreset(
            paper="RIME, button-press and sweep-into; code: CJReinforce/RIME_ICML2024 at 4ad03f4",
            n_steps=1_000_000,
            # It begins the critic from what exploration learnt; here it begins anew, as PEBBLE's.
            config=FeedbackConfig(max_labels=20_000, labels_per_session=100),
            training=RewardTraining(epochs=10, target_accuracy=0.98),
        ),
        "rune": OnlinePreset(
            paper="RUNE, door-open; code: rll-research/rune at 8b3c77a, scripts/; with rune=...",
            n_steps=1_000_000,
            config=FeedbackConfig(
                max_labels=2000, labels_per_session=50, steps_between_sessions=10_000
            ),
            training=RewardTraining(epochs=10),
        ),
        "surf": OnlinePreset(
            paper="SURF, hammer; code: alinlab/SURF at 866630a, README",
            n_steps=2_000_000,
            config=FeedbackConfig(max_labels=10_000, labels_per_session=50),
            training=RewardTraining(epochs=20),
        ),
        "few-labels-100": _few_labels(100, 5),  # window-open, button-press
        "few-labels-1000": _few_labels(1000, 10),  # drawer-open
        "few-labels-4000": _few_labels(4000, 20),  # sweep-into
        "rl-vlm-f-drawer-open": _pictures(10, labels_per_session=40, steps_between_sessions=4000),
        "rl-vlm-f-sweep-into": _pictures(10, labels_per_session=40, steps_between_sessions=4000),
        "rl-vlm-f-soccer": _pictures(
            5, learning_rate=1e-4, labels_per_session=40, steps_between_sessions=4000
        ),
        "rl-vlm-f-cart-pole": _pictures(
            50,
            size=200,
            n_steps=500_000,
            settings=_CONTROL,
            max_labels=10_000,
            labels_per_session=50,
            steps_between_sessions=5000,
            exploration_steps=1000,
        ),
        "rl-vlm-f-rope": _pictures(
            30,
            learning_rate=1e-4,
            network="resnet18",
            size=80,
            n_steps=600_000,
            labels_per_session=100,
            steps_between_sessions=5000,
        ),
    }
)
"""Presets by name; read-only. Those of RL-VLM-F belong to the task variants ``rlvlmf-...``, whose
pictures show no arm, to ``cart-pole-balance`` and to ``straighten-rope``, whose show no picker."""


def get_online_preset(name: str) -> OnlinePreset:
    """The preset of this name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in PRESETS:
        raise UnknownNameError(
            f"No preset {name!r}. {suggest(name, PRESETS)}There are: {', '.join(PRESETS)}."
        )
    return PRESETS[name]
