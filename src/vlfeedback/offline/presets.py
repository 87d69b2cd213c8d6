"""The numbers each paper prints for its learners, by name.

Where a paper says nothing of a setting, the default of the learner's config holds; a learner a
paper does not run has that config's defaults throughout. Numbers of gradient steps are those of
the paper's whole training, and become fewer in proportion where one trains for less. The papers
hold no pairs out, so their presets of P-IQL train on all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from vlfeedback.errors import UnknownNameError
from vlfeedback.registry import suggest

__all__ = ["PRESETS", "Preset", "get_preset"]

Settings = Mapping[str, Any]

_STEPS = ("bc_steps", "warmup_steps")  # what shrinks with the training

# Learners that are another one with some settings changed; None leaves one out.
_VARIANTS: Mapping[str, tuple[str, Settings]] = {
    "cpl-kl": (  # CPL's code
        "cpl",
        {"reference": True, "alpha": 0.2, "bias": 0.75, "rate_after_bc": 0.1},
    ),
    "cpl-bc": ("cpl", {"bias": 1.0, "bc_coeff": 1.0}),  # CPL's code, state observations
    "iql-average": ("iql", {}),
    "iql-d3rlpy": ("iql", {"deterministic": False, "step_order": None}),  # it has no others
}


@dataclass(frozen=True, slots=True)
class Preset:
    """A paper's protocol, and its settings for each learner."""

    paper: str
    n_steps: int  # gradient steps
    segment_length: int  # steps; 1 where pictures are compared
    n_pairs: int  # labels
    eval_every: int = 5000  # gradient steps
    n_episodes: int = 25  # of an evaluation
    learners: Mapping[str, Settings] = field(default_factory=dict)

    def settings(
        self, learner: str, n_steps: int, overrides: Settings = MappingProxyType({})
    ) -> dict[str, Any]:
        """Settings of a learner that is trained for `n_steps`.

        Args:
            learner: a name of `list_learners`.
            n_steps: gradient steps of the training.
            overrides: settings in place of the preset's. Of one that holds several by name, such
                as ``reward_training``, those that are left out stay the preset's.

        >>> PRESETS["vlp"].settings("cpl", 50_000)["bc_steps"]
        5000
        """
        of, variant = _VARIANTS.get(learner, (learner, {}))
        values = {**self.learners.get(of, {}), **variant}
        values = {name: value for name, value in values.items() if value is not None}
        share = n_steps / self.n_steps
        scaled = {key: round(values[key] * min(1.0, share)) for key in _STEPS if key in values}
        if "cosine_steps" in values:  # always over the whole training
            scaled["cosine_steps"] = round(values["cosine_steps"] * share)
        values |= scaled
        for name, value in overrides.items():
            is_nested = isinstance(value, Mapping) and isinstance(values.get(name), Mapping)
            values[name] = {**values[name], **value} if is_nested else value
        return values


# IQL as CPL's code has it for P-IQL: deterministic, V first (piql.py of jhejna/cpl).
_CPL_IQL = {
    "deterministic": True,
    "expectile": 0.7,
    "weight_temp": 3.0,
    "tau": 0.005,
    "step_order": "cpl",
    "terminals": False,  # CPL's code
}

