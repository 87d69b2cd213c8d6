import tracemalloc
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import pytest
import torch

from vlfeedback.errors import DtypeError, InvalidValueError, NeedsError, ShapeError
from vlfeedback.models.vlp.network import VLPArchitecture, VLPNetwork
from vlfeedback.models.vlp.weights import VLPWeights, save_vlp
from vlfeedback.rewards.vlp import VLPConfig, VLPReward
from vlfeedback.testing import RewardSourceContract
from vlfeedback.types import SegmentBatch

SIZE = 64  # px
SMALL = VLPArchitecture(picture_size=SIZE, width=32, n_heads=2, head=(16, 8))


def save(path: Path, mean: float = 0.0, std: float = 1.0) -> str:
    """Weights that know nothing, far enough from the first ones for every part to matter."""
    torch.manual_seed(0)
    network = VLPNetwork(SMALL)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    save_vlp(path, network, VLPWeights(SMALL, mean, std, ("reach",), {}))
    return str(path)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save(tmp_path_factory.mktemp("weights") / "vlp.safetensors")


@pytest.fixture(scope="module")
def source(weights: str) -> VLPReward:
    return VLPReward(VLPConfig(weights))


class TestContract(RewardSourceContract):
    @pytest.fixture
    def source(self, source: VLPReward) -> VLPReward:
        return source


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check nothing but what the library itself checks, as for a user."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def clips(n: int = 1, n_frames: int = 8, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, n_frames, SIZE, SIZE, 3), dtype=np.uint8)


def last(
    source: VLPReward, frames: np.ndarray | None, text: str = "close the drawer", **others: Any
) -> np.ndarray:
    n = len(next(a for a in (frames, others.get("embeddings")) if a is not None))
    batch = SegmentBatch(frames=frames, instructions=[text] * n, **others)
    return source.rewards(batch)[:, -1]


def test_bundled_weights_score_pictures_of_any_size_finitely() -> None:
    bundled = VLPReward()
    black = np.zeros((1, 8, 112, 112, 3), np.uint8)
    scores = [last(bundled, frames)[0] for frames in (black, clips(), clips(seed=1))]
    assert np.all(np.isfinite(scores)) and len(set(scores)) == 3


# Pictures ------------------------------------------------------------------------------------


def test_every_step_rendered_scores_like_the_eight_pictures_that_are_read(
    source: VLPReward,
) -> None:
    frames = clips(n_frames=50)
    np.testing.assert_allclose(
        last(source, frames), last(source, frames[:, [0, 7, 14, 21, 28, 35, 42, 49]]), rtol=1e-4
    )


def test_three_pictures_are_stretched_and_one_is_a_still_clip(source: VLPReward) -> None:
    frames = clips(n_frames=3)
    np.testing.assert_allclose(
        last(source, frames), last(source, frames[:, [0, 0, 1, 1, 1, 1, 2, 2]]), rtol=1e-4
    )
    still = frames[:, :1]
    np.testing.assert_allclose(
        last(source, still), last(source, np.repeat(still, 8, axis=1)), rtol=1e-4
    )


def test_a_reversed_clip_and_another_instruction_change_the_score(source: VLPReward) -> None:
    frames = clips()
    score, backwards = last(source, frames), last(source, frames[:, ::-1])
    assert not np.isclose(score, backwards, rtol=1e-3)
    assert not np.isclose(score, last(source, frames, "open the window"), rtol=1e-3)


def test_black_pictures_have_a_finite_score(source: VLPReward) -> None:
    assert np.isfinite(last(source, np.zeros_like(clips()))).all()


def test_larger_and_oblong_pictures_are_filtered_to_the_square_that_is_read(
    source: VLPReward,
) -> None:
    frames = clips()
    larger = frames.repeat(2, axis=2).repeat(2, axis=3)
    wider = frames.repeat(3, axis=3)
    score = last(source, frames)
    np.testing.assert_allclose(last(source, larger), score, rtol=1e-4)
    np.testing.assert_allclose(last(source, wider), score, rtol=1e-4)


