from dataclasses import replace

import numpy as np
import pytest

from vlfeedback.collecting import picture_task, retake_episodes
from vlfeedback.errors import NeedsError
from vlfeedback.tasks import TaskSpec, get_task, own_task


def grey(task: TaskSpec) -> np.ndarray:
    return np.full((4, 4, 3), len(task.name), np.uint8)


def test_a_task_looks_as_its_reset_does(walk: TaskSpec) -> None:
    picture = picture_task(walk)
    assert picture.shape == (12, 20, 3) and not picture.any()
    assert picture_task(get_task("cart-pole-balance")).shape == (200, 200, 3)


def test_a_task_may_bring_a_picture_of_its_own(walk: TaskSpec) -> None:
    assert (picture_task(replace(walk, picture=f"{__name__}:grey")) == 4).all()


def test_a_task_without_an_environment_has_no_picture() -> None:
    with pytest.raises(NeedsError, match="'seen' names no environment"):
        picture_task(own_task("", "see", name="seen"))


def test_episodes_of_a_task_that_cannot_be_played_again_are_refused(walk: TaskSpec) -> None:
    with pytest.raises(NeedsError, match="'walk' cannot be seen by another camera"):
        list(retake_episodes(walk, [], "top", frame_size=8))
