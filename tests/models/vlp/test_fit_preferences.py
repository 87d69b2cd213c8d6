from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vlfeedback.models.training_state import TrainingState
from vlfeedback.models.vlp.data import EpisodeSet, SceneSet
from vlfeedback.models.vlp.fit_encoder import encode_episodes, encode_scenes
from vlfeedback.models.vlp.fit_preferences import fit_preferences
from vlfeedback.models.vlp.network import ReadText, VLPArchitecture, VLPNetwork
from vlfeedback.models.vlp.sampling import WindowSampler
from vlfeedback.models.vlp.settings import VLPTraining
from vlfeedback.models.vlp.texts import Texts

SMALL = VLPArchitecture(
    picture_size=64,
    width=32,
    n_heads=2,
    head=(16, 8),
    dropout=0.0,
    progress_width=32,
    instructed_width=16,
)


def silent(stage: str, step: int, steps: int, loss: float) -> None:
    """Nobody watches."""


QUIET = VLPTraining(  # nothing is disturbed: the toy data is too small to be learnt by heart
    part_steps=30,
    scene_steps=30,
    text_steps=30,
    steps=90,
    steady_weight=0.0,
    warmup=5,
    part_windows=6,
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
        self,
        episodes: EpisodeSet,
        scenes: SceneSet,
        texts: Texts,
        training: VLPTraining,
        state: TrainingState | None = None,
        cut_off: int | None = None,
        architecture: VLPArchitecture = SMALL,
    ) -> None:
        torch.manual_seed(0)
        self.network = VLPNetwork(architecture)
        self.tokens = encode_episodes(self.network, episodes, report=silent)
        self.scene_tokens = encode_scenes(self.network, scenes, report=silent)
        self.told: list[tuple[str, int, int]] = []
        self.losses: list[float] = []
        self.cut_off = cut_off
        fit_preferences(
            self.network,
            episodes,
            self.tokens,
            scenes,
            self.scene_tokens,
            texts,
            training,
            report=self,
            state=state,
        )
        self.network.eval()

    def __call__(self, stage: str, step: int, steps: int, loss: float) -> None:
        self.told.append((stage, step, steps))
        self.losses.append(loss)
        if len(self.losses) == self.cut_off:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def trained(episodes: EpisodeSet, scenes: SceneSet, texts: Texts) -> Trained:
    return Trained(episodes, scenes, texts, QUIET)


def test_all_parts_are_reported_and_lower_their_loss(trained: Trained) -> None:
    names = ["judging progress", "recognising scenes", "judging by the text", "comparing segments"]
    steps = [30, 30, 30, 90]
    told = [(name, k + 1, n) for name, n in zip(names, steps, strict=True) for k in range(n)]
    assert trained.told == told
    for begin, end in ((0, 30), (30, 60), (90, 180)):  # the third has little to correct
        losses = trained.losses[begin:end]
        assert np.mean(losses[-5:]) < 0.95 * np.mean(losses[:5])


def read(network: VLPNetwork, texts: Texts, tasks: np.ndarray) -> ReadText:
    """A phrase of each of these tasks."""
    rows = texts.draw(tasks, np.random.default_rng(0))
    return network.read_text(
        torch.from_numpy(texts.words[rows]), torch.from_numpy(texts.mask[rows])
    )


def test_training_orders_segments_by_how_bright_they_grow(
    trained: Trained, episodes: EpisodeSet, texts: Texts
) -> None:
    sampler = WindowSampler(episodes, 8, np.random.default_rng(9))
    right = total = 0
    for _ in range(10):
        windows = sampler.draw(QUIET, n_tasks=3, n_windows=6)
        shown, first = windows.shown(trained.tokens), windows.resets(trained.tokens)
        with torch.inference_mode():
            segment = trained.network.read_segment(shown, first, torch.ones(18, dtype=torch.bool))
            text = read(trained.network, texts, windows.task.repeat(6))
            score = trained.network.score(segment, text)
        by_task = score.view(3, -1)
        better = by_task[:, None, :] > by_task[:, :, None]
        clear = (windows.prefer_second - 0.5).abs() > 0.4
        right += int(((better == (windows.prefer_second > 0.5)) & clear).sum())
        total += int(clear.sum())
    assert right / total > 0.8


