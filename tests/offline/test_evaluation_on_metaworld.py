import numpy as np
import pytest

from vlfeedback.offline import PolicyEvaluator
from vlfeedback.tasks import get_task

GOAL = slice(-3, None)  # of an observation


class Still:
    """Stands still, and remembers the first observations it saw."""

    def __init__(self) -> None:
        self.first: list[np.ndarray] = []

    def predict(self, observations: np.ndarray) -> np.ndarray:
        if not self.first:
            self.first.append(observations.copy())
        return np.zeros((len(observations), 4), dtype=np.float32)


def test_equal_seeds_begin_with_equal_goals_in_any_copy_and_at_any_time() -> None:
    pytest.importorskip("metaworld")
    evaluator = PolicyEvaluator(get_task("drawer-close").env_id, seeds=(7, 8, 7), horizon=2)
    policies = [Still(), Still()]
    for policy in policies:  # the second time, the environments are used ones
        evaluator.evaluate(policy)
    evaluator.close()
    once, again = (policy.first[0] for policy in policies)
    np.testing.assert_array_equal(once, again)
    np.testing.assert_array_equal(once[0], once[2])
    assert not np.array_equal(once[0, GOAL], once[1, GOAL])
