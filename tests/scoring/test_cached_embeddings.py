"""A cached source gives its source's rewards, and encodes each distinct picture once."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import open_clip
import pytest

import vlfeedback
from vlfeedback import (
    CachedEmbeddings,
    RewardFromSource,
    RewardSource,
    SegmentBatch,
    SourceNeeds,
    Trajectory,
)
from vlfeedback.encoders.batches import PictureEncoder
from vlfeedback.errors import FileFormatError, NeedsError
from vlfeedback.rewards import source_to_json
from vlfeedback.scoring import pictures as module
from vlfeedback.testing import (
    BrightnessConfig,
    BrightnessEmbedder,
    BrightnessReward,
    PointReachEnv,
    RewardSourceContract,
)
from vlfeedback.types import ArrayFrames, SegmentPairs, embedding_id


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "embeddings.sqlite"


class CountingEmbedder(BrightnessEmbedder):
    """Remembers the pictures that it encoded, by their first number."""

    def __init__(self, config: BrightnessConfig | None = None) -> None:
        super().__init__(config)
        self.encoded: list[int] = []

    def embed(self, frames: np.ndarray) -> np.ndarray:
        self.encoded += frames[:, 0, 0, 0].tolist()
        return super().embed(frames)


def pictures(*shades: int) -> np.ndarray:
    return np.stack([np.full((4, 4, 3), shade, np.uint8) for shade in shades])


def episode(length: int, first_shade: int = 0, **fields: Any) -> Trajectory:
    """The picture of state t has the shade first_shade + t."""
    return Trajectory(
        np.zeros((length + 1, 1), np.float32),
        np.zeros((length, 1), np.float32),
        frames=ArrayFrames(
            np.arange(length + 1), pictures(*range(first_shade, first_shade + length + 1))
        ),
        truncated=True,
        id=f"shades/{first_shade}",
        **fields,
    )


@pytest.fixture(scope="module")
def vlp() -> RewardSource:
    return vlfeedback.make_reward_source("vlp")


class TestCachedBrightness(RewardSourceContract):
    @pytest.fixture
    def source(self, path: Path) -> CachedEmbeddings:
        return CachedEmbeddings(BrightnessEmbedder(), path)


class TestCachedVLP(RewardSourceContract):
    """Its first pictures are embedded as well."""

    @pytest.fixture
    def source(self, vlp: RewardSource) -> CachedEmbeddings:
        return CachedEmbeddings(vlp)


# Encoding --------------------------------------------------------------------------------------


def test_each_distinct_picture_of_a_call_is_encoded_once_and_all_come_back_in_order() -> None:
    source = CountingEmbedder()
    embeddings = CachedEmbeddings(source).embed(pictures(51, 0, 51, 255, 0))
    np.testing.assert_allclose(embeddings, np.array([[0.2], [0], [0.2], [1], [0]]))
    assert source.encoded == [51, 0, 255]
    assert source.embedded == [3]


@pytest.mark.parametrize("on_disk", [True, False])
def test_what_one_source_encoded_another_looks_up(path: Path, on_disk: bool) -> None:
    place = path if on_disk else None
    first, second = CountingEmbedder(), CountingEmbedder()
    cached = CachedEmbeddings(first, place)
    cached.embed(pictures(1, 2))
    np.testing.assert_allclose(
        CachedEmbeddings(second, place).embed(pictures(2, 3)), [[2 / 255], [3 / 255]]
    )
    assert (first.encoded, second.encoded) == ([1, 2], [3])


def test_sources_of_other_settings_share_nothing(path: Path) -> None:
    first, second = CountingEmbedder(), CountingEmbedder(BrightnessConfig(frame_stride=2))
    for source in (first, second):
        CachedEmbeddings(source, path).embed(pictures(1))
    assert (first.encoded, second.encoded) == ([1], [1])


def test_sources_that_name_one_encoder_share_whatever_else_they_are(path: Path) -> None:
    class Named(CountingEmbedder):
        embedding_id = "brightness"

    first, second = Named(), Named(BrightnessConfig("window", context=3))
    for source in (first, second):
        CachedEmbeddings(source, path).embed(pictures(1))
    assert (first.encoded, second.encoded) == ([1], [])


def test_overlapping_segments_share_their_pictures(path: Path) -> None:
    source = CountingEmbedder(BrightnessConfig(frame_stride=2))
    cached = CachedEmbeddings(source, path)
    trajectory = episode(10)
    # Pictures after the steps 0, 2, 4 and 2, 4, 6: shades 1, 3, 5 and 3, 5, 7.
    segments = [trajectory.segment(0, 6), trajectory.segment(2, 6)]
    batch = SegmentBatch.from_segments(segments, needs=cached.needs)
    expected = np.array([[1, 1, 3, 3, 5, 5], [3, 3, 5, 5, 7, 7]]) / 255
    np.testing.assert_allclose(cached.rewards(batch), expected, rtol=1e-6)
    assert source.encoded == [1, 3, 5, 7]
    assert source.batch_sizes == [2]


def test_embeddings_that_are_given_are_neither_made_nor_looked_up(path: Path) -> None:
    source = CountingEmbedder()
    cached = CachedEmbeddings(source, path)
    batch = SegmentBatch(embeddings=np.array([[[0.5], [0.25]]], np.float32))
    np.testing.assert_array_equal(cached.rewards(batch), [[0.5, 0.25]])
    assert source.encoded == []


def test_no_pictures_have_no_embeddings(path: Path) -> None:
    assert CachedEmbeddings(BrightnessEmbedder(), path).embed(pictures(1)[:0]).shape == (0, 1)


def test_what_was_encoded_before_a_stop_is_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopping(CountingEmbedder):
        patience = 4

        def embed(self, frames: np.ndarray) -> np.ndarray:
            if len(self.encoded) == self.patience:
                raise KeyboardInterrupt
            return super().embed(frames)

    monkeypatch.setattr(module, "_AT_ONCE", 2)
    first, second = Stopping(), Stopping()
    with pytest.raises(KeyboardInterrupt):
        CachedEmbeddings(first, path).embed(pictures(*range(6)))
    assert len(CachedEmbeddings(second, path).embed(pictures(*range(6)))) == 6
    assert (first.encoded, second.encoded) == ([0, 1, 2, 3], [4, 5])


@pytest.mark.parametrize("on_disk", [True, False])
@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda source: pickle.loads(pickle.dumps(source))]
)
def test_a_copy_uses_the_same_cache(path: Path, on_disk: bool, duplicate: Any) -> None:
    source = CachedEmbeddings(BrightnessEmbedder(), path if on_disk else None)
    source.embed(np.full((1, 8, 8, 3), 7, np.uint8))
    again = duplicate(source)
    again.embed(np.full((1, 8, 8, 3), 7, np.uint8))
    assert again.wrapped.embedded == [1]  # by the first: the copy brought its record along
    again.embed(np.full((1, 8, 8, 3), 8, np.uint8))
    source.embed(np.full((1, 8, 8, 3), 8, np.uint8))
    assert again.wrapped.embedded == [1, 1]


def test_threads_share_a_cached_source(path: Path) -> None:
    source = CachedEmbeddings(BrightnessEmbedder(), path)
    picture = np.full((1, 8, 8, 3), 51, np.uint8)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(source.embed, [picture] * 8))
    np.testing.assert_allclose(found, np.full((8, 1, 1), 0.2), rtol=1e-6)


def test_embeddings_are_the_callers_own() -> None:
    cached = CachedEmbeddings(CountingEmbedder())
    cached.embed(pictures(9))[:] = 7
    np.testing.assert_allclose(cached.embed(pictures(9)), [[9 / 255]])


# Around the other verbs ------------------------------------------------------------------------


def test_an_environment_gets_the_rewards_of_the_source(path: Path) -> None:
    def rewards(source: Any) -> list[float]:
        env: gym.Env[Any, Any] = PointReachEnv(steps=5, render_mode="rgb_array")
        env = RewardFromSource(env, source)
        env.reset(seed=0)
        return [float(env.step(np.ones(1, np.float32))[1]) for _ in range(4)]

    source = CountingEmbedder()
    cached = CachedEmbeddings(source, path)
    expected = rewards(BrightnessReward())
    assert rewards(cached) == pytest.approx(expected)
    n_encoded = len(source.encoded)
    assert rewards(cached) == pytest.approx(expected)
    assert len(source.encoded) == n_encoded == 4


def test_relabelling_goes_on_with_or_without_the_cache(path: Path, tmp_path: Path) -> None:
    data = [episode(5), episode(5, first_shade=3)]
    folder = tmp_path / "rewards"
    begun = vlfeedback.relabel(
        data, CachedEmbeddings(BrightnessEmbedder(), path), resume=folder, batch_size=5
    )
    next(begun)
    source = BrightnessEmbedder()
    relabelled = list(vlfeedback.relabel(data, source, resume=folder, batch_size=5))
    assert source.embedded == [5]  # the second episode alone
    for trajectory, shades in zip(relabelled, ([1, 2, 3, 4, 5], [4, 5, 6, 7, 8]), strict=True):
        np.testing.assert_allclose(np.asarray(trajectory.rewards) * 255, shades, 1e-6)


def test_relabelling_with_other_settings_encodes_nothing_again(path: Path) -> None:
    first, second = CountingEmbedder(), CountingEmbedder()
    for source in (first, second):
        list(vlfeedback.relabel([episode(5)], CachedEmbeddings(source, path)))
    assert (first.encoded, second.encoded) == ([1, 2, 3, 4, 5], [])


def test_labels_name_the_source(vlp: RewardSource) -> None:
    plain, cached = (
        vlfeedback.PreferenceFromReward(source) for source in (vlp, CachedEmbeddings(vlp))
    )
    assert cached.config == plain.config
    assert cached.config.reward == "vlfeedback.rewards.vlp:VLPReward"


def test_a_source_goes_to_json_as_itself(vlp: RewardSource) -> None:
    description = {"type": "vlp", "params": {"weights": "mt50"}, "version": 1}
    assert source_to_json(CachedEmbeddings(vlp)) == description


def test_pairs_that_share_segments_are_labelled_from_one_encoding(path: Path) -> None:
    source = CountingEmbedder()
    labeller = vlfeedback.PreferenceFromReward(CachedEmbeddings(source, path))
    dark, bright = episode(4, 0).segment(0, 4), episode(4, 100).segment(0, 4)
    needs = labeller.needs
    pairs = SegmentPairs(
        SegmentBatch.from_segments([dark, bright], needs=needs),
        SegmentBatch.from_segments([bright, dark], needs=needs),
    )
    np.testing.assert_array_equal(labeller.label(pairs).prefer_second, [1, 0])
    assert sorted(source.encoded) == [1, 2, 3, 4, 101, 102, 103, 104]


def test_another_alpha_or_another_source_of_one_encoder_encodes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_clip.add_model_config(Path(__file__).parents[1] / "encoders" / "tiny_clip")
    encoded: list[int] = []

    def counting(encoder: PictureEncoder, frames: np.ndarray) -> np.ndarray:
        encoded.append(len(frames))
        return embed(encoder, frames)

    embed = PictureEncoder.embed
    monkeypatch.setattr(PictureEncoder, "embed", counting)
    batch = SegmentBatch(frames=pictures(1, 2, 3)[None], instructions=["close the drawer"])
    settings: dict[str, Any] = {"architecture": "tiny", "random_weights_seed": 0}
    for name, changes in (
        ("vlm_rm", {"alpha": 0.5, "baseline": "a room", "preprocess": "openclip"}),
        ("vlm_rm", {"alpha": 0.0, "baseline": "a room", "preprocess": "openclip"}),
        ("clip", {}),
        ("clip", {"frame_stride": 2}),
    ):
        source = vlfeedback.make_reward_source(name, **settings, **changes)
        np.testing.assert_allclose(
            CachedEmbeddings(source, path).rewards(batch), source.rewards(batch), atol=1e-6
        )
    assert encoded == [3, 3, 3, 3, 3]  # once for the cache, and once for each comparison


# What is refused -------------------------------------------------------------------------------


def test_a_source_that_embeds_nothing_is_refused(path: Path) -> None:
    with pytest.raises(TypeError, match=r"BrightnessReward .* embeds no pictures, so there is"):
        CachedEmbeddings(BrightnessReward(), path)
    assert not path.exists()


def test_a_source_that_reads_no_pictures_is_refused() -> None:
    source = BrightnessEmbedder()
    source.needs = SourceNeeds(observations=True)
    with pytest.raises(TypeError, match="BrightnessEmbedder reads no pictures as it is set up"):
        CachedEmbeddings(source)


def test_a_source_that_says_nothing_of_its_embeddings_is_refused() -> None:
    class Nameless:
        needs = SourceNeeds(frames=True)

        def rewards(self, batch: SegmentBatch) -> Any: ...

        def embed(self, frames: np.ndarray) -> Any: ...

    with pytest.raises(NeedsError, match=r"Nameless does not say .* property embedding_id: str"):
        CachedEmbeddings(Nameless())


def test_two_sources_under_one_name_are_found_out(path: Path) -> None:
    class Other(CountingEmbedder):
        def embed(self, frames: np.ndarray) -> np.ndarray:
            return np.repeat(super().embed(frames), 2, axis=1)

    first, second = CountingEmbedder(), Other()
    first.embedding_id = second.embedding_id = "same"  # type: ignore[attr-defined]
    CachedEmbeddings(first, path).embed(pictures(1))
    with pytest.raises(FileFormatError, match=r"shapes \[\(1,\), \(2,\)\] under the name 'same'"):
        CachedEmbeddings(second, path).embed(pictures(1, 2))


# Names -----------------------------------------------------------------------------------------


def test_the_name_of_embeddings_follows_the_encoder(vlp: RewardSource) -> None:
    encoder = BrightnessEmbedder()
    assert embedding_id(encoder) == embedding_id(CachedEmbeddings(encoder))
    assert embedding_id(encoder) == (
        "vlfeedback.testing.brightness:BrightnessEmbedder "
        '{"context": 1, "frame_stride": 1, "granularity": "step"}'
    )
    other = vlfeedback.make_reward_source("vlp", weights="mt45")
    again = vlfeedback.make_reward_source("vlp", weights="mt50")
    mt45, mt50, anew = (CachedEmbeddings(source).embedding_id for source in (other, vlp, again))
    assert mt50 == anew != mt45


def test_a_batch_keeps_all_else_it_has() -> None:
    seen: list[SegmentBatch] = []

    class Watching(BrightnessEmbedder):
        def rewards(self, batch: SegmentBatch) -> np.ndarray:
            seen.append(batch)
            return super().rewards(batch)

    batch = SegmentBatch(
        frames=pictures(1, 2)[None],
        first_frames=pictures(0),
        frame_steps=np.array([0, 2]),
        mask=np.array([[True, True, True, False]]),
        instructions=["brighten up"],
        length=4,
    )
    CachedEmbeddings(Watching()).rewards(batch)
    (given,) = seen
    assert given.frames is None and given.first_frames is None
    assert given.embeddings is not None and given.first_embeddings is not None
    restored = replace(
        given,
        frames=batch.frames,
        embeddings=None,
        first_frames=batch.first_frames,
        first_embeddings=None,
    )
    for name in ("frame_steps", "mask", "instructions", "length"):
        assert getattr(restored, name) is getattr(batch, name)
