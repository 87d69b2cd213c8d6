import numpy as np
import pytest
import torch

from vlfeedback.encoders.words import WordVectors
from vlfeedback.models.vlp.disturbance import Disturbance
from vlfeedback.models.vlp.settings import VLPTraining
from vlfeedback.models.vlp.texts import Texts


def disturb(training: VLPTraining, deviation: float = 1.0, max_words: int = 24) -> Disturbance:
    torch.manual_seed(0)
    return Disturbance(training, deviation, max_words)


def test_words_are_hidden_but_never_all_of_them(texts: Texts) -> None:
    disturbance = disturb(VLPTraining(word_dropout=0.2, word_noise=0.0, colour_share=0.0))
    rows = np.arange(len(texts.mask)).repeat(200)
    words, mask = disturbance.words(texts, rows)
    read = texts.mask.shape[1]
    np.testing.assert_array_equal(words[:, :read], texts.words[rows])
    assert not mask[:, read:].any()
    assert mask.any(dim=1).all()
    assert not (mask[:, :read] & ~torch.from_numpy(texts.mask[rows])).any()
    assert 1 - mask.sum() / texts.mask[rows].sum() == pytest.approx(0.2, abs=0.05)


def test_a_colour_comes_after_a_share_of_the_texts(texts: Texts) -> None:
    training = VLPTraining(word_dropout=0.0, word_noise=0.0, colour_share=0.3)
    rows = np.arange(len(texts.mask)).repeat(200)
    words, mask = disturb(training).words(texts, rows)
    assert mask[:, -1].float().mean().item() == pytest.approx(0.3, abs=0.05)
    red, _ = WordVectors.load().encode(["red"])
    assert (words[:, -1] == torch.from_numpy(red[0, 0])).all(dim=1).any()


def test_a_text_as_long_as_texts_may_be_has_no_room_for_a_colour(texts: Texts) -> None:
    longest = texts.mask.shape[1]
    disturbance = disturb(VLPTraining(colour_share=1.0), max_words=longest)
    words, mask = disturbance.words(texts, np.arange(len(texts.mask)))
    assert words.shape[1] == mask.shape[1] == longest


def test_a_share_of_the_tokens_is_hidden_where_it_is_asked_for() -> None:
    disturbance = disturb(VLPTraining(token_dropout=0.3, token_noise=0.5), deviation=2.0)
    tokens = torch.full((100, 8, 4, 32), 7.0)
    hidden = (disturbance.tokens(tokens, hide=True) == 0.0).all(dim=-1)
    assert hidden.float().mean().item() == pytest.approx(0.3, abs=0.05)
    noisy = disturbance.tokens(tokens)
    assert not (noisy == 0.0).all(dim=-1).any()
    assert noisy.mean().item() == pytest.approx(7.0, abs=0.05)
    assert noisy.std().item() == pytest.approx(0.5 * 2.0, abs=0.05)  # in deviations of tokens


def test_an_object_is_misplaced_alike_in_all_pictures_of_a_segment() -> None:
    positions, first = torch.randn(500, 8, 10), torch.randn(500, 10)
    moved, moved_first = disturb(VLPTraining(place_noise=0.01)).places(positions, first)
    change = moved_first - first
    assert (change[:, :4] == 0.0).all()  # neither hand nor gripper
    torch.testing.assert_close(change[:, 7:], change[:, 4:7], atol=1e-5, rtol=0.0)
    expected = change.unsqueeze(1).expand(-1, 8, -1)
    torch.testing.assert_close(moved - positions, expected, atol=1e-5, rtol=0.0)
    assert 0.005 < change[:, 4:7].std().item() < 0.02
