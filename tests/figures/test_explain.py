"""Heat maps with values known by hand, and pictures and films that are read back."""

from pathlib import Path

import numpy as np
import pytest

from vlfeedback.data.video import read_video, write_video
from vlfeedback.figures.explain import (
    explanation_film,
    explanation_sheet,
    heat_maps,
    overlay,
)
from vlfeedback.models.vlp.attention import SegmentAttention

FRAMES = np.full((3, 40, 60, 3), 128, dtype=np.uint8)


@pytest.fixture
def attention() -> SegmentAttention:
    """Of two words to the four places of two pictures; the second word looks at one place only."""
    looks = np.zeros((2, 2, 2, 2), np.float32)
    looks[0] = 1 / 8
    looks[1, 1, 0, 1] = 1.0
    saliency = np.zeros((2, 4, 4), np.float32)
    saliency[0, 0, 0] = 3.0
    return SegmentAttention(("close", "drawer"), np.array([0, 2]), looks, saliency)


def test_heat_maps_have_the_size_of_the_pictures_and_run_from_zero_to_one() -> None:
    values = np.array([[[0.0, 0.0], [0.0, 4.0]], [[2.0, 2.0], [2.0, 2.0]]], np.float32)
    maps = heat_maps(values, 40, 60)
    assert maps.shape == (2, 40, 60) and maps.dtype == np.float32
    assert maps.min() == 0.0 and maps.max() == 1.0
    np.testing.assert_allclose(maps[1], 0.5, atol=1e-6)
    assert maps[0, :10, :15].max() < 0.05 < 0.95 < maps[0, -5:, -5:].min()


def test_heat_may_be_measured_by_more_than_the_clip_reaches() -> None:
    values = np.full((1, 2, 2), 0.25, np.float32)
    np.testing.assert_allclose(heat_maps(values, 8, 8, hottest=0.5), 0.5)
    np.testing.assert_allclose(heat_maps(values, 8, 8, hottest=0.1), 1.0)
    np.testing.assert_array_equal(heat_maps(0 * values, 8, 8), np.zeros((1, 8, 8), np.float32))


def test_a_cold_place_shows_the_picture_and_a_hot_one_is_red() -> None:
    values = np.zeros((3, 2, 2), np.float32)
    values[2] = 1.0
    shown = overlay(FRAMES, values)
    assert shown.shape == FRAMES.shape and shown.dtype == np.uint8
    np.testing.assert_array_equal(shown[:2], FRAMES[:2])
    red, green, blue = shown[2].reshape(-1, 3).T.astype(int)
    assert (red > green + 30).all() and (red > blue + 30).all()


def test_the_sheet_has_a_row_of_pictures_of_attention_and_of_saliency(
    attention: SegmentAttention,
) -> None:
    captions = ["reset", "step 3", "step 10"]
    sheet = explanation_sheet(FRAMES, attention, captions, title="“close the drawer”")
    # Two pictures of 40 x 60 enlarged to 224 x 336 stand in each of three rows.
    assert sheet.shape[1] == 2 * 336 + 4 + 16
    assert 3 * 224 < sheet.shape[0] < 3 * 224 + 200
    word = explanation_sheet(FRAMES, attention, captions, title="“close the drawer”", word="drawer")
    assert np.abs(word.astype(int) - sheet).max() > 100


def test_the_film_is_as_long_as_the_clip_and_readable(
    attention: SegmentAttention, tmp_path: Path
) -> None:
    film = explanation_film(FRAMES, attention, ["reset", "step 3", "step 10"], title="x" * 300)
    assert film.shape[0] == 2 and film.shape[2] == 3 * 336 + 2 * 4 + 16
    write_video(tmp_path / "film.mp4", film, fps=2.0)
    again = read_video(tmp_path / "film.mp4", longest_side=10_000)
    assert again.shape[0] == 2
    assert np.abs(again[:, : film.shape[1], : film.shape[2]].astype(int) - film).mean() < 5
