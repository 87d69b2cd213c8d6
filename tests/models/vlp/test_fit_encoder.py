import numpy as np
import pytest
import torch

from vlfeedback.models.vlp.data import ClipSet, SceneSet
from vlfeedback.models.vlp.fit_encoder import encode_clips, encode_scenes, fit_encoder
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
def square_clips() -> ClipSet:
    """Two tasks, ten clips of six pictures each; the reward is how high the square is."""
    pictures, positions = squares(120, seed=0)
    by_clip = positions.reshape(20, 6, 10)
    height = by_clip[..., 6] / 0.3
    return ClipSet(
        task=np.repeat([0, 1], 10),
        level=np.tile([0, 2], 10),
        pictures=pictures.reshape(20, 6, 64, 64, 3),
        positions=by_clip,
        states=np.repeat(height[..., None], 18, axis=-1),
        reward=height,
        window_return=height,
    )


@pytest.fixture(scope="module")
def square_scenes() -> SceneSet:
    pictures, positions = squares(60, seed=1)
    return SceneSet(task=np.repeat([0, 1], 30), pictures=pictures, positions=positions)


def test_training_reads_positions_off_pictures_it_has_never_seen(
    square_clips: ClipSet, square_scenes: SceneSet
) -> None:
    network, reports = build(), Reports()
    training = VLPTraining(encoder_steps=60, encoder_batch=16, warmup=10)
    fit_encoder(network, square_clips, square_scenes, training, report=reports)
    assert np.mean(reports.losses[-10:]) < 0.5 * np.mean(reports.losses[:5])
    pictures, positions = squares(40, seed=2)
    with torch.inference_mode():
        found = network.eval().positions(network.encoder(torch.from_numpy(pictures))).numpy()
    error = np.abs(found - positions)[:, [4, 6]].mean()
    guess = np.abs(positions - positions.mean(axis=0))[:, [4, 6]].mean()
    assert error < 0.5 * guess


def test_every_step_is_reported(clips: ClipSet, scenes: SceneSet) -> None:
    reports = Reports()
    training = VLPTraining(encoder_steps=3, encoder_batch=4)
    fit_encoder(build(), clips, scenes, training, report=reports)
    assert reports.told == [("reading pictures", step, 3) for step in (1, 2, 3)]


def test_nothing_but_encoder_and_positions_is_trained(clips: ClipSet, scenes: SceneSet) -> None:
    network = build()
    training = VLPTraining(encoder_steps=2, encoder_batch=4, warmup=1)
    fit_encoder(network, clips, scenes, training, report=Reports())
    begun = build().state_dict()
    changed = {n for n, tensor in network.state_dict().items() if not torch.equal(tensor, begun[n])}
    assert {name.split(".")[0] for name in changed} == {"encoder", "positions"}
    expected = clips.positions.mean(axis=(0, 1))
    np.testing.assert_allclose(network.positions.mean.numpy(), expected, atol=1e-6)


def test_the_same_seed_trains_the_same_encoder(clips: ClipSet, scenes: SceneSet) -> None:
    trained = []
    for seed in (5, 5, 6):
        network = build()
        training = VLPTraining(encoder_steps=3, encoder_batch=4, warmup=1, seed=seed)
        fit_encoder(network, clips, scenes, training, report=Reports())
        trained.append(torch.cat([p.flatten() for p in network.encoder.parameters()]))
    assert torch.equal(trained[0], trained[1])
    assert not torch.equal(trained[0], trained[2])


def test_a_ball_that_rolled_off_the_table_does_not_drown_the_rest(
    clips: ClipSet, scenes: SceneSet
) -> None:
    losses = []
    for depth in (-50.0, -500.0):
        lost = scenes.positions.copy()
        lost[:, 6] = depth
        reports = Reports()
        training = VLPTraining(encoder_steps=1, encoder_batch=4)
        far = SceneSet(task=scenes.task, pictures=scenes.pictures, positions=lost)
        fit_encoder(build(), clips, far, training, report=reports)
        losses += reports.losses
    assert losses[0] == losses[1]


def test_pictures_are_encoded_in_half_precision_clip_by_clip(
    clips: ClipSet, scenes: SceneSet
) -> None:
    network, reports = build(), Reports()
    tokens = encode_clips(network, clips, report=reports)
    assert tokens.shape == (12, 6, 1, 32)
    assert tokens.dtype == torch.float16
    with torch.inference_mode():
        expected = network.encoder(torch.from_numpy(clips.pictures[7]))
    torch.testing.assert_close(tokens[7].float(), expected, atol=0.02, rtol=0.02)
    assert reports.told[-1] == ("encoding pictures", 72, 72)
    scene_tokens = encode_scenes(network, scenes, report=reports)
    assert scene_tokens.shape == (24, 1, 32)
