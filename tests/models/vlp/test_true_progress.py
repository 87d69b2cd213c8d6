import numpy as np
import pytest

from vlfeedback.errors import NeedsError
from vlfeedback.models.vlp.true_progress import measure_progress


def states(hand: list[float], thing: list[float], goal: float = 1.0) -> np.ndarray:
    """Observations of hands and objects at these heights, in metres."""
    observations = np.zeros((len(hand), 39))
    observations[:, 2], observations[:, 6], observations[:, -1] = hand, thing, goal
    return observations


def test_progress_is_the_way_to_the_object_and_that_of_the_object_to_its_goal() -> None:
    given = states(hand=[0.0, 0.25, 0.5, 0.75], thing=[0.5, 0.5, 0.5, 0.75])
    progress = measure_progress("drawer-open", given, np.zeros(4, np.bool_))
    np.testing.assert_allclose(progress, [0.0, 0.15, 0.3, 0.3 + 0.6 * 0.5], atol=1e-6)


def test_what_is_done_has_got_all_the_way_and_falls_back_where_it_is_undone() -> None:
    given = states(hand=[0.0, 0.5, 0.5], thing=[0.5, 0.5, 0.5])
    progress = measure_progress("drawer-open", given, np.array([False, True, False]))
    np.testing.assert_allclose(progress, [0.0, 1.0, 0.3], atol=1e-6)


def test_going_away_is_no_progress_and_no_less() -> None:
    given = states(hand=[0.0, -0.5], thing=[0.5, 0.0])
    np.testing.assert_array_equal(
        measure_progress("drawer-open", given, np.zeros(2, np.bool_)), [0, 0]
    )


def test_of_reach_the_hand_itself_has_a_goal() -> None:
    given = states(hand=[0.0, 0.5], thing=[0.0, 0.0])
    progress = measure_progress("reach", given, np.zeros(2, np.bool_))
    np.testing.assert_allclose(progress, [0.0, 0.45], atol=1e-6)


def test_hidden_goals_are_refused() -> None:
    given = states(hand=[0.0, 0.5], thing=[0.5, 0.5], goal=0.0)
    with pytest.raises(NeedsError, match="goals of drawer-open are hidden"):
        measure_progress("drawer-open", given, np.zeros(2, np.bool_))
