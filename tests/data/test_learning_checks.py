import numpy as np
import pytest

from vlfeedback.data.learning_checks import (
    check_finite,
    check_terminals,
    rewards_of,
)
from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.types import Trajectory


def episode(**fields: object) -> Trajectory:
    return Trajectory(np.zeros((3, 2)), np.zeros((2, 1)), id="a", **fields)  # type: ignore[arg-type]


def test_each_word_names_one_field() -> None:
    one, two = np.ones(2, dtype=np.float32), np.zeros(2, dtype=np.float32)
    given = [episode(rewards=one, env_rewards=two)]
    assert rewards_of(given, "source")[0] is one and rewards_of(given, "env")[0] is two
    np.testing.assert_array_equal(rewards_of([episode()], "none"), [[0, 0]])
    with pytest.raises(
        ValueError, match="rewards='relabelled'; expected 'source', 'env' or 'none'"
    ):
        rewards_of(given, "relabelled")


def test_rewards_that_are_missing_name_the_first_and_the_way_out() -> None:
    given = [episode(rewards=np.ones(2, dtype=np.float32)), episode()]
    with pytest.raises(NeedsError, match=r"'a' has no rewards \(1 of 2 .*relabel.*rewards='env'"):
        rewards_of(given, "source")
    with pytest.raises(NeedsError, match=r"has no env_rewards \(2 of 2 .*rewards='source'"):
        rewards_of(given, "env")


def test_whole_numbers_and_finite_ones_pass_and_others_are_placed() -> None:
    check_finite(np.zeros((2, 1), dtype=np.int64), name="x", where="here", first=0)
    check_finite(np.zeros(2), name="x", where="here", first=0)
    with pytest.raises(InvalidValueError, match=r"here: x has a number .* in row 6"):
        check_finite(np.array([[0, 0], [0, np.inf]]), name="x", where="here", first=5)


def test_only_episodes_that_all_terminate_at_one_length_are_refused() -> None:
    for lengths, terminated in (([4], [True]), ([4, 5], [True] * 2), ([4, 4], [True, False])):
        check_terminals(lengths, terminated, where="here", trusted=False)
    check_terminals([4, 4], [True, True], where="here", trusted=True)
    with pytest.raises(InvalidValueError, match=r"here: all 2 episodes .* exactly 4 steps"):
        check_terminals([4, 4], [True, True], where="here", trusted=False)
