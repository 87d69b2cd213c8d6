"""What of recorded episodes a policy learns from, and where it is judged."""

from typing import Any

import numpy as np
import pytest

from vlfeedback.data.learning_episodes import env_options_of, episodes_to_learn
from vlfeedback.errors import FileFormatError, NeedsError
from vlfeedback.types import Trajectory


def episode(level: str, stop: int | None = None, **facts: Any) -> Trajectory:
    return Trajectory(
        np.zeros((9, 2)), np.zeros((8, 1)), level=level, stopped_at=stop, id=level, **facts
    )


GIVEN = [episode("expert", 5), episode("medium", 3), episode("random")]


def test_rest_is_learnt_from_or_left_out_of_those_that_have_some() -> None:
    assert [len(t) for t in episodes_to_learn(GIVEN, rest=True, where="x")] == [8, 8, 8]
    assert [len(t) for t in episodes_to_learn(GIVEN, rest=False, where="x")] == [5, 3, 8]


def test_levels_choose_and_those_that_are_not_there_are_named() -> None:
    (learnt,) = episodes_to_learn(GIVEN, rest=False, levels=["medium"], where="x")
    assert (learnt.id, len(learnt)) == ("medium", 3)
    match = r"levels \['experts'\]; those of x are \['expert', 'medium', 'random'\]"
    with pytest.raises(NeedsError, match=match):
        episodes_to_learn(GIVEN, rest=True, levels=["experts"], where="x")


def test_a_policy_is_judged_where_all_its_data_were_recorded() -> None:
    one, same, other = (
        episode("expert", env_options={"hand_starts": starts})
        for starts in ("jittered", "jittered", "fixed")
    )
    assert env_options_of([one, same], where="x") == {"hand_starts": "jittered"}
    with pytest.raises(FileFormatError, match="x has trajectories of environments with"):
        env_options_of([one, other], where="x")
