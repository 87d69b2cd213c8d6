"""Offline learning of policies, with learners as d3rlpy algorithms, and their evaluation."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vlfeedback.optional import hide_gym_notice, import_d3rlpy

if TYPE_CHECKING:
    from vlfeedback.offline.bc import BC, BCConfig
    from vlfeedback.offline.cpl import CPL, CPLConfig
    from vlfeedback.offline.curve import EvaluationCurve
    from vlfeedback.offline.diffusion_config import DiffusionPolicyConfig
    from vlfeedback.offline.diffusion_policy import DiffusionPolicy
    from vlfeedback.offline.evaluation import PolicyEvaluation, PolicyEvaluator, evaluate_policy
    from vlfeedback.offline.ipl import IPL, IPLConfig
    from vlfeedback.offline.iql import IQL, IQLConfig
    from vlfeedback.offline.learners import (
        LEARNERS,
        Learner,
        LearnerInputs,
        get_learner,
        list_learners,
    )
    from vlfeedback.offline.point_encoder import PointNetEncoderFactory
    from vlfeedback.offline.policy_file import load_policy
    from vlfeedback.offline.preference_buffer import PreferenceBuffer
    from vlfeedback.offline.presets import PRESETS
    from vlfeedback.offline.sft import SFT, SFTConfig
    from vlfeedback.offline.train import train_policy
    from vlfeedback.offline.train_together import PolicyRun, train_policies
    from vlfeedback.offline.trained_policy import TrainedPolicy
    from vlfeedback.offline.training_loop import D3rlpyTraining
    from vlfeedback.offline.transition_buffer import TransitionBuffer

__all__ = [
    "BC",
    "CPL",
    "IPL",
    "IQL",
    "LEARNERS",
    "PRESETS",
    "SFT",
    "BCConfig",
    "CPLConfig",
    "D3rlpyTraining",
    "DiffusionPolicy",
    "DiffusionPolicyConfig",
    "EvaluationCurve",
    "IPLConfig",
    "IQLConfig",
    "Learner",
    "LearnerInputs",
    "PointNetEncoderFactory",
    "PolicyEvaluation",
    "PolicyEvaluator",
    "PolicyRun",
    "PreferenceBuffer",
    "SFTConfig",
    "TrainedPolicy",
    "TransitionBuffer",
    "evaluate_policy",
    "get_learner",
    "list_learners",
    "load_policy",
    "train_policies",
    "train_policy",
]

_NAMES = {
    "bc": ("BC", "BCConfig"),
    "cpl": ("CPL", "CPLConfig"),
    "curve": ("EvaluationCurve",),
    "diffusion_config": ("DiffusionPolicyConfig",),
    "diffusion_policy": ("DiffusionPolicy",),
    "evaluation": ("PolicyEvaluation", "PolicyEvaluator", "evaluate_policy"),
    "ipl": ("IPL", "IPLConfig"),
    "iql": ("IQL", "IQLConfig"),
    "learners": ("LEARNERS", "Learner", "LearnerInputs", "get_learner", "list_learners"),
    "point_encoder": ("PointNetEncoderFactory",),
    "policy_file": ("load_policy",),
    "preference_buffer": ("PreferenceBuffer",),
    "presets": ("PRESETS",),
    "sft": ("SFT", "SFTConfig"),
    "train": ("train_policy",),
    "train_together": ("PolicyRun", "train_policies"),
    "trained_policy": ("TrainedPolicy",),
    "training_loop": ("D3rlpyTraining",),
    "transition_buffer": ("TransitionBuffer",),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}
_ON_D3RLPY = frozenset(
    {"bc", "cpl", "ipl", "iql", "point_encoder", "preference_buffer", "sft", "transition_buffer"}
)

hide_gym_notice()  # whoever imports a module of this package gets d3rlpy with it


if not TYPE_CHECKING:  # or a type checker would take any name for one of these

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = _HOME[name]
        if module in _ON_D3RLPY:
            import_d3rlpy(needed_by=f"vlfeedback.offline.{name}")
        return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