def test_without_the_picture_of_the_reset_a_clip_is_judged_as_cut_out_of_its_episode(
    source: VLPReward,
) -> None:
    frames = clips(2)
    own: dict[str, Any] = {"first_frames": frames[:, 0]}
    score = last(source, frames)
    not_shown = last(source, frames, **own, shows_reset=np.array([False, False]))
    np.testing.assert_allclose(not_shown, score, rtol=1e-4)
    begins_here = last(source, frames, **own)
    assert not np.any(np.isclose(begins_here, score, rtol=1e-3))
    of_each = last(source, frames, **own, shows_reset=np.array([True, False]))
    np.testing.assert_allclose(of_each, [begins_here[0], score[1]], rtol=1e-4)
    other = last(source, frames, first_frames=clips(2, 1, seed=1)[:, 0])
    assert not np.any(np.isclose(other, begins_here, rtol=1e-3))


def test_embeddings_may_come_without_that_of_the_reset_or_with_its_picture(
    source: VLPReward,
) -> None:
    frames, reset = clips(2), clips(2, 1, seed=1)[:, 0]
    embeddings = source.embed(frames.reshape(-1, SIZE, SIZE, 3)).reshape(2, 8, 1, 32)
    np.testing.assert_allclose(
        last(source, None, embeddings=embeddings), last(source, frames), rtol=1e-4
    )
    expected = last(source, frames, first_frames=reset)
    starts: list[dict[str, Any]] = [
        {"first_frames": reset},
        {"first_embeddings": source.embed(reset)},
    ]
    for given in starts:
        np.testing.assert_allclose(
            last(source, None, embeddings=embeddings, **given), expected, rtol=1e-4
        )


def test_flipped_and_read_only_pictures_are_as_good_as_others(source: VLPReward) -> None:
    frames = clips(2)
    mirrored = frames[:, :, :, ::-1]
    expected = last(source, mirrored.copy(), first_frames=mirrored[:, 0].copy())
    np.testing.assert_array_equal(last(source, mirrored, first_frames=mirrored[:, 0]), expected)
    frames.setflags(write=False)
    np.testing.assert_array_equal(source.embed(frames[0]), source.embed(frames[0].copy()))


def test_no_pictures_have_no_embeddings(source: VLPReward) -> None:
    assert source.embed(np.zeros((0, SIZE, SIZE, 3), np.uint8)).shape == (0, 1, 32)


@pytest.mark.usefixtures("unchecked")
def test_pictures_in_floats_are_refused_with_the_conversion(source: VLPReward) -> None:
    frames: Any = clips()[0] / np.float32(255)
    with pytest.raises(DtypeError, match=r"frames is float32.*\(frames \* 255\)"):
        source.embed(frames)
    with pytest.raises(ShapeError, match=r"expected \(B, H, W, 3\), RGB last.*frames\[None\]"):
        source.embed(clips()[0, 0])


def test_a_batch_without_pictures_is_refused(source: VLPReward) -> None:
    batch = SegmentBatch(actions=np.zeros((1, 5, 4), np.float32), instructions=["close the drawer"])
    with pytest.raises(NeedsError, match="'vlp' reads pictures: give frames"):
        source.rewards(batch)


def test_a_clip_whose_pictures_all_come_later_is_refused(source: VLPReward) -> None:
    batch = SegmentBatch(
        frames=clips(2, 2),
        frame_steps=np.array([5, 9]),
        mask=np.arange(10) < np.array([[10], [4]]),
        instructions=["close the drawer"] * 2,
    )
    with pytest.raises(NeedsError, match=r"ends at step 3 has none up to there.*\[5, 9\]"):
        source.rewards(batch)
    assert np.isfinite(source.rewards(batch.take([0]))).all()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("shape", [(8, 32), (8, 4, 128)])
def test_embeddings_of_another_source_are_refused(
    source: VLPReward, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ShapeError, match=r"these weights read \(1, 32\).*`embed` of this very"):
        last(source, None, embeddings=np.zeros((1, *shape), np.float32))


# Instructions --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "   ", "?!, ...", "🙂", "закрой ящик", "关上抽屉"])
def test_an_instruction_without_a_known_word_is_refused_and_shown(
    source: VLPReward, text: str
) -> None:
    with pytest.raises(InvalidValueError) as refusal:
        last(source, clips(), text)
    assert f"No known word in the instruction {text!r}. Pass a phrase in English" in str(
        refusal.value
    )


