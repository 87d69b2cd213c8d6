import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from vlfeedback.encoders.words import WordVectors
from vlfeedback.models.vlp import fit_preferences as fit_vlp
from vlfeedback.models.vlp.data import ClipSet, SceneSet, Texts
from vlfeedback.models.vlp.fit_encoder import encode_clips, encode_scenes
from vlfeedback.models.vlp.fit_preferences import fit_preferences, score_statistics
from vlfeedback.models.vlp.network import ReadText, VLPArchitecture, VLPNetwork
from vlfeedback.models.vlp.sampling import WindowBatch, WindowSampler
from vlfeedback.models.vlp.settings import VLPTraining

SMALL = VLPArchitecture(picture_size=64, width=32, n_heads=2, head=(16, 8), dropout=0.0)
LOG_2 = math.log(2.0)
Disturbance = fit_vlp._Disturbance


def cost(margin: float) -> float:
    """Of a comparison that the other one wins by so much, in log-odds."""
    return math.log1p(math.exp(margin))


def silent(stage: str, step: int, steps: int, loss: float) -> None:
    """Nobody watches."""


def batch_of(prefer_second: list[list[list[float]]], rising: list[bool]) -> WindowBatch:
    """Windows that were read already: only their comparisons are left."""
    windows = len(rising)
    return WindowBatch(
        task=np.arange(len(prefer_second)),
        tokens=torch.zeros(windows, 8, 1, 32),
        first=torch.zeros(windows, 1, 32),
        reward=torch.zeros(windows, 8),
        prefer_second=torch.tensor(prefer_second),
        rising=torch.tensor(rising),
    )


# Two windows of each of two tasks: the second is better in task 0, the first in task 1.
COMPARED = batch_of([[[0.5, 1.0], [0.0, 0.5]], [[0.5, 0.0], [1.0, 0.5]]], [True, False] * 2)


def test_the_loss_compares_windows_with_each_other_and_with_those_of_the_next_task() -> None:
    scores = fit_vlp._Scores(
        own=torch.tensor([[0.0, 1.0], [2.0, 4.0]]),  # of each task's windows under its own text
        other=torch.tensor([[5.0, 5.0], [3.0, 7.0]]),  # under the text of the task before it
    )
    loss = fit_vlp._preference_loss(scores, COMPARED, VLPTraining(ilp_weight=0.1, ivp_weight=0.5))
    itp = [cost(0.0 - 1.0), cost(4.0 - 2.0)]
    ilp = [LOG_2, (cost(4.0) + cost(-4.0)) / 2]  # 5 and 5, 3 and 7: neither should be preferred
    # Under its text, each window of task 0 against those of task 1, which score 3 and 7 ...
    firsts = [cost(3.0 - 0.0), cost(7.0 - 0.0), cost(5.0 - 2.0), cost(5.0 - 2.0)]
    # ... and each of task 1 against those of task 0, which score 5 and 5.
    seconds = [cost(3.0 - 1.0), cost(7.0 - 1.0), cost(5.0 - 4.0), cost(5.0 - 4.0)]
    expected = np.mean(itp) + 0.1 * np.mean(ilp) + 0.5 * (np.mean(firsts) + np.mean(seconds))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_a_constant_score_costs_log_two_a_comparison() -> None:
    scores = fit_vlp._Scores(own=torch.full((2, 2), 0.7), other=torch.full((2, 2), 0.7))
    loss = fit_vlp._preference_loss(scores, COMPARED, VLPTraining(ilp_weight=0.1, ivp_weight=0.5))
    assert loss.item() == pytest.approx((1 + 0.1 + 2 * 0.5) * LOG_2)


def test_a_constant_progress_costs_log_two_and_its_direction_as_much_by_weight() -> None:
    progress = torch.full((4, 4), 0.7)  # by four members, of two windows of two tasks
    loss = fit_vlp._progress_loss(progress, progress, COMPARED, VLPTraining(direction_weight=0.3))
    assert loss.item() == pytest.approx(1.3 * LOG_2)


