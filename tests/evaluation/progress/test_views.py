"""Other colours and light of the same pictures, and what they change of scores."""

import numpy as np
import pytest
from tests.evaluation.progress.bright_clips import bright_clips, episode, scored

from vlfeedback.evaluation.diagnosis.metrics import NotApplicable
from vlfeedback.evaluation.progress.other_views import rank_agreement, view_figures
from vlfeedback.evaluation.progress.views import repainted
from vlfeedback.evaluation.resampling import Resampled
from vlfeedback.rewards.env_reward import EnvReward
from vlfeedback.types import ArrayFrames, Trajectory


def painted(colour: tuple[int, int, int], view: str) -> list[int]:
    pictures = np.broadcast_to(np.array(colour, np.uint8), (1, 2, 2, 3)).copy()
    trajectory = Trajectory(
        observations=np.zeros((2, 1), np.float32),
        actions=np.zeros((1, 1), np.float32),
        frames=ArrayFrames(np.array([0]), pictures),
    )
    frames = repainted(trajectory, view).frames
    assert frames is not None
    picture = frames.read([0])
    assert picture.dtype == np.uint8
    return [int(number) for number in picture[0, 0, 0]]


def test_less_light_is_60_percent_of_each_number() -> None:
    assert painted((0, 100, 250), "dark") == [0, 60, 150]


def test_more_light_is_cut_at_white() -> None:
    assert painted((0, 100, 250), "bright") == [0, 140, 255]


def test_turned_hues_leave_grey_as_it_is() -> None:
    assert painted((90, 90, 90), "colours") == [90, 90, 90]


def test_turned_by_60_degrees_red_is_no_longer_red() -> None:
    # First column of the matrix at 60 degrees: 0.213 + 0.787 / 2 - 0.213 * 0.866 = 0.422,
    # 0.213 - 0.213 / 2 + 0.143 * 0.866 = 0.2303, 0.213 - 0.213 / 2 - 0.787 * 0.866 = -0.575.
    assert painted((200, 0, 0), "colours") == [84, 46, 0]


def test_what_goes_by_brightness_ranks_moments_alike_in_less_light() -> None:
    clips = bright_clips()
    figures = view_figures(scored(clips), clips.bootstrap())
    values = {name: f.value for name, f in figures.items() if isinstance(f, Resampled)}
    assert values["dark_order"] == 1.0
    assert values["dark_agreement"] == pytest.approx(1.0)
    assert figures["camera_order"] == NotApplicable("There are no pictures of another camera.")


def test_a_source_without_pictures_has_no_other_views() -> None:
    clips = bright_clips()
    figures = view_figures(scored(clips, EnvReward()), clips.bootstrap())
    assert set(map(repr, figures.values())) == {repr(NotApplicable("It reads no pictures."))}


def test_another_camera_may_turn_the_order_round() -> None:
    clips = bright_clips()
    turned = {
        t: episode((200, 150, 100, 50, 0), "expert", 9, reward=1, succeeds=True)
        for t in clips.experts
    }
    object.__setattr__(clips, "other_camera", turned)
    figures = view_figures(scored(clips), clips.bootstrap())
    order, agreement = figures["camera_order"], figures["camera_agreement"]
    assert isinstance(order, Resampled) and isinstance(agreement, Resampled)
    assert order.value == agreement.value == -1.0


def test_agreement_is_spearmans_of_all_moments() -> None:
    first, second = [np.array([1.0, 4.0]), np.array([9.0])], [np.array([2.0, 7.0]), np.array([3.0])]
    weights = np.array([[1, 1], [2, 0], [0, 2]])
    figure = rank_agreement(first, second, weights)
    assert figure.value == pytest.approx(0.5)  # ranks 1, 2, 3 and 1, 3, 2
    # The first episode alone rises in both; the second alone has one moment, and no order.
    assert figure.draws.tolist() == pytest.approx([0.5, 1.0, 0.0])
