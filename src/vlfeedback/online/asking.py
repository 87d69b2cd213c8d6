"""Pairs that are with a labeller: the agent waits for the answers, or acts on while they come."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread

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
        self._asynchronous = asynchronous
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
        self._pending = Future()
        if self._asynchronous:
            # A process may end while a person thinks, which a pool of threads would not let it.
            arguments = (pairs, self._pending)
            Thread(target=self._answer, args=arguments, name="labelling", daemon=True).start()
        else:
            self._answer(pairs, self._pending)

    def take(self) -> PreferenceDataset | None:
        """The answers, once they are all there; None before that.

        What the labeller raised is raised, and its pairs are given up.
        """
        if self._pending is None or not self._pending.done():
            return None
        pending, self._pending = self._pending, None
        return pending.result()

    def _answer(self, pairs: SegmentPairList, pending: Future[PreferenceDataset]) -> None:
        try:
            labelled = label_pairs(pairs, self.labeller, instruction=self._instruction)
            pending.set_result(self.then(labelled))
        except Exception as error:  # whatever it is, `take` raises it where it is waited for
            pending.set_exception(error)


def _as_they_are(answers: PreferenceDataset) -> PreferenceDataset:
    return answers
