import pytest
import torch

from vlfeedback.models.vlp_clip.cross_modal import CrossModal

Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]  # tokens, first, words, mask


@pytest.fixture
def network() -> CrossModal:
    torch.manual_seed(0)
    return CrossModal(
        n_frames=3,
        places=2,
        width=32,
        n_heads=2,
        layers=2,
        head=(16, 8),
        dropout=0.1,
        word_dim=6,
        max_words=9,
    ).eval()


@pytest.fixture
def inputs() -> Inputs:
    """Four segments of three pictures, four texts of five words."""
    generator = torch.Generator().manual_seed(1)
    shapes = (4, 3, 2, 32), (4, 2, 32), (4, 5, 6)
    tokens, first, words = (torch.randn(*shape, generator=generator) for shape in shapes)
    return tokens, first, words, torch.ones(4, 5, dtype=torch.bool)


def judge(
    network: CrossModal,
    tokens: torch.Tensor,
    first: torch.Tensor,
    words: torch.Tensor,
    mask: torch.Tensor,
) -> torch.Tensor:
    video, text = network.read_video(tokens, first), network.read_text(words, mask)
    judged: torch.Tensor = network(video, text, mask)
    return judged


def test_there_is_one_number_a_picture(network: CrossModal, inputs: Inputs) -> None:
    assert judge(network, *inputs).shape == (4, 3)


def test_a_clip_is_judged_alike_alone_and_in_a_batch(network: CrossModal, inputs: Inputs) -> None:
    alone = judge(network, *(x[1:2] for x in inputs))
    torch.testing.assert_close(alone, judge(network, *inputs)[1:2], atol=1e-5, rtol=1e-4)


def test_padding_words_change_nothing(network: CrossModal, inputs: Inputs) -> None:
    tokens, first, words, mask = inputs
    padded = torch.cat([words, torch.full((4, 4, 6), 9.0)], dim=1)
    longer = torch.cat([mask, torch.zeros(4, 4, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(
        judge(network, tokens, first, padded, longer),
        judge(network, *inputs),
        atol=1e-5,
        rtol=1e-4,
    )


def test_everything_that_is_read_counts(network: CrossModal, inputs: Inputs) -> None:
    tokens, first, words, mask = inputs
    judged = judge(network, *inputs)
    others = {
        "order of pictures": (tokens.flip(1), first, words, mask),
        "places": (tokens.flip(2), first, words, mask),
        "reset": (tokens, first.flip(0), words, mask),
        "words": (tokens, first, words.flip(0), mask),
        "order of words": (tokens, first, words.flip(1), mask),
    }
    for what, other in others.items():
        assert (judge(network, *other) - judged).abs().max() > 1e-4, what


def test_a_clip_and_a_text_are_each_read_without_the_other(
    network: CrossModal, inputs: Inputs
) -> None:
    tokens, first, words, mask = inputs
    assert network.read_video(tokens, first).shape == (4, 3 * 2, 32)
    assert network.read_text(words, mask).shape == (4, 5, 32)
