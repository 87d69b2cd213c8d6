"""Attention and saliency of the bundled network on a clip of noise."""

from dataclasses import replace

import numpy as np
import pytest

from vlfeedback.errors import NeedsError, ShapeError, UnknownNameError
from vlfeedback.models.vlp_attention import ClipAttention, read_attention
from vlfeedback.rewards.vlp import VLPReward
from vlfeedback.testing.segments import random_segments
from vlfeedback.types import SegmentBatch


def clip_of(instruction: str, seed: int = 0) -> SegmentBatch:
    rng = np.random.default_rng(seed)
    return random_segments(VLPReward.needs, rng, n=1, instructions=[instruction])


@pytest.fixture(scope="module")
def attention() -> ClipAttention:
    return read_attention("mt45", clip_of("close the drawer"))


def test_attention_of_each_word_sums_to_one_over_all_places(attention: ClipAttention) -> None:
    assert attention.tokens == ("close", "the", "drawer")
    assert attention.attention.shape == (3, 8, 2, 2)
    assert (attention.attention > 0).all()
    np.testing.assert_allclose(attention.attention.sum(axis=(1, 2, 3)), 1.0, rtol=1e-4)
    np.testing.assert_allclose(attention.of_word().sum(), 1.0, rtol=1e-4)


def test_saliency_is_finer_than_attention_and_never_negative(attention: ClipAttention) -> None:
    assert attention.saliency.shape == (8, 7, 7)
    assert (attention.saliency >= 0).all() and attention.saliency.max() > 0


def test_one_word_is_chosen_by_name(attention: ClipAttention) -> None:
    np.testing.assert_array_equal(attention.of_word("Drawer"), attention.attention[2])
    with pytest.raises(UnknownNameError, match=r"No word 'door'.*read as close, the, drawer"):
        attention.of_word("door")


def test_attention_depends_on_pictures_and_words_and_on_nothing_else() -> None:
    first, again = (read_attention("mt45", clip_of("close the drawer")) for _ in range(2))
    np.testing.assert_array_equal(first.attention, again.attention)
    np.testing.assert_array_equal(first.saliency, again.saliency)
    others = (clip_of("close the drawer", seed=1), clip_of("open the drawer"))
    for other in (read_attention("mt45", clip) for clip in others):
        assert np.abs(other.attention - first.attention).max() > 1e-4


def test_pictures_are_read_as_the_source_reads_them() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (1, 15, 32, 32, 3), dtype=np.uint8)
    clip = SegmentBatch(frames=frames, instructions=["close the drawer"])
    if VLPReward.needs.first_frame:
        clip = replace(clip, first_frames=frames[:, 0])
    assert read_attention("mt45", clip).read.tolist() == [0, 2, 4, 6, 8, 10, 12, 14]


def test_what_cannot_be_read_is_refused() -> None:
    clip = clip_of("close the drawer")
    with pytest.raises(ShapeError, match="2 segments"):
        read_attention("mt45", clip.take([0, 0]))
    with pytest.raises(NeedsError, match="instructions"):
        read_attention("mt45", replace(clip, instructions=None))
    with pytest.raises(UnknownNameError, match="mt46"):
        read_attention("mt46", clip)
