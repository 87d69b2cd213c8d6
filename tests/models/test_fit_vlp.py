import math

import numpy as np
import pytest
import torch

from vlfeedback.models import fit_vlp
from vlfeedback.models.fit_vlp import VLPTraining
from vlfeedback.models.vlp import VLPArchitecture, VLPNetwork
from vlfeedback.models.vlp_data import ClipSet, Texts

SMALL = VLPArchitecture(picture_size=64, width=32, n_heads=2, head=(16, 8), dropout=0.0)
TASKS = ["drawer-open", "door-open", "reach"]


def silent(stage: str, step: int, steps: int, loss: float) -> None:
    """Nobody watches."""


def fix_scores(network: VLPNetwork, match: float, quality: float) -> None:
    for head, value in ((network.head, match), (network.quality, quality)):
        last = head[-1]
        assert isinstance(last, torch.nn.Linear)
        torch.nn.init.zeros_(last.weight)
        torch.nn.init.constant_(last.bias, value)


@pytest.fixture(scope="module")
def clips() -> ClipSet:
    """Pictures as bright as they are good; each task has a colour of its own."""
    rng = np.random.default_rng(0)
    quality = np.repeat(rng.permutation(12)[:, None] / 11, 6, axis=1).astype(np.float32)
    task = np.repeat(np.arange(3), 4)
    pictures = np.zeros((12, 6, 64, 64, 3), np.uint8)
    for clip in range(12):
        pictures[clip, ..., task[clip]] = (255 * quality[clip])[:, None, None]
    states = np.repeat(quality[..., None], 18, axis=-1)
    return ClipSet(task, pictures, states, quality, np.tile([0, 1, 2, 2], 3))


@pytest.fixture(scope="module")
def texts() -> Texts:
    return Texts(TASKS, max_words=SMALL.max_words)


def test_windows_before_the_episode_show_the_reset_picture(clips: ClipSet) -> None:
    np.testing.assert_array_equal(clips.window(np.array([2, 5]), 4), [[0, 0, 1, 2], [2, 3, 4, 5]])


def test_each_phrase_drawn_belongs_to_its_task(texts: Texts) -> None:
    from vlfeedback.data.instructions import instruction_corpus

    sizes = [len(instruction_corpus(task)) for task in TASKS]
    rows = texts.draw(np.array([1] * 200), np.random.default_rng(0))
    assert rows.min() >= sizes[0]
    assert rows.max() < sizes[0] + sizes[1]
    assert len(set(rows.tolist())) > 10


def test_the_loss_of_a_constant_scorer_is_log_two_a_comparison() -> None:
    network = VLPNetwork(SMALL).eval()
    fix_scores(network, 0.7, -0.2)
    loss = fit_vlp._preference_loss(
        network,
        torch.randn(6, 8, 32),
        torch.randn(6, 5, 32),
        torch.ones(6, 5, dtype=torch.bool),
        torch.tensor([0.0, 1.0, 0.5]),
        VLPTraining(ilp_weight=0.1, ivp_weight=0.5),
    )
    comparisons = 1 + 0.1 * 1 + 0.5 * 2 + 1  # ITP, ILP, IVP of the score, ITP of its quality
    assert loss.item() == pytest.approx(comparisons * math.log(2), rel=1e-4)


def test_pairs_by_level_prefer_the_better_level_and_others_the_better_rank(
    clips: ClipSet,
) -> None:
    tokens = torch.zeros(12, 6, 1, 32)
    sampler = fit_vlp._Sampler(clips, tokens, 8, np.random.default_rng(0))
    by_level = [sampler.draw(3, VLPTraining(level_share=1.0)).label for _ in range(20)]
    assert set(torch.cat(by_level).tolist()) == {0.0, 1.0}
    by_rank = [sampler.draw(3, VLPTraining(level_share=0.0)).label for _ in range(20)]
    gaps = np.arange(-11, 12) / 11  # of the ranks of twelve clips
    possible = 1 / (1 + np.exp(-gaps / 0.05))
    for label in torch.cat(by_rank).tolist():
        assert np.isclose(possible, label, rtol=1e-3).any()


