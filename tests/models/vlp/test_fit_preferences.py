from pathlib import Path

import numpy as np
import pytest
import torch

from vlfeedback.models.training_state import TrainingState
from vlfeedback.models.vlp import fit_preferences as fit_vlp
from vlfeedback.models.vlp.data import EpisodeSet, SceneSet
from vlfeedback.models.vlp.fit_encoder import encode_episodes, encode_scenes
from vlfeedback.models.vlp.fit_preferences import fit_preferences
from vlfeedback.models.vlp.network import ReadText, VLPArchitecture, VLPNetwork
from vlfeedback.models.vlp.sampling import WindowBatch, WindowSampler
from vlfeedback.models.vlp.settings import VLPTraining
from vlfeedback.models.vlp.texts import Texts

SMALL = VLPArchitecture(picture_size=64, width=32, n_heads=2, head=(16, 8), dropout=0.0)


def silent(stage: str, step: int, steps: int, loss: float) -> None:
    """Nobody watches."""


def test_a_share_of_segments_begins_with_itself_also_when_it_is_played_backwards() -> None:
    tokens = torch.arange(8.0).reshape(1, 8, 1, 1).expand(1000, 8, 1, 32)
    batch = WindowBatch(
        task=np.arange(500),
        tokens=tokens,
        first=torch.full((1000, 1, 32), -1.0),
        worth=torch.zeros(1000, 8),
        done=torch.zeros(1000, 8, dtype=torch.bool),
        prefer_second=torch.full((500, 2, 2), 0.5),
        rising=torch.ones(1000, dtype=torch.bool),
    )
    torch.manual_seed(0)
    shown = fit_vlp._hide_resets(batch, VLPTraining(unknown_reset=0.3), "cpu")
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
        self,
        episodes: EpisodeSet,
        scenes: SceneSet,
        texts: Texts,
        training: VLPTraining,
        state: TrainingState | None = None,
        cut_off: int | None = None,
    ) -> None:
        torch.manual_seed(0)
        self.network = VLPNetwork(SMALL)
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


def test_both_stages_are_reported_and_each_lowers_its_loss(trained: Trained) -> None:
    parts = [("judging progress", step, 30) for step in range(1, 31)]
    assert trained.told == parts + [("comparing segments", step, 30) for step in range(1, 31)]
    for losses in (trained.losses[:30], trained.losses[30:]):
        assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])


def read(network: VLPNetwork, texts: Texts, tasks: np.ndarray) -> ReadText:
    """A phrase of each of these tasks."""
    rows = texts.draw(tasks, np.random.default_rng(0))
    return network.read_text(
        torch.from_numpy(texts.words[rows]), torch.from_numpy(texts.mask[rows])
    )


def test_training_orders_segments_by_how_bright_they_grow(
    trained: Trained, episodes: EpisodeSet, texts: Texts
) -> None:
    sampler = WindowSampler(episodes, trained.tokens, 8, np.random.default_rng(9))
    right = total = 0
    for _ in range(10):
        batch = sampler.draw(QUIET)
        with torch.inference_mode():
            segment = trained.network.read_segment(batch.tokens, batch.first)
            score = trained.network.score(
                segment, read(trained.network, texts, batch.task.repeat(6))
            )
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
        segment = network.read_segment(first.unsqueeze(1).expand(-1, 8, -1, -1), first)
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
    short = VLPTraining(part_steps=2, steps=2, batch=3, warmup=1)
    first, second = (Trained(episodes, scenes, texts, short).network.state_dict() for _ in range(2))
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


STAGES = VLPTraining(encoder_steps=1, part_steps=3, steps=3, batch=3, windows=2, warmup=1)


@pytest.mark.parametrize("cut_off", [1, 2, 3, 4, 5, 6])
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
