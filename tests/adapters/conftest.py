"""What the tests of the adapters share."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def memory_peak() -> Callable[[Callable[[], Any]], int]:
    """Bytes that a call held at its worst."""

    def measure(call: Callable[[], Any]) -> int:
        tracemalloc.start()
        try:
            call()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return measure
