from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vlfeedback.errors import NeedsError
from vlfeedback.evaluation.diagnosis.episodes import (
    choose_episodes,
    choose_goal_episode,
    write_goal,
)
from vlfeedback.types import ArrayFrames, Trajectory


def of_level(trajectories: list[Trajectory], level: str) -> list[Trajectory]:
    return [t for t in trajectories if t.level == level]


def test_as_many_episodes_of_each_level_are_evaluated_as_asked(
    trajectories: list[Trajectory],
) -> None:
    chosen, rest = choose_episodes(trajectories, 3)
    assert chosen == trajectories[:3] + trajectories[4:7]
    assert rest == [trajectories[3], trajectories[7]]


def test_episodes_without_a_level_are_refused_with_what_to_do(
    trajectories: list[Trajectory],
) -> None:
    with pytest.raises(NeedsError, match=r"None of 4 episodes has level == 'random'"):
        choose_episodes(of_level(trajectories, "expert"), 3)


def test_episodes_without_rewards_are_refused(trajectories: list[Trajectory]) -> None:
    blank = [replace(trajectories[0], env_rewards=None), *trajectories[1:]]
    with pytest.raises(NeedsError, match="has no rewards of the environment"):
        choose_episodes(blank, 3)


def test_the_goal_is_shown_by_an_expert_that_is_not_evaluated(
    trajectories: list[Trajectory],
) -> None:
    experts = of_level(trajectories, "expert")
    done = replace(experts[3], successes=np.arange(21) > 5)
    evaluated, rest = experts[:2], [experts[2], done]
    assert choose_goal_episode(evaluated, rest) == (done, evaluated)
    assert choose_goal_episode(evaluated, rest[:1]) == (experts[2], evaluated)
    assert choose_goal_episode(experts, []) == (experts[3], experts[:3])
    with pytest.raises(NeedsError, match="there is 1; collect at least 2"):
        choose_goal_episode(experts[:1], [])


def test_the_goal_is_the_last_picture_of_an_episode(tmp_path: Path) -> None:
    pictures = np.repeat(np.array([10, 20, 30], np.uint8), 12).reshape(3, 2, 2, 3)
    shown = Trajectory(
        np.zeros((4, 1), np.float32),
        np.zeros((3, 1), np.float32),
        frames=ArrayFrames(np.array([0, 1, 3]), pictures),
        task="drawer-close",
    )
    path = write_goal(shown, tmp_path / "new")
    with Image.open(path) as opened:
        assert opened.getpixel((0, 0)) == (30, 30, 30)
    assert path.name == "goal-drawer-close.png"
