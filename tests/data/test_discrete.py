from __future__ import annotations

import numpy as np
import pytest

from vlfeedback.data.discrete import are_discrete, count_values
from vlfeedback.errors import InvalidValueError


def test_whole_numbers_in_one_column_are_discrete_whatever_their_lengths() -> None:
    arrays = [np.array([0, 4, 1]), np.array([[2], [0]]), np.array([True])]
    assert are_discrete(arrays)
    assert count_values(arrays, "actions") == 5
    assert not are_discrete([*arrays, np.array([0.5])])
    assert not are_discrete([np.zeros((3, 2), np.int64)])


def test_values_that_no_network_has_entries_for_are_refused() -> None:
    assert count_values([np.array([65_535])], "actions") == 65_536
    for wrong in (-1, 65_536):
        with pytest.raises(InvalidValueError, match="expected 0 to at most 65535"):
            count_values([np.array([0]), np.array([wrong])], "actions")
