from dataclasses import replace

import pytest
import torch

from vlfeedback.errors import NeedsError
from vlfeedback.models.vlp_clip.network import VLPClipArchitecture, VLPClipNetwork

SMALL = VLPClipArchitecture(
    picture_width=24, text_width=12, width=32, n_heads=2, head=(16, 8), dropout=0.0
)

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # picture tokens, text tokens, mask


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    clips = torch.randn(3, 8, 4, 24, generator=generator)
    texts = torch.randn(3, 5, 12, generator=generator)
    return clips, texts, torch.ones(3, 5, dtype=torch.bool)


def make(architecture: VLPClipArchitecture = SMALL) -> VLPClipNetwork:
    """Weights of the size that training gives: fresh ones score almost everything the same."""
    torch.manual_seed(0)
    network = VLPClipNetwork(architecture).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return network


@torch.no_grad()
def score(network: VLPClipNetwork, batch: Batch) -> torch.Tensor:
    clips, texts, mask = batch
    return network.score(network.read_video(clips), network.read_text(texts, mask), mask)


def n_parameters(architecture: VLPClipArchitecture) -> int:
    with torch.device("meta"):
        network = VLPClipNetwork(architecture)
    return sum(parameter.numel() for parameter in network.parameters())


def test_scores_are_one_number_a_clip(batch: Batch) -> None:
    assert score(make(), batch).shape == (3,)


def test_the_papers_size_has_44_million_parameters() -> None:
    block = 12 * 768**2  # 4 matrices of attention, 8 of the MLP
    head = 1536 * 512 + 512 + 512 * 256 + 256 + 256
    norms_and_marks = 4 * 2 * 768 + 2 * 3 * 768 + 1536 + 2 * 768 + 8 * 768
    expected = 6 * block + 512 * 768 + head + norms_and_marks
    assert n_parameters(VLPClipArchitecture()) == expected
    assert expected == pytest.approx(43.8e6, rel=1e-3)


def test_a_shared_stack_saves_two_blocks() -> None:
    shared = n_parameters(VLPClipArchitecture(separate_self_attention=False))
    saved = n_parameters(VLPClipArchitecture()) - shared
    assert saved == 2 * (12 * 768**2 + 2 * 768)


def test_a_clip_scores_alike_alone_and_in_a_batch(batch: Batch) -> None:
    alone = score(make(), (batch[0][1:2], batch[1][1:2], batch[2][1:2]))
    assert torch.allclose(alone, score(make(), batch)[1:2], atol=1e-5)


def test_a_reversed_clip_scores_differently_only_with_the_temporal_embedding(
    batch: Batch,
) -> None:
    clips, texts, mask = batch
    reverse = clips.flip(1), texts, mask
    assert not torch.allclose(score(make(), reverse), score(make(), batch), atol=1e-3)
    timeless = make(replace(SMALL, temporal_embedding=False))
    assert torch.allclose(score(timeless, reverse), score(timeless, batch), atol=1e-5)


def test_patches_of_a_picture_may_come_in_any_order_since_clip_marked_their_place(
    batch: Batch,
) -> None:
    clips, texts, mask = batch
    shuffled = clips[:, :, [2, 0, 3, 1]], texts, mask
    assert torch.allclose(score(make(), shuffled), score(make(), batch), atol=1e-5)


def test_another_instruction_scores_differently(batch: Batch) -> None:
    clips, texts, mask = batch
    other = clips, texts.roll(1, dims=0), mask
    assert not torch.allclose(score(make(), other), score(make(), batch), atol=1e-3)


def test_padding_of_a_text_changes_nothing(batch: Batch) -> None:
    clips, texts, mask = batch
    longer = torch.cat([texts, torch.full((3, 4, 12), 9.0)], dim=1)
    padding = torch.cat([mask, torch.zeros(3, 4, dtype=torch.bool)], dim=1)
    expected = score(make(), batch)
    assert torch.allclose(score(make(), (clips, longer, padding)), expected, atol=1e-5)


def test_a_sigmoid_keeps_every_preference_within_27_and_73_percent(batch: Batch) -> None:
    scores = {}
    for sigmoid in (False, True):
        network = make(replace(SMALL, sigmoid=sigmoid))
        with torch.no_grad():
            list(network.head.parameters())[-1].mul_(1e4)  # as sure as can be
        scores[sigmoid] = score(network, batch)
    assert torch.equal(scores[True], scores[False].sigmoid())
    free, capped = ((s[:, None] - s).sigmoid() for s in (scores[False], scores[True]))
    assert free.max() > 0.99
    assert capped.max() <= 0.7311
    assert capped.min() >= 0.2689


def test_more_cross_blocks_and_the_class_token_are_a_matter_of_settings(batch: Batch) -> None:
    clips, texts, mask = batch
    network = make(replace(SMALL, cross_blocks=2, class_token=True))
    with_class = torch.cat([clips[:, :, :1], clips], dim=2)
    assert score(network, (with_class, texts, mask)).shape == (3,)


def test_training_clip_too_is_refused() -> None:
    with pytest.raises(NeedsError, match="frozen_clip=False asks to train CLIP too"):
        VLPClipArchitecture(frozen_clip=False)


def test_heads_must_share_a_token_evenly() -> None:
    with pytest.raises(NeedsError, match=r"width=768 is no multiple of n_heads=5"):
        VLPClipArchitecture(n_heads=5)
