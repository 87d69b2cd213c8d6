import pytest
import torch

from vlfeedback.models.vlp import FrameEncoder, VLPArchitecture, VLPNetwork

SMALL = VLPArchitecture(picture_size=64, width=32, n_heads=2, head=(16, 8), word_dim=6)


@pytest.fixture
def network() -> VLPNetwork:
    torch.manual_seed(0)
    return VLPNetwork(SMALL).eval()


Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # clips, words, mask


def score(
    network: VLPNetwork, clips: torch.Tensor, words: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    return network.score(network.read_video(clips), network.read_text(words, mask), mask)


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    clips = torch.randn(3, 8, 1, 32, generator=generator)
    words = torch.randn(3, 5, 6, generator=generator)
    return clips, words, torch.ones(3, 5, dtype=torch.bool)


def test_a_picture_becomes_a_grid_of_tokens() -> None:
    frames = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    assert FrameEncoder(SMALL)(frames).shape == (2, 1, 32)
    assert FrameEncoder(VLPArchitecture())(frames).shape == (2, 4, 128)


def test_a_picture_twice_as_large_is_box_filtered_first() -> None:
    encoder = FrameEncoder(SMALL).eval()
    small = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    large = small.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    assert torch.allclose(encoder(small), encoder(large), atol=1e-5)


def test_scores_are_one_number_a_clip(network: VLPNetwork, batch: Batch) -> None:
    assert score(network, *batch).shape == (3,)


def test_a_clip_scores_alike_alone_and_in_a_batch(network: VLPNetwork, batch: Batch) -> None:
    clips, words, mask = batch
    alone = score(network, clips[1:2], words[1:2], mask[1:2])
    assert torch.allclose(alone, score(network, *batch)[1:2], atol=1e-5)


def test_a_reversed_clip_scores_differently(network: VLPNetwork, batch: Batch) -> None:
    clips, words, mask = batch
    reverse = score(network, clips.flip(1), words, mask)
    assert not torch.allclose(reverse, score(network, *batch), atol=1e-4)


def test_another_instruction_scores_differently(network: VLPNetwork, batch: Batch) -> None:
    clips, words, mask = batch
    other = score(network, clips, words + 1.0, mask)
    assert not torch.allclose(other, score(network, *batch), atol=1e-4)


def test_padding_words_change_nothing(network: VLPNetwork, batch: Batch) -> None:
    clips, words, mask = batch
    padded = torch.cat([words, torch.full((3, 4, 6), 9.0)], dim=1)
    longer = torch.cat([mask, torch.zeros(3, 4, dtype=torch.bool)], dim=1)
    assert torch.allclose(score(network, clips, padded, longer), score(network, *batch), atol=1e-5)


def test_the_score_is_the_match_plus_twice_the_quality(network: VLPNetwork, batch: Batch) -> None:
    clips, words, mask = batch
    video, text = network.read_video(clips), network.read_text(words, mask)
    expected = network.score_match(video, text, mask) + 2 * network.score_quality(video)
    assert torch.equal(network.score(video, text, mask), expected)
