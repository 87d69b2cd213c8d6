"""Attention and saliency of a small network on a segment of noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vlfeedback.errors import NeedsError, ShapeError, UnknownNameError
from vlfeedback.models.vlp.attention import SegmentAttention, read_attention
from vlfeedback.models.vlp.network import VLPArchitecture, VLPNetwork
from vlfeedback.models.vlp.weights import VLPWeights, save_vlp
from vlfeedback.rewards.vlp import VLPReward
from vlfeedback.testing.segments import random_segments
from vlfeedback.types import SegmentBatch


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of weights that nobody trained."""
    small = VLPArchitecture(picture_size=112, width=32, n_heads=2, head=(16, 8))
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "vlp.small.safetensors"
    save_vlp(path, VLPNetwork(small), VLPWeights(small, 0.0, 1.0, ("reach",), {}))
    return str(path)


def segment_of(instruction: str, seed: int = 0) -> SegmentBatch:
    rng = np.random.default_rng(seed)
    return random_segments(VLPReward.needs, rng, n=1, instructions=[instruction])


@pytest.fixture(scope="module")
def attention(weights: str) -> SegmentAttention:
    return read_attention(weights, segment_of("close the drawer"))


def test_attention_of_each_word_sums_to_one_over_all_places(attention: SegmentAttention) -> None:
    assert attention.tokens == ("close", "the", "drawer")
    assert attention.attention.shape == (3, 8, 2, 2)
    assert (attention.attention > 0).all()
    np.testing.assert_allclose(attention.attention.sum(axis=(1, 2, 3)), 1.0, rtol=1e-4)
    np.testing.assert_allclose(attention.of_word().sum(), 1.0, rtol=1e-4)


def test_saliency_is_finer_than_attention_and_never_negative(attention: SegmentAttention) -> None:
    assert attention.saliency.shape == (8, 7, 7)
    assert (attention.saliency >= 0).all() and attention.saliency.max() > 0


def test_one_word_is_chosen_by_name(attention: SegmentAttention) -> None:
    np.testing.assert_array_equal(attention.of_word("Drawer"), attention.attention[2])
    with pytest.raises(UnknownNameError, match=r"No word 'door'.*read as close, the, drawer"):
        attention.of_word("door")


def test_attention_depends_on_pictures_and_words_and_on_nothing_else(weights: str) -> None:
    first, again = (read_attention(weights, segment_of("close the drawer")) for _ in range(2))
    np.testing.assert_array_equal(first.attention, again.attention)
    np.testing.assert_array_equal(first.saliency, again.saliency)
    segment = segment_of("close the drawer")
    others = (
        segment_of("close the drawer", seed=1),
        segment_of("open the drawer"),
        replace(segment, first_frames=np.zeros_like(segment.first_frames)),
    )
    for other in (read_attention(weights, segment) for segment in others):
        assert np.abs(other.attention - first.attention).max() > 1e-5


def test_a_segment_without_the_picture_of_the_reset_begins_with_it(weights: str) -> None:
    segment = segment_of("close the drawer")
    assert segment.frames is not None
    begun = replace(segment, first_frames=segment.frames[:, 0])
    cut_out = replace(segment, first_frames=None)
    np.testing.assert_array_equal(
        read_attention(weights, cut_out).attention, read_attention(weights, begun).attention
    )


def test_pictures_are_read_as_the_source_reads_them(weights: str) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (1, 15, 32, 32, 3), dtype=np.uint8)
    segment = SegmentBatch(frames=frames, instructions=["close the drawer"])
    assert read_attention(weights, segment).read.tolist() == [0, 2, 4, 6, 8, 10, 12, 14]


def test_what_cannot_be_read_is_refused(weights: str) -> None:
    segment = segment_of("close the drawer")
    with pytest.raises(ShapeError, match="2 segments"):
        read_attention(weights, segment.take([0, 0]))
    with pytest.raises(NeedsError, match="instructions"):
        read_attention(weights, replace(segment, instructions=None))
    with pytest.raises(UnknownNameError, match="mt46"):
        read_attention("mt46", segment)
