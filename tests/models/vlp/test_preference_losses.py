import math

import numpy as np
import pytest
import torch

from vlfeedback.models.vlp.preference_losses import (
    TaskScores,
    direction_loss,
    order_loss,
    preference_loss,
    success_loss,
)
from vlfeedback.models.vlp.sampling import Windows
from vlfeedback.models.vlp.settings import VLPTraining

LOG_2 = math.log(2.0)


def cost(margin: float) -> float:
    """Of a comparison that the other one wins by so much, in log-odds."""
    return math.log1p(math.exp(margin))


def comparisons(prefer_second: list[list[list[float]]]) -> Windows:
    """Windows that were read already: only their comparisons are left."""
    tasks, windows = len(prefer_second), len(prefer_second[0])
    return Windows(
        task=np.arange(tasks),
        episode=np.zeros((tasks, windows), np.int64),
        picture=np.zeros((tasks, windows, 8), np.int64),
        worth=torch.zeros(tasks * windows, 8),
        done=torch.tensor([[False] * 7 + [True]] * (tasks * windows)),
        prefer_second=torch.tensor(prefer_second),
        rising=torch.zeros(tasks * windows, dtype=torch.bool),
    )


# Two windows of each of two tasks: the second is better in task 0, the first in task 1.
COMPARED = comparisons([[[0.5, 1.0], [0.0, 0.5]], [[0.5, 0.0], [1.0, 0.5]]])


def test_the_loss_compares_windows_with_each_other_and_with_those_of_the_next_task() -> None:
    scores = TaskScores(
        own=torch.tensor([[0.0, 1.0], [2.0, 4.0]]),  # of each task's windows under its own text
        other=torch.tensor([[5.0, 5.0], [3.0, 7.0]]),  # under the text of the task before it
    )
    loss = preference_loss(scores, COMPARED, VLPTraining(ilp_weight=0.1, ivp_weight=0.5))
    itp = [cost(0.0 - 1.0), cost(4.0 - 2.0)]
    ilp = [LOG_2, (cost(4.0) + cost(-4.0)) / 2]  # 5 and 5, 3 and 7: neither should be preferred
    # Under its text, each window of task 0 against those of task 1, which score 3 and 7 ...
    firsts = [cost(3.0 - 0.0), cost(7.0 - 0.0), cost(5.0 - 2.0), cost(5.0 - 2.0)]
    # ... and each of task 1 against those of task 0, which score 5 and 5.
    seconds = [cost(3.0 - 1.0), cost(7.0 - 1.0), cost(5.0 - 4.0), cost(5.0 - 4.0)]
    expected = np.mean(itp) + 0.1 * np.mean(ilp) + 0.5 * (np.mean(firsts) + np.mean(seconds))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_a_constant_score_costs_log_two_a_comparison() -> None:
    scores = TaskScores(own=torch.full((2, 2), 0.7), other=torch.full((2, 2), 0.7))
    loss = preference_loss(scores, COMPARED, VLPTraining(ilp_weight=0.1, ivp_weight=0.5))
    assert loss.item() == pytest.approx((1 + 0.1 + 2 * 0.5) * LOG_2)


def test_each_judge_is_compared_by_itself() -> None:
    judged = torch.tensor([[0.0, 1.0, 2.0, 4.0], [0.0, 0.0, 0.0, 3.0]])
    expected = np.mean([cost(-1.0), cost(2.0), LOG_2, cost(3.0)])
    assert order_loss(judged, COMPARED).item() == pytest.approx(expected, rel=1e-5)


def test_a_window_that_rises_is_better_than_its_reversal() -> None:
    forward, backward = torch.tensor([[0.0, 2.0], [0.0, -1.0]]), torch.tensor([[1.0, 5.0], [0, 0]])
    expected = np.mean([cost(1.0), cost(3.0), LOG_2, cost(1.0)])
    assert direction_loss(forward, backward).item() == pytest.approx(expected, rel=1e-5)


def test_what_tells_success_pays_for_each_picture_that_it_misjudges() -> None:
    # Of each window's eight pictures the last shows the task done.
    log_odds = torch.tensor([[-2.0] * 7 + [3.0]] * 4)
    expected = (7 * cost(-2.0) + cost(-3.0)) / 8
    assert success_loss(log_odds, COMPARED).item() == pytest.approx(expected)
