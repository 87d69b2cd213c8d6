"""Episodes played again, seen by their own camera and by another."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("metaworld")

from vlfeedback.errors import NeedsError, RenderError
from vlfeedback.types import Trajectory
from vlfeedback_envs.metaworld import MetaWorldView
from vlfeedback_envs.replay import retake
from vlfeedback_envs.scripted import rollout_level


@pytest.fixture(scope="module")
def view() -> Iterator[MetaWorldView]:
    made = MetaWorldView("drawer-close", render_mode="rgb_array", size=16)
    yield made
    made.close()


@pytest.fixture(scope="module")
def episode(view: MetaWorldView) -> Trajectory:
    return rollout_level(view, "medium", seed=5, horizon=30, frame_stride=10, frame_size=8)


def pictures(trajectory: Trajectory) -> np.ndarray:
    assert trajectory.frames is not None
    return trajectory.frames.read(trajectory.frames.times)


def test_the_same_camera_takes_the_same_pictures(view: MetaWorldView, episode: Trajectory) -> None:
    again = retake(view, episode, frame_size=8)
    assert again.frames is not None and again.frames.times.tolist() == [0, 1, 11, 21]
    np.testing.assert_array_equal(pictures(again), pictures(episode))


def test_another_camera_takes_other_pictures_of_the_same_episode(episode: Trajectory) -> None:
    other = MetaWorldView("drawer-close", render_mode="rgb_array", size=16, camera="corner2")
    again = retake(other, episode, frame_size=8)
    other.close()
    assert pictures(again).shape == pictures(episode).shape
    assert np.all(np.any(pictures(again) != pictures(episode), axis=(1, 2, 3)))
    assert again.actions is episode.actions and again.facts() == episode.facts()


def test_an_episode_of_another_simulator_is_refused(
    view: MetaWorldView, episode: Trajectory
) -> None:
    elsewhere = replace(episode, observations=episode.observations + np.float32(0.1))
    with pytest.raises(RenderError, match=r"ends 0\.1 away from where it ended"):
        retake(view, elsewhere, frame_size=8)


def test_an_episode_that_does_not_tell_how_it_began_is_refused(
    view: MetaWorldView, episode: Trajectory
) -> None:
    with pytest.raises(NeedsError, match=r"no seed to play it again"):
        retake(view, replace(episode, seed=None), frame_size=8)
