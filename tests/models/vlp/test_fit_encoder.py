from pathlib import Path

import numpy as np
import pytest
import torch

from vlfeedback.models.training_state import TrainingState
from vlfeedback.models.vlp.data import EpisodeSet, SceneSet
from vlfeedback.models.vlp.fit_encoder import encode_episodes, encode_scenes, fit_encoder
from vlfeedback.models.vlp.network import VLPArchitecture, VLPNetwork
from vlfeedback.models.vlp.settings import VLPTraining

SMALL = VLPArchitecture(picture_size=64, width=32, n_heads=2, head=(16, 8), dropout=0.0)


class Reports:
    """Keeps what a training tells."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, int]] = []
        self.losses: list[float] = []

    def __call__(self, stage: str, step: int, steps: int, loss: float) -> None:
        self.told.append((stage, step, steps))
        self.losses.append(loss)


def build() -> VLPNetwork:
    torch.manual_seed(0)
    return VLPNetwork(SMALL)


def squares(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of a white square, and positions: where it is, up to 30 cm right and up."""
    corner = np.random.default_rng(seed).integers(0, 49, size=(n, 2))
    pictures = np.full((n, 64, 64, 3), 40, np.uint8)
    for picture, (x, y) in zip(pictures, corner, strict=True):
        picture[y : y + 16, x : x + 16] = 220
    hand, thing = np.zeros((n, 4)), np.zeros((n, 3))
    thing[:, [0, 2]] = 0.3 * corner / 48
    positions = np.concatenate([hand, thing, thing - hand[:, :3]], axis=1)
    return pictures, positions.astype(np.float32)


@pytest.fixture(scope="module")
def square_episodes() -> EpisodeSet:
    """Two tasks, ten episodes of six pictures each; the reward is how high the square is."""
    pictures, positions = squares(120, seed=0)
    by_episode = positions.reshape(20, 6, 10)
    height = by_episode[..., 6] / 0.3
    return EpisodeSet(
        task=np.repeat([0, 1], 10),
        level=np.tile([0, 2], 10),
        pictures=pictures.reshape(20, 6, 64, 64, 3),
        positions=by_episode,
        states=np.repeat(height[..., None], 18, axis=-1),
        reward=height,
        window_return=height,
        progress=height,
    )


@pytest.fixture(scope="module")
def square_scenes() -> SceneSet:
    pictures, positions = squares(60, seed=1)
    return SceneSet(task=np.repeat([0, 1], 30), pictures=pictures, positions=positions)


def test_training_reads_positions_off_pictures_it_has_never_seen(
    square_episodes: EpisodeSet, square_scenes: SceneSet
) -> None:
    network, reports = build(), Reports()
    training = VLPTraining(encoder_steps=60, encoder_batch=16, warmup=10)
    fit_encoder(network, square_episodes, square_scenes, training, report=reports)
    assert np.mean(reports.losses[-10:]) < 0.5 * np.mean(reports.losses[:5])
    pictures, positions = squares(40, seed=2)
    with torch.inference_mode():
        found = network.eval().positions(network.encoder(torch.from_numpy(pictures))).numpy()
    error = np.abs(found - positions)[:, [4, 6]].mean()
    guess = np.abs(positions - positions.mean(axis=0))[:, [4, 6]].mean()
    assert error < 0.5 * guess


def test_every_step_is_reported(episodes: EpisodeSet, scenes: SceneSet) -> None:
    reports = Reports()
    training = VLPTraining(encoder_steps=3, encoder_batch=4)
    fit_encoder(build(), episodes, scenes, training, report=reports)
    assert reports.told == [("reading pictures", step, 3) for step in (1, 2, 3)]


def test_nothing_but_encoder_and_positions_is_trained(
    episodes: EpisodeSet, scenes: SceneSet
) -> None:
    network = build()
    training = VLPTraining(encoder_steps=2, encoder_batch=4, warmup=1)
    fit_encoder(network, episodes, scenes, training, report=Reports())
    begun = build().state_dict()
    changed = {n for n, tensor in network.state_dict().items() if not torch.equal(tensor, begun[n])}
    assert {name.split(".")[0] for name in changed} == {"encoder", "positions"}
    expected = episodes.positions.mean(axis=(0, 1))
    np.testing.assert_allclose(network.positions.mean.numpy(), expected, atol=1e-6)


def test_the_same_seed_trains_the_same_encoder(episodes: EpisodeSet, scenes: SceneSet) -> None:
    trained = []
    for seed in (5, 5, 6):
        network = build()
        training = VLPTraining(encoder_steps=3, encoder_batch=4, warmup=1, seed=seed)
        fit_encoder(network, episodes, scenes, training, report=Reports())
        trained.append(torch.cat([p.flatten() for p in network.encoder.parameters()]))
    assert torch.equal(trained[0], trained[1])
    assert not torch.equal(trained[0], trained[2])


def test_a_ball_that_rolled_off_the_table_does_not_drown_the_rest(
    episodes: EpisodeSet, scenes: SceneSet
) -> None:
    losses = []
    for depth in (-50.0, -500.0):
        lost = scenes.positions.copy()
        lost[:, 6] = depth
        reports = Reports()
        training = VLPTraining(encoder_steps=1, encoder_batch=4)
        far = SceneSet(task=scenes.task, pictures=scenes.pictures, positions=lost)
        fit_encoder(build(), episodes, far, training, report=reports)
        losses += reports.losses
    assert losses[0] == losses[1]


def test_pictures_are_encoded_in_half_precision_clip_by_episode(
    episodes: EpisodeSet, scenes: SceneSet
) -> None:
    network, reports = build(), Reports()
    tokens = encode_episodes(network, episodes, report=reports)
    assert tokens.shape == (12, 6, 1, 32)
    assert tokens.dtype == torch.float16
    with torch.inference_mode():
        expected = network.encoder(torch.from_numpy(episodes.pictures[7]))
    torch.testing.assert_close(tokens[7].float(), expected, atol=0.02, rtol=0.02)
    assert reports.told[-1] == ("encoding pictures", 72, 72)
    scene_tokens = encode_scenes(network, scenes, report=reports)
    assert scene_tokens.shape == (24, 1, 32)


@pytest.mark.parametrize("cut_off", [1, 2, 3, 4])
def test_a_training_that_was_cut_off_ends_with_the_weights_of_one_that_was_not(
    episodes: EpisodeSet, scenes: SceneSet, tmp_path: Path, cut_off: int
) -> None:
    training = VLPTraining(encoder_steps=4, encoder_batch=8, warmup=2)

    def fit(state: TrainingState | None, cut_off: int = 0) -> tuple[VLPNetwork, list[float]]:
        losses: list[float] = []

        def note(stage: str, step: int, steps: int, loss: float) -> None:
            losses.append(loss)
            if len(losses) == cut_off:
                raise KeyboardInterrupt

        network = build()
        fit_encoder(network, episodes, scenes, training, report=note, state=state)
        return network, losses

    whole, losses = fit(None)
    with pytest.raises(KeyboardInterrupt):
        fit(TrainingState(tmp_path / "state", every=2), cut_off)
    resumed, rest = fit(TrainingState(tmp_path / "state", every=2))
    assert rest == losses[cut_off - cut_off % 2 :]
    for name, tensor in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name