_VLP_IQL: Settings = _CPL_IQL | {
    "hidden": [256, 256],  # table 8
    "batch_size": 64,  # table 8; transitions here, in CPL's code it counts pairs of segments
    "gamma": 0.99,  # table 8
    "actor_learning_rate": 3e-4,  # table 8
    "critic_learning_rate": 3e-4,  # table 8
    "dropout": 0.25,  # table 8; in the policy, as in CPL's code
    "weight_temp": 3.0,  # 1 / temperature 0.3333, table 8
    "expectile": 0.7,  # table 8
    "tau": 0.005,  # table 8
    "cosine_steps": 100_000,  # CPL's code
}
_VLP_SHARED: Settings = {"hidden": [256, 256], "batch_size": 64, "dropout": 0.25}  # table 8
_VLP_CPL: Settings = {
    **_VLP_SHARED,
    "learning_rate": 1e-4,  # table 8
    "alpha": 0.1,  # "temperature", table 9
    "bias": 0.5,  # table 9
    "bc_coeff": 0.0,  # table 9
    "bc_steps": 10_000,  # table 9
    "warmup_steps": 10_000,  # CPL's code
}
_VLP = Preset(
    paper="VLP, section 5.1 and tables 8 to 10",
    n_steps=100_000,
    segment_length=50,
    n_pairs=100,
    learners={
        "iql": _VLP_IQL,
        "p-iql": {
            **_VLP_IQL,
            # "Reward learning steps 30", table 10: read as passes over the pairs (our choice).
            "reward_training": {
                "epochs": 30,
                "batch_size": 8,
                "target_accuracy": 1.0,
                "validation": 0.0,
            },
            # One network without bounds, and its rewards as they are, as in CPL's code.
            "reward_model": {"n_members": 1, "hidden": (256, 256), "output": "linear"},
            "reward_scale": "raw",
        },
        "cpl": _VLP_CPL,
        "sft": {**_VLP_SHARED, "learning_rate": 1e-4, "bc_steps": 10_000},
        # Deterministic, with table 8's dropout for all. IPL's own policies are Gaussian without
        # dropout: preset "ipl".
        "ipl": {
            **_VLP_SHARED,
            "learning_rate": 3e-4,  # table 8
            "regularisation": 0.5,  # table 10
            "expectile": 0.7,  # table 8
            "temperature": 1 / 3,  # table 8
            "tau": 0.005,  # table 8
        },
        "bc": {"hidden": [256, 256], "batch_size": 64, "dropout": 0.25},  # as its other learners
    },
)

_CPL_SHARED: Settings = {
    "hidden": [512, 512],  # CPL's code, state
    "dropout": 0.25,  # CPL's code, state
    "batch_size": 96,  # pairs; CPL's code, state
    "learning_rate": 1e-4,  # CPL's code
    "bc_steps": 200_000,  # CPL's code, state
}
_CPL_CPL: Settings = {
    **_CPL_SHARED,
    "alpha": 0.1,  # CPL's code
    "bias": 0.5,  # CPL's code
    "bc_coeff": 0.0,  # CPL's code
    "warmup_steps": 10_000,  # CPL's code
}
_CPL_PIQL: Settings = _CPL_IQL | {
    "hidden": [512, 512],  # CPL's code, state
    "batch_size": 256,  # our choice: 96 pairs there, 12,096 transitions (64 steps have 63)
    "actor_learning_rate": 3e-4,  # CPL's code, state
    "critic_learning_rate": 3e-4,  # CPL's code, state
    "dropout": 0.25,  # CPL's code, state
    "cosine_steps": 500_000,  # CPL's code
}
_CPL_REWARD: Settings = {
    # 50,000 steps of 96 of 10,000 pairs there are 480 passes; here it is fitted first (our
    # choice).
    "reward_training": {
        "epochs": 480,
        "batch_size": 96,
        "target_accuracy": 1.0,
        "validation": 0.0,
    },
    "reward_model": {"n_members": 1, "hidden": (512, 512), "output": "linear"},
    "reward_scale": "raw",  # CPL's code
}

_CPL = Preset(
    paper="CPL, state observations; code: jhejna/cpl at b333667",
    n_steps=500_000,
    segment_length=64,
    n_pairs=10_000,  # "sparse"
    learners={
        "cpl": _CPL_CPL,
        "sft": _CPL_SHARED,
        "iql": _CPL_PIQL,
        "p-iql": {**_CPL_PIQL, **_CPL_REWARD},
        "bc": {"hidden": [512, 512], "dropout": 0.25, "learning_rate": 1e-4},
    },
)

_PLARE = Preset(
    paper="PLARE; code: tunglm2203/plare at 8be59b6",
    n_steps=500_000,
    segment_length=64,
    n_pairs=10_000,
    learners={
        # Dropout 0.25 is that of sweep-into and door-open; drawer-open and plate-slide have 0.4.
        # Its mean counts ignored ties too; `mean_over_all=True` does so (ours does not).
        "cpl": {**_CPL_CPL, "ignore_ties": True},
        "p-iql": {**_CPL_PIQL, **_CPL_REWARD},
    },
)

