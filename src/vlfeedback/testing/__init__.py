"""Test tools for authors of sources: contracts, an environment, and sources with known answers.

For labellers that ask models there is a server with scripted replies, and a judge behind it whose
errors are known.

The contracts need pytest, which is imported when one of them is asked for.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from vlfeedback.testing.brightness import (
    BrightnessConfig,
    BrightnessEmbedder,
    BrightnessReward,
)
from vlfeedback.testing.chat_server import ChatServer, Reply
from vlfeedback.testing.known_labellers import (
    KnownCascade,
    KnownCascadeConfig,
    KnownLabeller,
    KnownLabellerConfig,
)
from vlfeedback.testing.point_reach import PointReachEnv
from vlfeedback.testing.shade_encoder import ShadeEncoder, ShadeEncoderConfig
from vlfeedback.testing.simulated_judge import SimulatedJudge, picture_of_value

if TYPE_CHECKING:
    from vlfeedback.testing.preference_contract import PreferenceSourceContract
    from vlfeedback.testing.reward_contract import RewardSourceContract

__all__ = [
    "BrightnessConfig",
    "BrightnessEmbedder",
    "BrightnessReward",
    "ChatServer",
    "KnownCascade",
    "KnownCascadeConfig",
    "KnownLabeller",
    "KnownLabellerConfig",
    "PointReachEnv",
    "PreferenceSourceContract",
    "Reply",
    "RewardSourceContract",
    "ShadeEncoder",
    "ShadeEncoderConfig",
    "SimulatedJudge",
    "picture_of_value",
]

_CONTRACTS = {
    "PreferenceSourceContract": "preference_contract",
    "RewardSourceContract": "reward_contract",
}


if not TYPE_CHECKING:  # or a type checker would take any name for one of these

    def __getattr__(name: str) -> Any:
        if name not in _CONTRACTS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if f"{__name__}.source_contract" not in sys.modules:
            import pytest

            modules = ("source_contract", *_CONTRACTS.values())
            # Failures then show values.
            pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in modules))
        return getattr(importlib.import_module(f"{__name__}.{_CONTRACTS[name]}"), name)
