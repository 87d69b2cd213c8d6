"""Pairs that are with a labeller: the agent waits for the answers, or acts on while they come."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.sampling import SegmentPairList
from vlfeedback.scoring.labelling import label_pairs
from vlfeedback.types import PreferenceSource

__all__ = ["Asking"]


class Asking:
    """Asks one labeller, about one lot of pairs at a time.

    Args:
        labeller: any preference source.
        instruction: under which pairs are compared; None: none.
        asynchronous: ask in a thread of its own, and do not wait.

    Attributes:
        pairs: asked about last.
        then: what becomes of the answers, such as a question to somebody else, before `take` gives
            them; called where the labeller is asked.
    """

    def __init__(
        self, labeller: PreferenceSource, instruction: str | None, *, asynchronous: bool
    ) -> None:
        self.labeller, self._instruction = labeller, instruction
        self._pool = ThreadPoolExecutor(1, "labelling") if asynchronous else None
        self._pending: Future[PreferenceDataset] | None = None
        self.then: Callable[[PreferenceDataset], PreferenceDataset] = _as_they_are
        self.pairs: SegmentPairList = []

    @property
    def is_waiting(self) -> bool:
        """Whether pairs are with the labeller, whose answers `take` has not given yet."""
        return self._pending is not None

    def ask(self, pairs: SegmentPairList) -> None:
        """Hand over pairs; without a thread, what the labeller raises comes from `take`."""
        self.pairs = pairs
        if self._pool is not None:
            self._pending = self._pool.submit(self._label, pairs)
            return
        self._pending = Future()
        try:
            self._pending.set_result(self._label(pairs))
        except Exception as error:  # as a thread's future does
            self._pending.set_exception(error)

    def take(self) -> PreferenceDataset | None:
        """The answers, once they are all there; None before that.

        What the labeller raised is raised, and its pairs are given up.
        """
        if self._pending is None or not self._pending.done():
            return None
        pending, self._pending = self._pending, None
        return pending.result()

    def close(self) -> None:
        """Wait for nobody any more."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _label(self, pairs: SegmentPairList) -> PreferenceDataset:
        return self.then(label_pairs(pairs, self.labeller, instruction=self._instruction))


def _as_they_are(answers: PreferenceDataset) -> PreferenceDataset:
    return answers