def test_reversed_clips_keep_the_order_of_levels_and_other_pairs_do_not_count(
    clips: ClipSet,
) -> None:
    torch.manual_seed(0)
    network = VLPNetwork(SMALL).eval()
    sampler = fit_vlp._Sampler(clips, torch.randn(12, 6, 1, 32), 8, np.random.default_rng(0))
    batch = sampler.draw(3, VLPTraining(level_share=1.0))
    video = network.read_video(batch.clips)
    first, second = network.score_quality(video).chunk(2)
    back_first, back_second = network.score_quality(network.read_video(batch.clips.flip(1))).chunk(
        2
    )
    sign = 1 - 2 * batch.label  # 1 where the first is better, -1 where the second is
    expected = sum(
        torch.nn.functional.softplus(-sign * (a - b)).mean().item()
        for a, b in ((back_first, back_second), (back_first, second), (first, back_second))
    )
    loss = fit_vlp._reversal_loss(network, batch.clips, video, batch)
    assert loss.item() == pytest.approx(expected / 3, rel=1e-4)
    by_rank = sampler.draw(3, VLPTraining(level_share=0.0))
    assert fit_vlp._reversal_loss(network, by_rank.clips, video, by_rank).item() == 0.0


def test_hidden_tokens_are_a_random_share_and_the_rest_is_untouched() -> None:
    video = torch.arange(10.0).reshape(1, 10, 1)
    kept = fit_vlp._hide_tokens(video, 0.3)
    assert kept.shape == (1, 7, 1)
    assert len(set(kept.flatten().tolist())) == 7


def test_words_are_hidden_but_never_all_of_them(texts: Texts) -> None:
    rows = np.arange(len(texts.mask))
    _, mask = fit_vlp._disturb_words(texts, rows, VLPTraining(word_dropout=0.5))
    assert mask.any(dim=1).all()
    assert 0.2 < 1 - mask.sum() / texts.mask.sum() < 0.7


def train(clips: ClipSet, texts: Texts, training: VLPTraining) -> tuple[VLPNetwork, torch.Tensor]:
    torch.manual_seed(0)
    network = VLPNetwork(SMALL)
    fit_vlp.fit_encoder(network, clips, training, report=silent)
    tokens = fit_vlp.encode_pictures(network, clips, report=silent)
    fit_vlp.fit_preferences(network, clips, tokens, texts, training, report=silent)
    return network.eval(), tokens


def test_training_learns_which_window_is_better(clips: ClipSet, texts: Texts) -> None:
    training = VLPTraining(
        encoder_steps=20,
        encoder_batch=16,
        steps=60,
        batch=3,
        warmup=5,
        learning_rate=2e-3,
        level_share=0.0,
        word_dropout=0.0,
        word_noise=0.0,
        token_dropout=0.0,
        token_noise=0.0,
    )
    network, tokens = train(clips, texts, training)
    sampler = fit_vlp._Sampler(clips, tokens, 8, np.random.default_rng(9))
    right = total = 0
    for _ in range(30):
        batch = sampler.draw(3, training)
        rows = texts.draw(batch.task, np.random.default_rng(0))
        mask = torch.from_numpy(texts.mask[rows])
        text = network.read_text(torch.from_numpy(texts.words[rows]), mask)
        first, second = network.read_video(batch.clips).chunk(2)
        better = network.score(second, text, mask) > network.score(first, text, mask)
        clear = (batch.label - 0.5).abs() > 0.4
        right += int(((better == (batch.label > 0.5)) & clear).sum())
        total += int(clear.sum())
    assert right / total > 0.8


def test_the_same_seed_trains_the_same_network(clips: ClipSet, texts: Texts) -> None:
    training = VLPTraining(encoder_steps=3, encoder_batch=8, steps=3, batch=3, warmup=1)
    first, second = (train(clips, texts, training)[0].state_dict() for _ in range(2))
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_score_statistics_are_those_of_the_scores(clips: ClipSet, texts: Texts) -> None:
    network = VLPNetwork(SMALL)
    fix_scores(network, 3.0, 0.5)
    tokens = fit_vlp.encode_pictures(network, clips, report=silent)
    mean, std = fit_vlp.score_statistics(network, clips, tokens, texts, seed=0)
    assert mean == pytest.approx(3.0 + 2 * 0.5)
    assert std == pytest.approx(0.0)