def test_after_training_scenes_match_the_texts_of_their_own_task(
    trained: Trained, scenes: SceneSet, texts: Texts
) -> None:
    network, first = trained.network, trained.scene_tokens.float()
    with torch.inference_mode():
        has_reset = torch.ones(len(first), dtype=torch.bool)
        segment = network.read_segment(first.unsqueeze(1).expand(-1, 8, -1, -1), first, has_reset)
        matches = [
            network.score_match(segment, read(network, texts, np.repeat(task, len(first))))
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
    episodes: EpisodeSet, scenes: SceneSet, texts: Texts
) -> None:
    short = VLPTraining(
        part_steps=2, part_windows=6, scene_steps=2, text_steps=2, steps=2, batch=3, warmup=1
    )
    first, second = (Trained(episodes, scenes, texts, short).network.state_dict() for _ in range(2))
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


STAGES = VLPTraining(
    encoder_steps=1,
    part_steps=2,
    part_windows=3,
    scene_steps=2,
    text_steps=2,
    steps=2,
    batch=3,
    windows=2,
    warmup=1,
)


@pytest.mark.parametrize("cut_off", [1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("every", [1, 2])
def test_a_training_that_was_cut_off_ends_with_the_weights_of_one_that_was_not(
    episodes: EpisodeSet,
    scenes: SceneSet,
    texts: Texts,
    tmp_path: Path,
    cut_off: int,
    every: int,
) -> None:
    whole = Trained(episodes, scenes, texts, STAGES)
    with pytest.raises(KeyboardInterrupt):
        Trained(
            episodes, scenes, texts, STAGES, TrainingState(tmp_path / "s", every=every), cut_off
        )
    resumed = Trained(episodes, scenes, texts, STAGES, TrainingState(tmp_path / "s", every=every))
    assert resumed.losses == whole.losses[cut_off - cut_off % every :]
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], tensor), name


def test_a_network_that_reads_no_text_for_its_progress_learns_three_parts(
    episodes: EpisodeSet, scenes: SceneSet, texts: Texts
) -> None:
    without = replace(SMALL, instructed_width=0, success_width=0)
    trained = Trained(episodes, scenes, texts, STAGES, architecture=without)
    names = [name for name, step, _ in trained.told if step == 1]
    assert names == ["judging progress", "recognising scenes", "comparing segments"]


def test_each_part_stays_as_it_was_learnt(
    episodes: EpisodeSet, scenes: SceneSet, texts: Texts
) -> None:
    whole = Trained(episodes, scenes, texts, STAGES).network.state_dict()
    longer = Trained(episodes, scenes, texts, replace(STAGES, steps=4)).network.state_dict()
    relevance = [name for name in whole if name.startswith("relevance.")]
    for name in set(whole) - set(relevance):
        assert torch.equal(whole[name], longer[name]), name
    assert not torch.equal(whole["relevance.head.6.weight"], longer["relevance.head.6.weight"])


def test_progress_learns_from_the_positions_it_is_given_and_progress_by_the_text_does_not(
    episodes: EpisodeSet, scenes: SceneSet, texts: Texts
) -> None:
    def heads(unseen: bool) -> list[torch.Tensor]:
        torch.manual_seed(0)
        network = VLPNetwork(replace(SMALL, instructed_width=8))
        tokens = encode_episodes(network, episodes, report=silent)
        still = torch.zeros(episodes.positions.shape)  # nothing moves, as no encoder reads it
        fit_preferences(
            network,
            episodes,
            tokens,
            scenes,
            encode_scenes(network, scenes, report=silent),
            texts,
            replace(QUIET, part_steps=4, text_steps=4, scene_steps=1, steps=1),
            unseen_positions=still if unseen else None,
            report=silent,
        )
        assert network.instructed is not None
        return [next(part.parameters()) for part in (network.progress, network.instructed.picture)]

    own, given = heads(unseen=False), heads(unseen=True)
    assert not torch.equal(own[0], given[0])
    assert given[1].abs().sum() > 0
