from typing import Any

import numpy as np
import pytest

from vlfeedback.types import (
    EmbeddingSource,
    PreferenceSource,
    RewardSource,
    SegmentBatch,
    SegmentPairs,
    SourceNeeds,
)


def test_a_window_of_fifty_steps_with_stride_seven_reads_eight_pictures() -> None:
    needs = SourceNeeds(frames=True, granularity="window", context=50, frame_stride=7)
    assert needs.context_frames == 8
    assert SourceNeeds(frames=True).context_frames == 1


@pytest.mark.parametrize("changes", [{"context": 0}, {"frame_stride": 0}])
def test_context_and_stride_count_steps(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="both must be at least 1"):
        SourceNeeds(granularity="window", **changes)


def test_a_score_of_one_step_has_no_context() -> None:
    with pytest.raises(ValueError, match="granularity='window'"):
        SourceNeeds(granularity="step", context=2)


def test_the_picture_of_the_reset_is_read_beside_others() -> None:
    with pytest.raises(ValueError, match="frames=False reads none; set frames=True"):
        SourceNeeds(first_frame=True)


def test_sources_are_known_by_their_methods() -> None:
    class Reward:
        needs = SourceNeeds()

        def rewards(self, batch: SegmentBatch) -> None: ...

    class Embedding(Reward):
        def embed(self, frames: np.ndarray) -> None: ...

    class Preference:
        needs = SourceNeeds()

        def label(self, pairs: SegmentPairs) -> None: ...

    assert isinstance(Reward(), RewardSource) and not isinstance(Reward(), EmbeddingSource)
    assert isinstance(Embedding(), EmbeddingSource)
    assert isinstance(Preference(), PreferenceSource)
    assert not isinstance(Preference(), RewardSource)
