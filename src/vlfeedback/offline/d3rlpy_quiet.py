"""d3rlpy without its logs on the terminal and in the working directory.

Training logs to the terminal, and to a folder ``d3rlpy_logs`` in the working directory. What
importing it prints, `vlfeedback.optional.import_d3rlpy` leaves out.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from vlfeedback.data.discrete import discrete_refused

__all__ = ["QuietFit", "quiet_log"]


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
    """Mixin for d3rlpy algorithms: training logs and writes only where a logger is asked for."""

    def fit(self, dataset: Any, n_steps: int, **options: Any) -> list[tuple[int, dict[str, float]]]:
        """Train as d3rlpy's `fit` does, but log and write only if given a ``logger_adapter``."""
        return list(self.fitter(dataset, n_steps, **options))

    def fitter(
        self, dataset: Any, n_steps: int, **options: Any
    ) -> Iterator[tuple[int, dict[str, float]]]:
        """Train as d3rlpy's `fitter` does, but log and write only if given a ``logger_adapter``.

        Raises:
            InvalidValueError: actions are discrete, and this algorithm's are continuous.
        """
        from d3rlpy.constants import ActionSpace
        from d3rlpy.logging import NoopAdapterFactory

        about = dataset.dataset_info
        if about.action_space is ActionSpace.DISCRETE:
            size = f"{about.action_size} values"
            raise discrete_refused("This buffer", size, learner=type(self).__name__)
        log = nullcontext if "logger_adapter" in options else quiet_log
        options.setdefault("logger_adapter", NoopAdapterFactory())
        epochs: Iterator[tuple[int, dict[str, float]]] = super().fitter(  # type: ignore[misc]
            dataset, n_steps, **options
        )
        while True:
            with log():  # and not while the caller has an epoch's results
                epoch = next(epochs, None)
            if epoch is None:
                return
            yield epoch