def test_each_member_is_compared_by_itself_and_rising_windows_with_their_reversals() -> None:
    forward = torch.tensor([[0.0, 1.0, 2.0, 4.0], [0.0, 0.0, 0.0, 3.0]])
    backward = torch.tensor([[1.0, 0.0, 5.0, 0.0], [0.0, 0.0, -2.0, 0.0]])
    loss = fit_vlp._progress_loss(forward, backward, COMPARED, VLPTraining(direction_weight=0.3))
    itp = [cost(-1.0), cost(2.0), LOG_2, cost(3.0)]
    rising = [cost(1.0 - 0.0), cost(5.0 - 2.0), LOG_2, cost(-2.0 - 0.0)]  # windows 0 and 2
    assert loss.item() == pytest.approx(np.mean(itp) + 0.3 * np.mean(rising), rel=1e-5)


def test_without_a_rising_window_the_direction_costs_nothing() -> None:
    level = replace(COMPARED, rising=torch.zeros(4, dtype=torch.bool))
    progress = torch.full((4, 4), 0.7)
    assert fit_vlp._progress_loss(progress, progress, level, VLPTraining()).item() == (
        pytest.approx(LOG_2)
    )


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


def test_an_object_is_misplaced_alike_in_all_pictures_of_a_clip() -> None:
    positions, first, last = torch.randn(500, 8, 10), torch.randn(500, 10), torch.randn(500, 10)
    moved, moved_first, moved_last = disturb(VLPTraining(place_noise=0.01)).places(
        positions, first, last
    )
    change = moved_first - first
    assert (change[:, :4] == 0.0).all()  # neither hand nor gripper
    torch.testing.assert_close(change[:, 7:], change[:, 4:7], atol=1e-5, rtol=0.0)
    torch.testing.assert_close(moved_last - last, change, atol=1e-5, rtol=0.0)
    expected = change.unsqueeze(1).expand(-1, 8, -1)
    torch.testing.assert_close(moved - positions, expected, atol=1e-5, rtol=0.0)
    assert 0.005 < change[:, 4:7].std().item() < 0.02


def test_a_share_of_clips_begins_with_itself_also_when_it_is_played_backwards() -> None:
    tokens = torch.arange(8.0).reshape(1, 8, 1, 1).expand(1000, 8, 1, 32)
    many = batch_of([[[0.5, 1.0], [0.0, 0.5]]] * 500, [True] * 1000)
    batch = replace(many, tokens=tokens, first=torch.full((1000, 1, 32), -1.0))
    torch.manual_seed(0)
    shown = fit_vlp._show(batch, VLPTraining(unknown_reset=0.3), "cpu")
    first, last = shown.first[:, 0, 0], shown.last[:, 0, 0]
    assert set(first.tolist()) == {-1.0, 0.0}
    assert set(last.tolist()) == {-1.0, 7.0}
    assert torch.equal(first == -1.0, last == -1.0)
    assert (first == 0.0).float().mean().item() == pytest.approx(0.3, abs=0.05)


QUIET = VLPTraining(  # nothing is disturbed: the toy data is too small to be learnt by heart
    part_steps=30,
    steps=30,
    warmup=5,
    level_share=0.0,
    word_dropout=0.0,
    word_noise=0.0,
    colour_share=0.0,
    unknown_reset=0.0,
    token_dropout=0.0,
    token_noise=0.0,
    place_noise=0.0,
)


class Trained:
    """A network that was trained on the toy data, and what its training told."""

    def __init__(
        self, clips: ClipSet, scenes: SceneSet, texts: Texts, training: VLPTraining
    ) -> None:
        torch.manual_seed(0)
        self.network = VLPNetwork(SMALL)
        self.tokens = encode_clips(self.network, clips, report=silent)
        self.scene_tokens = encode_scenes(self.network, scenes, report=silent)
        self.told: list[tuple[str, int, int]] = []
        self.losses: list[float] = []
        fit_preferences(
            self.network,
            clips,
            self.tokens,
            scenes,
            self.scene_tokens,
            texts,
            training,
            report=self,
        )
        self.network.eval()

    def __call__(self, stage: str, step: int, steps: int, loss: float) -> None:
        self.told.append((stage, step, steps))
        self.losses.append(loss)


