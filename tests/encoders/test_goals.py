from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vlfeedback.encoders.goals import Goal, read_picture
from vlfeedback.errors import FileFormatError, NeedsError, ShapeError


def save(path: Path, shade: int = 10, size: tuple[int, int] = (4, 4), mode: str = "RGB") -> str:
    Image.new("RGB", size, (shade, shade, shade)).convert(mode).save(path)
    return str(path)


class Mean:
    """The mean of each picture and 1; remembers the shapes it got."""

    def __init__(self) -> None:
        self.got: list[tuple[int, ...]] = []

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        self.got.append(frames.shape)
        means = frames.mean(axis=(1, 2, 3))
        return np.stack([means, np.ones_like(means)], axis=1).astype(np.float32)


def test_one_picture_has_its_own_features(tmp_path: Path) -> None:
    goal = Goal("liv", save(tmp_path / "goal.png", 30), Mean())
    np.testing.assert_array_equal(goal.features, [30, 1])
    assert goal.features.dtype == np.float32


def test_several_pictures_have_their_mean_whatever_their_sizes(tmp_path: Path) -> None:
    embed = Mean()
    paths = [save(tmp_path / "a.png", 10), save(tmp_path / "b.png", 40, size=(8, 8))]
    goal = Goal("liv", paths, embed)
    assert embed.got == []  # nothing is encoded before it is asked for
    for _ in range(2):
        np.testing.assert_array_equal(goal.features, [25, 1])
    assert embed.got == [(1, 4, 4, 3), (1, 8, 8, 3)]


def test_distances_are_euclidean(tmp_path: Path) -> None:
    goal = Goal("liv", save(tmp_path / "goal.png", 30), Mean())
    features = np.array([[[33, 5], [30, 1]]], np.float32)  # gaps of (3, 4) and (0, 0)
    np.testing.assert_array_equal(goal.distances(features), [[5, 0]])


def test_features_of_another_encoder_are_refused(tmp_path: Path) -> None:
    goal = Goal("liv", save(tmp_path / "goal.png"), Mean())
    with pytest.raises(ShapeError, match=r"'liv' got features of 3 numbers .* expected 2, as"):
        goal.distances(np.zeros((1, 3), np.float32))


@pytest.mark.parametrize("missing", [None, [], ""])
def test_a_goal_that_is_not_given_is_asked_for(missing: str | list[str] | None) -> None:
    with pytest.raises(NeedsError, match=r"'liv' compares .* pass goal='goal\.png', such as"):
        Goal("liv", missing, Mean())


def test_a_view_of_another_shape_is_refused(tmp_path: Path) -> None:
    goal = Goal("liv", save(tmp_path / "goal.png", size=(100, 75)), Mean())
    goal.check_same_view(np.zeros((2, 75, 100, 3), np.uint8))
    goal.check_same_view(np.zeros((2, 3, 225, 300, 3), np.uint8))  # larger, and a batch of segments
    goal.check_same_view(np.zeros((1, 38, 50, 3), np.uint8))  # 37.5 in whole pixels
    with pytest.raises(ShapeError, match=r"of 100 x 75 px and the environment's have 100 x 100"):
        goal.check_same_view(np.zeros((1, 100, 100, 3), np.uint8))
    with pytest.raises(ShapeError, match="environment's have 75 x 100"):
        goal.check_same_view(np.zeros((1, 100, 75, 3), np.uint8))


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA"])
def test_pictures_of_any_mode_are_read_as_rgb(tmp_path: Path, mode: str) -> None:
    picture = read_picture(Path(save(tmp_path / "goal.png", 20, size=(3, 2), mode=mode)))
    assert picture.shape == (2, 3, 3)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, 20)


def test_files_that_are_no_pictures_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No picture .*nowhere\.png"):
        Goal("liv", str(tmp_path / "nowhere.png"), Mean())
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(FileFormatError, match=r"text\.png is no readable picture: .* Pass a PNG"):
        read_picture(tmp_path / "text.png")
    whole = Path(save(tmp_path / "goal.png", size=(300, 300))).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileFormatError, match=r"cut\.png is no readable picture"):
        read_picture(tmp_path / "cut.png")
