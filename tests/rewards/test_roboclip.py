from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from vlfeedback import make_reward_source
from vlfeedback.data.video import read_video, write_video
from vlfeedback.encoders.s3d import S3D, load_s3d
from vlfeedback.encoders.s3d_words import hashed_words
from vlfeedback.errors import FileFormatError, InvalidValueError, NeedsError, ShapeError
from vlfeedback.rewards.roboclip import RoboCLIPConfig, RoboCLIPReward
from vlfeedback.testing import RewardSourceContract
from vlfeedback.types import SegmentBatch

SMALL: dict[str, Any] = {"random_weights_seed": 0, "n_frames": 4}


def small(**settings: Any) -> RoboCLIPReward:
    return RoboCLIPReward(RoboCLIPConfig(**(SMALL | settings)))


@pytest.fixture(scope="module")
def network() -> S3D:
    """Held, so that all sources of this file share it."""
    return load_s3d(random_weights_seed=0)


@pytest.fixture(scope="module")
def source(network: S3D) -> RoboCLIPReward:
    return small()


def pictures(n: int, f: int, height: int = 16, width: int = 16, seed: int = 0) -> np.ndarray:
    """Blocks of 8 x 8 px of one colour each, which a video codec keeps."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(40, 216, (n, f, -(-height // 8), -(-width // 8), 3), dtype=np.uint8)
    return blocks.repeat(8, axis=2).repeat(8, axis=3)[:, :, :height, :width]


def last(source: RoboCLIPReward, frames: np.ndarray, text: str = "open drawer") -> np.ndarray:
    """The reward of each clip."""
    return source.rewards(SegmentBatch(frames=frames, instructions=[text] * len(frames)))[:, -1]


def tensor(frames: np.ndarray) -> Tensor:
    """As the network gets it: (N, 3, F, H, W) in [0, 1]."""
    return torch.from_numpy(frames).permute(0, 4, 1, 2, 3) / 255


class TestContract(RewardSourceContract):
    picture_size = 16

    @pytest.fixture
    def source(self, source: RoboCLIPReward) -> RoboCLIPReward:
        return source


class TestContractWithADemonstration(RewardSourceContract):
    picture_size = 16

    @pytest.fixture
    def source(self, network: S3D, tmp_path: Path) -> RoboCLIPReward:
        np.save(tmp_path / "demo.npy", pictures(1, 6)[0])
        return small(demo=str(tmp_path / "demo.npy"), frame_stride=1, batch_size=3)


# The value ---------------------------------------------------------------------------------------


@torch.inference_mode()
def test_the_reward_is_the_scalar_product_of_text_and_clip(tmp_path: Path) -> None:
    network = load_s3d(random_weights_seed=7)
    torch.save(network.state_dict(), tmp_path / "s3d_howto100m.pth")
    np.save(tmp_path / "s3d_dict.npy", np.array(["close", "the", "drawer", "open"]))
    config = RoboCLIPConfig(checkpoint=str(tmp_path / "s3d_howto100m.pth"), n_frames=4)
    source = RoboCLIPReward(config)  # finds the words beside the weights
    frames = pictures(2, 4)
    z = network.embed_words(torch.tensor([[4, 2, 3] + 13 * [0]]))[0]
    v = network(tensor(frames))
    assert abs(float((v[0] - v[1]) @ z)) > 1e-2  # two clips differ
    assert all(abs(length - 1) > 0.1 for length in v.norm(dim=1).tolist())  # and none has length 1
    np.testing.assert_allclose(last(source, frames, "Open the drawer"), v @ z, rtol=1e-4)
    with pytest.warns(UserWarning, match="does not know 'slowly'"):
        again = last(source, frames, "slowly open the drawer")
    np.testing.assert_allclose(again, v @ z, rtol=1e-4)
    with pytest.raises(InvalidValueError, match="knows no word of 'push'"):
        last(source, frames, "push")


@torch.inference_mode()
def test_values_reach_the_network_in_the_range_asked_for(network: S3D) -> None:
    frames = pictures(1, 4)
    z = network.embed_words(torch.from_numpy(hashed_words("open drawer"))[None])[0]
    for value_range, factor in (("0-1", 1), ("0-255", 255)):
        expected = network(factor * tensor(frames)) @ z
        rewards = last(small(value_range=value_range), frames)
        np.testing.assert_allclose(rewards, expected, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_a_demonstration_is_compared_by_its_clip(network: S3D, tmp_path: Path) -> None:
    demo, other = pictures(1, 4, seed=1), pictures(1, 4, seed=2)
    np.save(tmp_path / "demo.npy", demo[0])
    source = small(demo=str(tmp_path / "demo.npy"))
    assert not source.needs.instruction
    z, v = network(tensor(demo))[0], network(tensor(other))[0]
    for frames, expected in ((demo, z @ z), (other, z @ v)):
        rewards = source.rewards(SegmentBatch(frames=frames))
        np.testing.assert_allclose(rewards, [[0, 0, 0, float(expected)]], rtol=1e-4, atol=1e-4)


def test_a_demonstration_may_be_a_video_of_any_length(network: S3D, tmp_path: Path) -> None:
    write_video(tmp_path / "demo.mp4", pictures(1, 9, 24, 40)[0], fps=10.0)
    decoded = read_video(tmp_path / "demo.mp4")
    np.save(tmp_path / "chosen.npy", decoded[[0, 3, 5, 8]])  # 4 spread over 9
    video, array = (small(demo=str(tmp_path / name)) for name in ("demo.mp4", "chosen.npy"))
    batch = SegmentBatch(frames=pictures(2, 5))
    np.testing.assert_allclose(video.rewards(batch), array.rewards(batch), rtol=1e-5)


def test_bfloat16_gives_nearly_the_same(source: RoboCLIPReward) -> None:
    frames = pictures(2, 4)
    fast = small(precision="bfloat16")
    np.testing.assert_allclose(last(fast, frames), last(source, frames), rtol=0.1, atol=0.02)


# Which pictures, and which part of them ----------------------------------------------------------


@pytest.mark.parametrize(
    ("n_pictures", "chosen"),
    [
        (1, [0, 0, 0, 0]),
        (2, [0, 0, 1, 1]),
        (3, [0, 1, 1, 2]),
        (9, [0, 3, 5, 8]),
    ],
)
def test_pictures_are_spread_over_the_episode_and_repeated_where_there_are_few(
    source: RoboCLIPReward, n_pictures: int, chosen: list[int]
) -> None:
    frames = pictures(1, n_pictures)
    rewards = last(source, frames)
    np.testing.assert_allclose(rewards, last(source, frames[:, chosen]), rtol=1e-5)


def test_the_centre_of_large_pictures_is_read(network: S3D) -> None:
    frames = pictures(1, 4, 40, 36)
    cut = last(small(crop=16), frames)
    np.testing.assert_allclose(cut, last(small(), frames[:, :, 12:28, 10:26]), rtol=1e-5)
    assert not np.isclose(cut, last(small(), frames))


def test_small_pictures_are_cut_to_even_sides(source: RoboCLIPReward) -> None:
    frames = pictures(1, 4, 17, 21)
    even = last(source, frames[:, :, :16, :20])
    np.testing.assert_allclose(last(source, frames), even, rtol=1e-5)
    with pytest.raises(ShapeError, match="at least 2"):
        last(source, frames[:, :, :1])


def test_of_the_released_size_the_released_part_is_read(network: S3D) -> None:
    source = small(n_frames=2)
    frames = pictures(1, 2, 480, 640)
    changed = 255 - frames
    changed[:, :, 115:365, 195:445] = frames[:, :, 115:365, 195:445]
    np.testing.assert_array_equal(last(source, frames), last(source, changed))


def test_few_clips_are_encoded_at_a_time(network: S3D, monkeypatch: pytest.MonkeyPatch) -> None:
    source, sizes = small(batch_size=2), []
    prepare = source._videos._prepare

    def noting(clips: Tensor) -> Tensor:
        sizes.append(len(clips))
        return prepare(clips)

    monkeypatch.setattr(source._videos, "_prepare", noting)
    rewards = last(source, pictures(5, 4))
    assert sizes == [2, 2, 1]
    np.testing.assert_allclose(rewards, last(small(), pictures(5, 4)), rtol=1e-4, atol=1e-4)


def test_no_clips_have_no_rewards(source: RoboCLIPReward) -> None:
    batch = SegmentBatch(frames=pictures(2, 4), instructions=["open"] * 2)
    assert source.rewards(batch.take([])).shape == (0, 4)


# Settings ----------------------------------------------------------------------------------------


def test_what_it_needs_follows_from_its_settings() -> None:
    config = RoboCLIPConfig(random_weights_seed=0)
    needs = RoboCLIPReward(config).needs
    assert (needs.granularity, needs.frame_stride, needs.instruction) == ("episode", 4, True)
    dense = RoboCLIPReward(replace(config, frame_stride=1))
    assert dense.needs.frame_stride == 1
    assert len(np.arange(0, 128, needs.frame_stride)) == config.n_frames  # of the paper's episodes


def test_its_name_makes_it() -> None:
    source = make_reward_source("roboclip", random_weights_seed=0, n_frames=16)
    assert isinstance(source, RoboCLIPReward)
    assert source.config.n_frames == 16


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"n_frames": 31}, "n_frames=31; S3D reads an even number"),
        ({"n_frames": 0}, "n_frames=0"),
        ({"crop": 225}, "crop=225"),
        ({"value_range": "0-2"}, "value_range='0-2'; expected '0-1'"),
        ({"batch_size": 0}, "batch_size=0; expected at least 1 of the clips"),
    ],
)
def test_impossible_settings_are_refused(settings: Any, said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        small(**settings)


def test_without_weights_they_are_asked_for() -> None:
    with pytest.raises(NeedsError, match="S3D got no weights"):
        small(random_weights_seed=None)


def test_files_that_are_not_there_are_named(network: S3D, tmp_path: Path) -> None:
    for setting in ("words", "demo"):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            small(**{setting: str(tmp_path / "nowhere.npy")})
    np.save(tmp_path / "words.npy", np.arange(3))
    with pytest.raises(FileFormatError, match="int64"):
        small(words=str(tmp_path / "words.npy"))


def test_a_list_of_words_may_be_given_to_random_weights(network: S3D, tmp_path: Path) -> None:
    np.save(tmp_path / "words.npy", np.array(["open"]))
    source = small(words=str(tmp_path / "words.npy"))
    with pytest.raises(InvalidValueError, match="knows no word of 'close'"):
        last(source, pictures(1, 4), "close")


def test_a_batch_without_pictures_is_refused(source: RoboCLIPReward) -> None:
    with pytest.raises(NeedsError, match="'roboclip' reads pictures"):
        source.rewards(SegmentBatch(actions=np.zeros((1, 3, 2)), instructions=["open"]))


@pytest.mark.slow
def test_a_full_episode_of_the_released_size_is_scored(network: S3D) -> None:
    source = RoboCLIPReward(RoboCLIPConfig(random_weights_seed=0))
    steps = np.union1d(np.arange(0, 128, 4), [127])
    batch = SegmentBatch(
        frames=pictures(1, 33, 480, 640), instructions=["open"], frame_steps=steps, length=128
    )
    rewards = source.rewards(batch)
    assert np.flatnonzero(rewards).tolist() == [127]