# Configs of IPL's code for Meta-World: policies are Gaussian, without dropout. IQL there clamps a
# logarithm of the deviation that begins at 0; ours squashes one that begins at -1.5, as d3rlpy's.
_IPL_SHARED: Settings = {"hidden": [256, 256, 256], "expectile": 0.75, "tau": 0.005, "gamma": 0.99}
_IPL_IQL: Settings = {
    **_IPL_SHARED,
    "batch_size": 256,  # our choice: 16 pairs there, 480 transitions (16 steps have 15)
    "actor_learning_rate": 3e-4,
    "critic_learning_rate": 3e-4,
    "weight_temp": 3.0,
    "deterministic": False,
    "step_order": "cpl",
    "cosine_steps": 200_000,
}
_IPL = Preset(
    paper="IPL, Meta-World; code: jhejna/inverse-preference-learning at 8037b84",
    n_steps=200_000,
    segment_length=25,
    n_pairs=500,  # to 4,000
    eval_every=2500,
    n_episodes=20,
    learners={
        "ipl": {
            **_IPL_SHARED,
            "batch_size": 16,  # pairs
            "length": 16,  # steps, of the segments' 25
            "learning_rate": 3e-4,
            "dropout": 0.0,
            "gaussian": True,
            "regularisation": 3.0,
            "temperature": 1 / 3,
            "clip_next_values": False,
        },
        "iql": _IPL_IQL,
        "p-iql": {  # "MR-IQL" there
            **_IPL_IQL,
            # 20,000 steps of 16 of 500 pairs there are 640 passes; here it is fitted first, on
            # whole segments (our choice).
            "reward_training": {
                "epochs": 640,
                "batch_size": 16,
                "target_accuracy": 1.0,
                "validation": 0.0,
            },
            "reward_model": {"n_members": 1, "hidden": (256, 256, 256), "output": "linear"},
            "reward_scale": "raw",
        },
    },
)

_D4RL_IQL: Settings = {
    "hidden": [256, 256],
    "batch_size": 256,
    "actor_learning_rate": 3e-4,
    "critic_learning_rate": 3e-4,
    "expectile": 0.7,
    "weight_temp": 3.0,
    "tau": 0.005,
    "gamma": 0.99,
    "cosine_steps": 1_000_000,
}

_OFFLINE_RL_VLM_F = Preset(
    paper='Offline RL-VLM-F, which names "the D4RL defaults" of IQL (Kostrikov et al. 2022)',
    n_steps=1_000_000,
    segment_length=1,
    n_pairs=4000,  # of its dressing study; in simulation not stated
    n_episodes=25,  # not stated; our choice
    learners={
        "iql": _D4RL_IQL,
        "p-iql": {
            **_D4RL_IQL,
            # There a ResNet of pictures: reward_model={"inputs": "frames", "network": "resnet18"}.
            # A network of states is our choice, for a CPU.
            "reward_model": {"inputs": "state"},
            "reward_training": {"validation": 0.0},  # "until it converges on the entire set"
            "reward_scale": "raw",  # RL-VLM-F's code
        },
        "bc": {"hidden": [256, 256], "learning_rate": 3e-4},  # "MLP"; else our choice, as its IQL
    },
)

_SMOKE = Preset(
    paper="none: every part in seconds",
    n_steps=1000,
    segment_length=10,
    n_pairs=50,
    eval_every=500,
    n_episodes=3,
    learners={
        "iql": {"hidden": [32, 32], "batch_size": 32},
        "p-iql": {
            "hidden": [32, 32],
            "batch_size": 32,
            "reward_training": {"epochs": 20},
            "reward_model": {"n_members": 1, "hidden": (32,)},
        },
        "cpl": {"hidden": [32, 32], "batch_size": 8, "bc_steps": 200, "warmup_steps": 100},
        "sft": {"hidden": [32, 32], "batch_size": 8, "bc_steps": 200},
        "ipl": {"hidden": [32, 32], "batch_size": 8},
        "bc": {"hidden": [32, 32], "batch_size": 32},
    },
)

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "vlp": _VLP,
        "cpl": _CPL,
        "ipl": _IPL,
        "offline-rl-vlm-f": _OFFLINE_RL_VLM_F,
        "plare": _PLARE,
        "smoke": _SMOKE,
    }
)
"""All presets by name; read-only."""


def get_preset(name: str) -> Preset:
    """The preset of this name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in PRESETS:
        raise UnknownNameError(
            f"No preset {name!r}. {suggest(name, PRESETS)}There are: {', '.join(PRESETS)}."
        )
    return PRESETS[name]
