import numpy as np
import pytest

from vlfeedback.errors import NeedsError
from vlfeedback.figures.inline_picture import data_uri
from vlfeedback.figures.level_curves import draw_cameras, draw_levels, draw_views
from vlfeedback.scoring.curves import CameraScores, ScoreCurve
from vlfeedback.types import ArrayFrames, Trajectory


def episode(brightness: int) -> Trajectory:
    times = np.arange(0, 21, 5)
    return Trajectory(
        observations=np.zeros((21, 1), np.float32),
        actions=np.zeros((20, 1), np.float32),
        successes=np.arange(20) >= 12,
        frames=ArrayFrames(times, np.full((5, 8, 8, 3), brightness, np.uint8)),
    )


def test_levels_stand_side_by_side_to_one_scale_with_films_below() -> None:
    steps = np.array([4, 9, 14])
    scores = np.array([0, 1, 2], np.float32)
    figure = draw_levels(
        {
            "expert": ScoreCurve(
                episode(200), steps, scores, backwards=np.array([4, 3], np.float32)
            ),
            "random": ScoreCurve(episode(0), steps, -scores),
        },
        unit="vlp",
    )
    expert, film, random, _ = figure.axes
    forwards, backwards, success = expert.lines
    assert forwards.get_ydata().tolist() == [0, 1, 2]  # type: ignore[union-attr]
    assert backwards.get_xdata().tolist() == [4, 9]  # type: ignore[union-attr]
    assert np.asarray(success.get_xdata()).tolist() == [12, 12]
    # From -2 to 4, and 8 % of that range on either side.
    assert expert.get_ylim() == random.get_ylim() == pytest.approx((-2.48, 4.48))
    assert film.get_xticklabels()[0].get_text() == "step 4"
    assert np.asarray(film.images[0].get_array()).max() == 255  # white between pictures of 200
    assert (expert.get_ylabel(), random.get_ylabel()) == ("vlp", "")


def test_a_constant_score_is_drawn_too() -> None:
    curve = ScoreCurve(episode(0), np.array([4]), np.zeros(1, np.float32))
    assert data_uri(draw_levels({"expert": curve}, unit="x")).startswith(
        "data:image/png;base64,iVB"
    )


def test_an_episode_without_pictures_is_refused() -> None:
    blind = Trajectory(np.zeros((2, 1), np.float32), np.zeros((1, 1), np.float32))
    with pytest.raises(NeedsError, match="has no pictures"):
        draw_levels({"expert": ScoreCurve(blind, np.array([0]), np.zeros(1, np.float32))}, unit="x")


def test_two_cameras_are_compared_by_ranks() -> None:
    scores = CameraScores(np.array([0.1, 9.0, 0.2]), np.array([3.0, 2.0, 1.0]))
    figure = draw_cameras(scores, cameras=("a", "b"))
    points = np.asarray(figure.axes[0].collections[0].get_offsets())
    assert points.tolist() == [[0, 2], [2, 1], [1, 0]]
    assert figure.axes[0].get_xlabel() == "rank seen by a"


def test_views_show_the_first_picture_of_each_camera() -> None:
    figure = draw_views(episode(10), episode(20), names=("near", "far"))
    assert [axes.get_title() for axes in figure.axes] == ["near", "far"]
    assert [int(np.asarray(axes.images[0].get_array()).max()) for axes in figure.axes] == [10, 20]
