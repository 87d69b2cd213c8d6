import math

import numpy as np
import pytest

from vlfeedback.data.correlation import pearson, spearman


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        ([1, 2, 3, 4], [10, 20, 30, 40], 1.0),
        ([1, 2, 3], [3, 2, 1], -1.0),
        ([1, 2, 3], [1, 3, 2], 0.5),  # 1 - 6 * (0 + 1 + 1) / (3 * 8)
        ([0, 0, 1], [0, 1, 1], 0.5),  # ranks -0.5 -0.5 1 and -1 0.5 0.5: 0.75 / 1.5
        ([1, 2, 90], [1, 2, 3], 1.0),  # by rank alone
    ],
)
def test_correlation_of_ranks_by_hand(x: list[float], y: list[float], expected: float) -> None:
    given = spearman(np.array(x, float), np.array(y, float), if_constant=9.0)
    assert given == pytest.approx(expected)


def test_correlation_of_numbers_by_hand() -> None:
    # About their means -1.5 -0.5 0.5 1.5 and -0.5 -1.5 1.5 0.5: 3 / 5.
    x, y = np.arange(4.0), np.array([1.0, 0.0, 3.0, 2.0])
    assert pearson(x, y, if_constant=9.0) == pytest.approx(0.6)


@pytest.mark.parametrize("correlate", [pearson, spearman])
def test_the_caller_says_what_it_is_where_a_column_is_constant(correlate: object) -> None:
    constant, rising = np.full(3, 0.1), np.arange(3.0)
    assert callable(correlate)
    for x, y in ((constant, rising), (rising, constant)):
        assert correlate(x, y, if_constant=0.0) == 0.0
        assert math.isnan(correlate(x, y, if_constant=math.nan))


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_values_have_no_correlation(n: int) -> None:
    assert math.isnan(pearson(np.ones(n), np.ones(n), if_constant=0.0))
    assert math.isnan(spearman(np.ones(n), np.ones(n), if_constant=0.0))
