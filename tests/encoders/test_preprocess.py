from typing import Any

import numpy as np
import pytest
import torch

from vlfeedback.encoders.preprocess import CLIP_MEAN, CLIP_STD, Preprocess
from vlfeedback.errors import InvalidValueError

MEAN, STD = (0.5, 0.25, 0.0), (0.5, 0.25, 1.0)


def levels(frames: np.ndarray, **settings: Any) -> np.ndarray:
    """What reaches the network, in grey levels of 255."""
    size = settings.pop("size", 32)
    preprocess = Preprocess(size, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), **settings)
    return preprocess(torch.from_numpy(frames)).numpy() * 255


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


def test_each_channel_is_scaled_to_one_then_shifted_and_divided() -> None:
    frames = np.full((1, 4, 4, 3), (255, 51, 102), np.uint8)
    prepared = Preprocess(4, MEAN, STD)(torch.from_numpy(frames))
    assert prepared.shape == (1, 3, 4, 4)
    assert prepared.dtype == torch.float32
    # (1 - 0.5) / 0.5, (0.2 - 0.25) / 0.25, (0.4 - 0) / 1
    np.testing.assert_allclose(prepared[0, :, 0, 0], [1, -0.2, 0.4], rtol=1e-6)
    assert prepared.is_contiguous()


def test_pictures_are_left_as_they_were() -> None:
    for arithmetic in ("uint8", "float", "pil"):
        frames = torch.from_numpy(noise(2, 32, 32))
        before = frames.clone()
        Preprocess(32, CLIP_MEAN, CLIP_STD, arithmetic=arithmetic)(frames)
        assert torch.equal(frames, before)


def test_pictures_of_the_right_size_are_only_scaled() -> None:
    frames = noise(2, 32, 32)
    for arithmetic in ("uint8", "float", "pil"):
        np.testing.assert_allclose(
            levels(frames, arithmetic=arithmetic), frames.transpose(0, 3, 1, 2), atol=1e-3
        )


def test_the_shortest_edge_is_resized_and_the_centre_cut_out() -> None:
    # Three squares side by side: only the one in the middle is left.
    frames = np.zeros((1, 8, 24, 3), np.uint8)
    frames[:, :, 8:16] = 100
    np.testing.assert_array_equal(levels(frames, size=8).round(), 100)


def test_squashing_shows_all_of_an_oblong_picture() -> None:
    frames = np.zeros((1, 32, 64, 3), np.uint8)
    frames[:, :, 32:] = 200
    seen = levels(frames, resize_mode="squash", interpolation="bilinear")[0, 0]
    assert seen[:, :15].max() == 0
    np.testing.assert_allclose(seen[:, 17:], 200, atol=1e-3)


def test_a_larger_resize_cuts_the_border_off() -> None:
    frames = np.zeros((1, 64, 64, 3), np.uint8)
    frames[:, 16:48, 16:48] = 50
    np.testing.assert_allclose(levels(frames, resize=64), 50, atol=1e-3)


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("shape", [(48, 48), (40, 100), (100, 100)])
def test_whole_batches_are_within_two_grey_levels_of_pil_even_on_noise(
    shape: tuple[int, int], interpolation: str
) -> None:
    frames = noise(3, *shape)
    exact = levels(frames, arithmetic="pil", interpolation=interpolation)
    assert np.abs(levels(frames, interpolation=interpolation) - exact).max() < 2.01


def test_floats_are_not_rounded_and_within_two_levels_of_pil_away_from_black_and_white() -> None:
    frames = noise(2, 100, 100) // 2 + 64  # only floats overshoot 0 and 255
    gap = np.abs(levels(frames, arithmetic="float") - levels(frames, arithmetic="pil"))
    assert 0.1 < gap.max() < 1.5


def test_antialiasing_averages_what_shrinking_would_skip() -> None:
    frames = np.zeros((1, 64, 64, 3), np.uint8)
    frames[:, :, ::8] = 255  # a line in every eighth column
    settings: dict[str, Any] = {"size": 8, "interpolation": "bilinear"}
    smooth, rough = (levels(frames, antialias=on, **settings)[0, 0] for on in (True, False))
    np.testing.assert_allclose(smooth[:, 2:6], 255 / 8, atol=1.5)
    np.testing.assert_array_equal(rough, 0)  # columns 3 and 4 of each eight, where no line is


def test_a_picture_does_not_depend_on_the_others() -> None:
    frames = noise(3, 50, 70)
    together = levels(frames)
    for row, frame in enumerate(frames):
        np.testing.assert_array_equal(levels(frame[None])[0], together[row])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"resize_mode": "longest"}, r"resize_mode='longest'; supported are 'shortest', 'squash'"),
        ({"arithmetic": "int4"}, r"arithmetic='int4'; supported are 'uint8', 'float', 'pil'"),
        ({"interpolation": "cubic"}, r"interpolation='cubic'; supported are 'bicubic', 'bilinear'"),
        ({"resize": 30}, r"resize=30 px before a square of 32 px is cut out"),
    ],
)
def test_what_no_encoder_does_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        levels(noise(1, 32, 32), **settings)
