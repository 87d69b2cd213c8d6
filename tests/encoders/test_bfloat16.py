"""Which precision is faster is measured; the processor's own word does not count."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from vlfeedback.encoders import bfloat16
from vlfeedback.encoders.bfloat16 import bfloat16_speedup, is_bfloat16_faster, uses_bfloat16
from vlfeedback.errors import InvalidValueError


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    bfloat16_speedup.cache_clear()
    yield
    bfloat16_speedup.cache_clear()


def times(monkeypatch: pytest.MonkeyPatch, float32: list[float], half: list[float]) -> list[str]:
    """Has products take these seconds in turn; returns the devices that were asked."""
    left = {torch.float32: list(float32), torch.bfloat16: list(half)}
    asked: list[str] = []

    def time_product(dtype: torch.dtype, device: str) -> float:
        asked.append(device)
        return left[dtype].pop(0)

    monkeypatch.setattr(bfloat16, "_time_product", time_product)
    return asked


def test_the_fastest_of_several_products_counts_once_for_each_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = times(monkeypatch, [8, 9, 6, 7, 9] * 2, [50, 2, 3, 9, 9] * 2)
    assert bfloat16_speedup("cpu") == 3  # 6 / 2
    assert bfloat16_speedup("cpu") == 3 and len(asked) == 10
    assert bfloat16_speedup("cuda:1") == 3 and set(asked[10:]) == {"cuda:1"}


@pytest.mark.parametrize(("half", "faster"), [(17.0, False), (0.95, False), (0.5, True)])
def test_auto_is_bfloat16_where_it_gains(
    monkeypatch: pytest.MonkeyPatch, half: float, faster: bool
) -> None:
    times(monkeypatch, [1.0] * 5, [half] * 5)
    assert is_bfloat16_faster("cpu") is faster
    assert uses_bfloat16("auto", "cpu") is faster
    assert uses_bfloat16(False, "cpu") is False


def test_who_asks_for_bfloat16_gets_it_and_hears_what_it_costs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times(monkeypatch, [1.0] * 5, [17.0] * 5)
    with pytest.warns(UserWarning, match=r"'cpu' takes 17\.0 times as long .* Say 'auto'"):
        assert uses_bfloat16(True, "cpu") is True


def test_what_cannot_multiply_in_bfloat16_computes_in_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(dtype: torch.dtype, device: str) -> float:
        raise RuntimeError("not implemented for 'BFloat16'")

    monkeypatch.setattr(bfloat16, "_time_product", refuse)
    assert not is_bfloat16_faster("cpu") and not is_bfloat16_faster("meta")


def test_another_word_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="bfloat16 is 'yes'; expected True, False or 'au"):
        uses_bfloat16("yes", "cpu")


@pytest.mark.slow
def test_a_processor_whose_instructions_are_not_used_computes_in_float32() -> None:
    program = (
        "from vlfeedback.encoders.bfloat16 import bfloat16_speedup; print(bfloat16_speedup('cpu'))"
    )
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    speedup = subprocess.check_output([sys.executable, "-c", program], env=environment, text=True)
    assert float(speedup) < 1
