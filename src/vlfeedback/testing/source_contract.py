"""What the contracts of reward sources and of preference sources have in common."""

# ruff: noqa: D102  (the names of tests are sentences)

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from vlfeedback.testing.segments import random_segments
from vlfeedback.types import SegmentBatch

__all__ = ["ARRAYS", "SourceContract", "random_states"]

ARRAYS = (
    "frames",
    "first_frames",
    "observations",
    "actions",
    "env_rewards",
    "successes",
    "frame_steps",
    "mask",
)
"""Arrays of a batch, which a source leaves as they are."""


class SourceContract:
    """Settings of both contracts: override these in the subclass."""

    picture_size: ClassVar[int] = 64  # pixels
    observation_size: ClassVar[int] = 39
    action_size: ClassVar[int] = 4
    instructions: ClassVar[Sequence[str]] = ("close the drawer", "open the window")
    tolerance: ClassVar[float] = 1e-4  # absolute and relative: batching reorders sums

    @pytest.fixture
    def source(self) -> Any:
        """The source under test."""
        pytest.fail(f"{type(self).__name__} gives no fixture `source`.")

    def segments(self, source: Any, *, n: int = 4, seed: int = 0) -> SegmentBatch:
        """Segments to score; override where noise will not do."""
        return random_segments(
            source.needs,
            np.random.default_rng(seed),
            n=n,
            picture_size=self.picture_size,
            observation_size=self.observation_size,
            action_size=self.action_size,
            instructions=self.instructions,
        )

    def test_its_config_survives_json(self, source: Any) -> None:
        config = source.config
        assert is_dataclass(config)
        assert not isinstance(config, type)
        text = json.dumps(asdict(config))
        rebuilt = type(config)(**json.loads(text))
        assert json.dumps(asdict(rebuilt)) == text


def random_states() -> list[Any]:
    """States of the global random generators."""
    states: list[Any] = [
        part.tolist() if isinstance(part, np.ndarray) else part
        for part in np.random.get_state(legacy=True)
    ]
    if "torch" in sys.modules:
        states.append(sys.modules["torch"].random.get_rng_state().tolist())
    return states
