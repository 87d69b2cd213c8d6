"""d3rlpy without what it prints and writes unasked.

Importing it imports the old `gym`, which prints a notice; training logs to the terminal, and to a
folder ``d3rlpy_logs`` in the working directory.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["QuietFit", "hide_gym_notice", "quiet_log"]


def hide_gym_notice() -> None:
    """Keep old `gym` from printing that nobody maintains it; call it before d3rlpy is imported."""
    try:
        from gym_notices import notices
    except ImportError:
        return  # then there is no notice either
    notices.notices.clear()


@contextmanager
def quiet_log() -> Iterator[None]:
    """Let d3rlpy log errors alone meanwhile: it warns at each `fit` that goes on."""
    import structlog

    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        yield
    finally:
        structlog.configure(wrapper_class=before)


class QuietFit:
    """Mixin for d3rlpy algorithms: nothing is written to disk unless a logger is asked for."""

    def fit(self, dataset: Any, n_steps: int, **options: Any) -> list[tuple[int, dict[str, float]]]:
        """Train as d3rlpy's `fit` does, but write no files unless given a ``logger_adapter``."""
        return list(self.fitter(dataset, n_steps, **options))

    def fitter(
        self, dataset: Any, n_steps: int, **options: Any
    ) -> Iterator[tuple[int, dict[str, float]]]:
        """Train as d3rlpy's `fitter` does, but write no files unless given a ``logger_adapter``."""
        from d3rlpy.logging import NoopAdapterFactory

        options.setdefault("logger_adapter", NoopAdapterFactory())
        fitted: Iterator[tuple[int, dict[str, float]]] = super().fitter(  # type: ignore[misc]
            dataset, n_steps, **options
        )
        return fitted