@pytest.fixture(scope="module")
def trained(clips: ClipSet, scenes: SceneSet, texts: Texts) -> Trained:
    return Trained(clips, scenes, texts, QUIET)


def test_both_stages_are_reported_and_each_lowers_its_loss(trained: Trained) -> None:
    parts = [("judging progress", step, 30) for step in range(1, 31)]
    assert trained.told == parts + [("comparing clips", step, 30) for step in range(1, 31)]
    for losses in (trained.losses[:30], trained.losses[30:]):
        assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])


def read(network: VLPNetwork, texts: Texts, tasks: np.ndarray) -> ReadText:
    """A phrase of each of these tasks."""
    rows = texts.draw(tasks, np.random.default_rng(0))
    return network.read_text(
        torch.from_numpy(texts.words[rows]), torch.from_numpy(texts.mask[rows])
    )


def test_training_orders_clips_by_how_bright_they_grow(
    trained: Trained, clips: ClipSet, texts: Texts
) -> None:
    sampler = WindowSampler(clips, trained.tokens, 8, np.random.default_rng(9))
    right = total = 0
    for _ in range(10):
        batch = sampler.draw(QUIET)
        with torch.inference_mode():
            clip = trained.network.read_clip(batch.tokens, batch.first)
            score = trained.network.score(clip, read(trained.network, texts, batch.task.repeat(6)))
        by_task = score.view(3, -1)
        better = by_task[:, None, :] > by_task[:, :, None]
        clear = (batch.prefer_second - 0.5).abs() > 0.4
        right += int(((better == (batch.prefer_second > 0.5)) & clear).sum())
        total += int(clear.sum())
    assert right / total > 0.8


def test_after_training_scenes_match_the_texts_of_their_own_task(
    trained: Trained, scenes: SceneSet, texts: Texts
) -> None:
    network, first = trained.network, trained.scene_tokens.float()
    with torch.inference_mode():
        clip = network.read_clip(first.unsqueeze(1).expand(-1, 8, -1, -1), first)
        matches = [
            network.score_match(clip, read(network, texts, np.repeat(task, len(first))))
            for task in range(3)
        ]
    best = torch.stack(matches).argmax(dim=0).numpy()
    assert (best == scenes.task).mean() > 0.9


def test_the_encoder_stays_as_it_was(trained: Trained) -> None:
    torch.manual_seed(0)
    begun = VLPNetwork(SMALL).state_dict()
    for name, tensor in trained.network.state_dict().items():
        if name.startswith(("encoder", "positions")):
            assert torch.equal(tensor, begun[name]), name


def test_motion_of_training_windows_is_standardised(trained: Trained) -> None:
    mean, std = trained.network.progress.mean, trained.network.progress.std
    assert mean[1].item() != 0.0
    assert (std > 0).all() and not torch.equal(std, torch.ones(10))


def test_the_same_seed_trains_the_same_network(
    clips: ClipSet, scenes: SceneSet, texts: Texts
) -> None:
    short = VLPTraining(part_steps=2, steps=2, batch=3, warmup=1)
    first, second = (Trained(clips, scenes, texts, short).network.state_dict() for _ in range(2))
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_score_statistics_are_those_of_the_scores(clips: ClipSet, texts: Texts) -> None:
    network = VLPNetwork(replace(SMALL, match_steepness=0.0))  # every match is one half
    for number in range(4):
        fix(network, f"progress.members.{number}.picture.5", 0.5)
        fix(network, f"progress.members.{number}.order.3", 1.0)
    fix(network, "relevance.head.6", 1.0)
    tokens = encode_clips(network, clips, report=silent)
    mean, std = score_statistics(network, clips, tokens, texts, seed=0, n_batches=2)
    progress = 2 * 0.5 + 1.0
    assert mean == pytest.approx(0.5 * 6.0 + (0.25 + 0.75 * 0.5) * (progress + 1.0 * 1.0))
    assert std == pytest.approx(0.0, abs=1e-5)


def fix(network: VLPNetwork, layer: str, value: float) -> None:
    """Make this last layer answer the same to everything."""
    last = network.get_submodule(layer)
    assert isinstance(last, torch.nn.Linear) and last.out_features == 1
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, value)
