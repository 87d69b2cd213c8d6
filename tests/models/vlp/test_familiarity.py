import json
from dataclasses import asdict

import numpy as np
import pytest

from vlfeedback.errors import InvalidValueError
from vlfeedback.models.vlp.familiarity import UNFAMILIAR, PictureStatistics, measure_pictures
from vlfeedback.models.vlp.weights import bundled_weights, load_vlp


def lamps(n: int, seed: int = 0, *, at: int = 0) -> np.ndarray:
    """Pictures of dark walls with one lamp of changing brightness in a corner or another."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(20, 24, (n, 32, 32, 3))
    rows = slice(16 * (at // 2), 16 * (at // 2) + 16)
    columns = slice(16 * (at % 2), 16 * (at % 2) + 16)
    pictures[:, rows, columns] += rng.integers(60, 200, (n, 1, 1, 1))
    return pictures.astype(np.uint8)


@pytest.fixture(scope="module")
def statistics() -> PictureStatistics:
    return measure_pictures([lamps(150), lamps(50, seed=1)])


def test_pictures_of_the_training_lie_about_one_away(statistics: PictureStatistics) -> None:
    assert np.median(statistics.distances(lamps(100, seed=2))) < 1.5


def test_pictures_of_another_world_lie_beyond_the_limit(statistics: PictureStatistics) -> None:
    assert statistics.distances(lamps(20, at=3)).min() > UNFAMILIAR
    assert statistics.distances(np.zeros((1, 32, 32, 3), np.uint8)).min() > UNFAMILIAR


def test_no_pictures_have_no_distances(statistics: PictureStatistics) -> None:
    assert statistics.distances(np.zeros((0, 32, 32, 3), np.uint8)).shape == (0,)


def test_brightness_contrast_and_size_make_no_difference(statistics: PictureStatistics) -> None:
    pictures = lamps(20, seed=3) // 2
    expected = statistics.distances(pictures)
    np.testing.assert_allclose(statistics.distances(pictures + 30), expected)
    np.testing.assert_allclose(statistics.distances(pictures * 2), expected)
    larger = pictures.repeat(3, axis=1).repeat(3, axis=2)
    np.testing.assert_allclose(statistics.distances(larger), expected)


def test_the_distance_is_mahalanobis_with_a_tenth_of_the_mean_variance_added() -> None:
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(48, 48))
    covariance = basis @ basis.T
    statistics = PictureStatistics((0.0,) * 48, tuple(map(tuple, covariance.tolist())))
    picture = rng.integers(0, 256, (1, 4, 4, 3), dtype=np.uint8)  # 16 areas of one pixel
    colours = picture[0].reshape(16, 3).T.astype(np.float64)
    view = ((colours - colours.mean(1, keepdims=True)) / colours.std(1, keepdims=True)).ravel()
    widened = covariance + 0.1 * np.trace(covariance) / 48 * np.eye(48)
    expected = np.sqrt(view @ np.linalg.solve(widened, view) / 48)
    assert statistics.distances(picture)[0] == pytest.approx(expected)


def test_statistics_go_through_json(statistics: PictureStatistics) -> None:
    again = PictureStatistics.from_json(json.loads(json.dumps(asdict(statistics))))
    assert again == statistics


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": [0.0] * 3}, r"\(3,\)"),
        ({"covariance": [[0.0] * 48]}, r"\(1, 48\)"),
        ({"mean": [float("nan")] * 48}, "not finite"),
    ],
)
def test_statistics_of_another_size_or_without_a_number_are_refused(
    statistics: PictureStatistics, change: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidValueError, match=message):
        PictureStatistics.from_json(asdict(statistics) | change)


@pytest.mark.parametrize("name", sorted(bundled_weights()))
def test_bundled_weights_know_what_their_pictures_look_like(name: str) -> None:
    _, weights = load_vlp(name)
    assert weights.pictures is not None
    black = np.zeros((1, 112, 112, 3), np.uint8)
    assert weights.pictures.distances(black)[0] > UNFAMILIAR
