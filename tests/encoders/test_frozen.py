from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from vlfeedback.encoders.frozen import FrozenNetwork
from vlfeedback.errors import InvalidValueError


class Doubling:
    """Twice its input; remembers how many it got at once, and takes no more than `room`."""

    def __init__(self, room: int = 100, error: Exception | None = None) -> None:
        self.room = room
        self.error = error or torch.OutOfMemoryError("full")
        self.got: list[int] = []

    def __call__(self, prepared: Tensor) -> Tensor:
        self.got.append(len(prepared))
        if len(prepared) > self.room:
            raise self.error
        return 2 * prepared


def frozen(encode: Any, batch_size: int = 4, precision: str = "float32") -> FrozenNetwork:
    return FrozenNetwork(
        Tensor.float,
        encode,
        inputs="clips",
        device="cpu",
        precision=precision,
        batch_size=batch_size,
    )


INPUTS = np.arange(14, dtype=np.uint8).reshape(7, 2)


def test_inputs_go_through_a_batch_at_a_time() -> None:
    encode = Doubling()
    np.testing.assert_array_equal(frozen(encode)(INPUTS), 2.0 * INPUTS)
    assert encode.got == [4, 3]


def test_no_inputs_have_no_features() -> None:
    assert frozen(Doubling())(INPUTS[:0]).shape == (0, 2)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("full"), MemoryError(), RuntimeError("can't allocate memory")]
)
def test_what_does_not_fit_is_halved_for_good(error: Exception) -> None:
    encode = Doubling(room=2, error=error)
    network = frozen(encode)
    with pytest.warns(ResourceWarning, match="4 clips at once do not fit .* going on with 2"):
        np.testing.assert_array_equal(network(INPUTS), 2.0 * INPUTS)
    assert encode.got == [4, 2, 2, 2, 1]
    assert network.batch_size == 2


def test_a_single_input_that_does_not_fit_is_an_error_as_are_other_errors() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        frozen(Doubling(room=0), batch_size=1)(INPUTS)
    with pytest.raises(RuntimeError, match="another"):
        frozen(Doubling(room=0, error=RuntimeError("another")))(INPUTS)


def test_products_are_in_bfloat16_where_it_agrees() -> None:
    weights = torch.tensor([[1.001, 0.0], [0.0, 1.0]])
    fast = frozen(lambda x: x @ weights, precision="bfloat16")
    exact = frozen(lambda x: x @ weights)
    assert fast.bfloat16
    np.testing.assert_array_equal(fast(INPUTS), INPUTS)  # 1.001 is 1 with 8 bits
    assert not np.array_equal(exact(INPUTS), INPUTS)
    assert fast.bfloat16


def test_where_bfloat16_points_elsewhere_float32_is_used() -> None:
    weights = torch.tensor([[1.001, 0.0], [0.0, 1.0]])
    cancelling = frozen(lambda x: x @ weights - x.float(), precision="bfloat16")
    with pytest.warns(RuntimeWarning, match=r"cosine 0\.0.*computing in float32"):
        features = cancelling(INPUTS + 1)
    assert not cancelling.bfloat16
    np.testing.assert_allclose(features[:, 0], 0.001 * (INPUTS[:, 0] + 1.0), rtol=1e-2)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"precision": "half"}, "precision='half'; expected one of float32, bfloat16, auto"),
        ({"batch_size": 0}, "batch_size=0; expected at least 1 of the clips"),
    ],
)
def test_impossible_settings_are_refused(settings: Any, said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        frozen(Doubling(), **settings)
