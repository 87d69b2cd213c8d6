from dataclasses import replace

import numpy as np
import pytest

from vlfeedback.errors import NeedsError, ShapeError, UnknownNameError
from vlfeedback.evaluation.diagnosis.inputs import (
    choose_episodes,
    choose_goal_episode,
    prepare_diagnosis,
    probed,
)
from vlfeedback.evaluation.labels.pairings import PAIRINGS
from vlfeedback.types import Trajectory


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


def test_an_exam_asks_all_pairings_and_clips_spread_over_episodes(
    trajectories: list[Trajectory],
) -> None:
    exam = prepare_diagnosis(trajectories, "DrawerClose", n_pairs=10, length=16, seed=0)
    assert exam.task == "drawer-close"
    assert tuple(exam.posed) == PAIRINGS
    assert exam.stride == 5
    # 21 steps: a clip of 16 may start at 0 and 5.
    assert [(c.trajectory, c.start) for c in exam.clips] == [
        (t, start) for t in probed(trajectories) for start in (0, 5)
    ]
    assert exam.wordings[0] == "shut the drawer"
    assert exam.wordings[3] == "drawer closing"
    assert exam.instruction not in exam.wordings


def test_an_unknown_task_and_clips_longer_than_episodes_are_refused(
    trajectories: list[Trajectory],
) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'drawer-close'"):
        prepare_diagnosis(trajectories, "drawer-closed", n_pairs=10, length=16, seed=0)
    with pytest.raises(ShapeError, match="22 steps do not fit"):
        prepare_diagnosis(trajectories, "drawer-close", n_pairs=10, length=22, seed=0)