def test_a_long_instruction_that_is_refused_is_shown_in_part(source: VLPReward) -> None:
    with pytest.raises(InvalidValueError) as refusal:
        last(source, clips(), "закрой ящик " * 1000)
    assert "'закрой ящик закрой" in str(refusal.value) and len(str(refusal.value)) < 250


def test_another_language_in_known_letters_is_read_by_its_letters(source: VLPReward) -> None:
    score = last(source, clips(), "schließe die Schublade")
    assert np.isfinite(score).all()
    np.testing.assert_array_equal(last(source, clips(), "SCHLIESSE DIE SCHUBLADE!"), score)


def test_letters_of_other_scripts_are_skipped_between_known_words(source: VLPReward) -> None:
    np.testing.assert_array_equal(
        last(source, clips(), "close the ящик drawer 🙂"), last(source, clips(), "close the drawer")
    )


def test_of_ten_thousand_letters_the_first_24_words_are_read(source: VLPReward) -> None:
    long, read = "close the drawer " * 600, "close the drawer " * 8
    np.testing.assert_array_equal(last(source, clips(), long), last(source, clips(), read))
    assert last(source, clips(), read) != last(source, clips(), "close the drawer " * 7)


# Batches -------------------------------------------------------------------------------------


def test_each_clip_of_a_batch_may_have_its_own_instruction(source: VLPReward) -> None:
    frames, texts = clips(4), ["go", "close the drawer with your hand", "go", "open the door"]
    rewards = source.rewards(SegmentBatch(frames=frames, instructions=texts))
    alone = [last(source, frames[i : i + 1], text)[0] for i, text in enumerate(texts)]
    np.testing.assert_allclose(rewards[:, -1], alone, rtol=1e-4)
    assert np.all(rewards[:, :-1] == 0)


def test_no_clips_get_no_scores(source: VLPReward) -> None:
    for given in (
        {"frames": np.zeros((0, 8, SIZE, SIZE, 3), np.uint8)},
        {"embeddings": np.zeros((0, 8, 1, 32), np.float32)},
    ):
        rewards = source.rewards(SegmentBatch(instructions=[], **given))
        assert rewards.shape == (0, 8) and rewards.dtype == np.float32


def test_thousands_of_clips_score_as_they_do_alone(source: VLPReward) -> None:
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(2000, 8, 1, 32)).astype(np.float32)
    texts = [("open the door", "close the drawer")[i % 2] for i in range(2000)]
    batch = SegmentBatch(
        embeddings=embeddings, first_embeddings=embeddings[::-1, 0], instructions=texts
    )
    scores = source.rewards(batch)[:, -1]
    for row in (0, 31, 32, 1024, 1999):
        np.testing.assert_allclose(
            source.rewards(batch.take([row]))[:, -1], scores[row], rtol=1e-4, atol=1e-5
        )
    assert len(np.unique(scores)) > 1900


def test_memory_for_a_batch_does_not_grow_with_its_clips(source: VLPReward) -> None:
    one = clips(1, 50)
    frames = np.broadcast_to(one, (256, *one.shape[1:]))  # 157 MB if it were copied
    batch = SegmentBatch(
        frames=frames, first_frames=frames[:, 0], instructions=["close the drawer"] * 256
    )
    tracemalloc.start()
    rewards = source.rewards(batch)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16e6  # 8 of the 50 pictures of 32 clips, twice, are 6 MB
    np.testing.assert_allclose(rewards[:, -1], rewards[0, -1], rtol=1e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_scores_like_the_cpu(source: VLPReward, weights: str) -> None:
    batch = SegmentBatch(
        frames=clips(40, 8),
        first_frames=clips(40, 1, seed=1)[:, 0],
        instructions=["open the door", "close the drawer"] * 20,
    )
    other = VLPReward(VLPConfig(weights), device="cuda")
    np.testing.assert_allclose(other.rewards(batch), source.rewards(batch), atol=1e-2)


def test_scores_are_standardised_with_the_statistics_of_the_weights(
    source: VLPReward, tmp_path: Path
) -> None:
    scaled = VLPReward(VLPConfig(save(tmp_path / "scaled.safetensors", mean=0.5, std=4.0)))
    expected = (last(source, clips(3)) - 0.5) / 4.0
    np.testing.assert_allclose(last(scaled, clips(3)), expected, rtol=1e-5)
