"""Instructions of the training tasks as the VLP model reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float32, Int64

from vlfeedback.data.instructions import instruction_corpus
from vlfeedback.encoders.words import WordVectors
from vlfeedback.errors import NeedsError

__all__ = ["Texts"]


class Texts:
    """Instruction corpora of some tasks, encoded once.

    Args:
        tasks: in the order of the episodes' task indices.
        max_words: tokens of an instruction that are read.
        corpus: phrases of each task; default: the shipped `instruction_corpus`.

    Raises:
        NeedsError: the corpus lacks a task.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        max_words: int,
        corpus: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        missing_tasks = [] if corpus is None else [task for task in tasks if task not in corpus]
        if missing_tasks:
            raise NeedsError(
                f"The instructions lack {', '.join(missing_tasks)}; add them with: vlfeedback "
                "instructions write, or leave these tasks out with --exclude."
            )
        corpora = [instruction_corpus(t) if corpus is None else corpus[t] for t in tasks]
        texts = [text for phrases in corpora for text in phrases]
        self.words: Float32[np.ndarray, "S M E"]
        self.mask: Bool[np.ndarray, "S M"]
        self.words, self.mask = WordVectors.load().encode(texts, max_tokens=max_words)
        sizes = np.array([len(phrases) for phrases in corpora])
        self._first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self._sizes = sizes

    def draw(
        self, tasks: Int64[np.ndarray, " B"], rng: np.random.Generator
    ) -> Int64[np.ndarray, " B"]:
        """Index of one phrase of each task, drawn uniformly."""
        rows: Int64[np.ndarray, " B"] = self._first[tasks] + rng.integers(self._sizes[tasks])
        return rows
