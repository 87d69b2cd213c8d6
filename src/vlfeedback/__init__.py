"""Rewards and preference labels from vision-language models, for any Gymnasium environment.

Importing registers the ids ``<Source>Reward-<Task>-v0`` and loads no torch and no simulator.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vlfeedback._version import __version__
from vlfeedback.wrappers.ids import register_ids

if TYPE_CHECKING:
    from vlfeedback.data.preferences import PreferenceDataset
    from vlfeedback.data.sampling import sample_segment_pairs
    from vlfeedback.models.reward.fit import fit_reward_model
    from vlfeedback.models.reward.model import RewardModel
    from vlfeedback.models.reward.networks import RewardModelConfig
    from vlfeedback.models.reward.training import RewardTraining
    from vlfeedback.preferences import (
        PreferenceFromReward,
        list_preference_sources,
        make_preference_source,
    )
    from vlfeedback.rewards import list_reward_sources, make_reward_source
    from vlfeedback.rewards.learned import LearnedReward
    from vlfeedback.scoring.cached_embeddings import CachedEmbeddings
    from vlfeedback.scoring.labelling import label_pairs
    from vlfeedback.scoring.relabel import relabel
    from vlfeedback.tasks import TaskSpec, get_task, list_tasks, own_task, register_task
    from vlfeedback.types import (
        LabelRecord,
        Outcome,
        PreferenceLabels,
        PreferenceSource,
        RewardSource,
        Segment,
        SegmentBatch,
        SegmentPairs,
        SourceNeeds,
        Trajectory,
    )
    from vlfeedback.wrappers import CaptureFrames, RewardFromSource, VectorRewardFromSource

__all__ = [
    "CachedEmbeddings",
    "CaptureFrames",
    "LabelRecord",
    "LearnedReward",
    "Outcome",
    "PreferenceDataset",
    "PreferenceFromReward",
    "PreferenceLabels",
    "PreferenceSource",
    "RewardFromSource",
    "RewardModel",
    "RewardModelConfig",
    "RewardSource",
    "RewardTraining",
    "Segment",
    "SegmentBatch",
    "SegmentPairs",
    "SourceNeeds",
    "TaskSpec",
    "Trajectory",
    "VectorRewardFromSource",
    "__version__",
    "fit_reward_model",
    "get_task",
    "label_pairs",
    "list_preference_sources",
    "list_reward_sources",
    "list_tasks",
    "make_preference_source",
    "make_reward_source",
    "own_task",
    "register_task",
    "relabel",
    "sample_segment_pairs",
]

_NAMES = {
    "vlfeedback.scoring.cached_embeddings": ("CachedEmbeddings",),
    "vlfeedback.scoring.labelling": ("label_pairs",),
    "vlfeedback.data.preferences": ("PreferenceDataset",),
    "vlfeedback.scoring.relabel": ("relabel",),
    "vlfeedback.data.sampling": ("sample_segment_pairs",),
    "vlfeedback.models.reward.fit": ("fit_reward_model",),
    "vlfeedback.models.reward.model": ("RewardModel",),
    "vlfeedback.models.reward.networks": ("RewardModelConfig",),
    "vlfeedback.models.reward.training": ("RewardTraining",),
    "vlfeedback.preferences": (
        "PreferenceFromReward",
        "list_preference_sources",
        "make_preference_source",
    ),
    "vlfeedback.rewards": ("list_reward_sources", "make_reward_source"),
    "vlfeedback.rewards.learned": ("LearnedReward",),
    "vlfeedback.tasks": ("TaskSpec", "get_task", "list_tasks", "own_task", "register_task"),
    "vlfeedback.types": (
        "LabelRecord",
        "Outcome",
        "PreferenceLabels",
        "PreferenceSource",
        "RewardSource",
        "Segment",
        "SegmentBatch",
        "SegmentPairs",
        "SourceNeeds",
        "Trajectory",
    ),
    "vlfeedback.wrappers": ("CaptureFrames", "RewardFromSource", "VectorRewardFromSource"),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}


_ROOMS = ("adapters",)  # packages that are reached as attributes, imported when they are


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_ROOMS})


register_ids()
