"""Static word vectors, by which the bundled preference model reads instructions; NumPy only.

A table of WordPiece tokens and whole words, each with one vector distilled from a sentence
encoder (`docs/build/distil_words.py`; card: ``weights/words.md``). Synonyms lie close
together, so a model trained on some phrasings generalises to others.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32
from safetensors import safe_open

from vlfeedback.data.foreign_files import reading
from vlfeedback.data.seals import check_seal
from vlfeedback.errors import CheckpointError, InvalidTypeError, InvalidValueError, ShapeError

__all__ = ["BUNDLED_WORDS", "WORDS_FORMAT", "WordVectors"]

BUNDLED_WORDS = Path(__file__).parents[1] / "weights" / "words.safetensors"
"""The table shipped with the package."""

WORDS_FORMAT = "vlfeedback.words/1"
"""Value of ``format`` in the metadata of a table's file."""

_WORD = re.compile(r"[^\W_]+")
_EXCERPT = 80  # letters of a refused text that its error repeats
_CONTINUES = "##"  # WordPiece's mark of a piece that does not begin a word


class WordVectors:
    """A vocabulary and one vector a token.

    Attributes:
        dim: length ``D`` of a vector.
        vocabulary: the tokens in table order; pieces inside a word begin with ``##``.
        vectors: ``(V, D)`` float32, read-only; every row has root mean square 1.
    """

    def __init__(self, vocabulary: Sequence[str], vectors: Float32[np.ndarray, "V D"]) -> None:
        """Hold a table.

        Raises:
            ShapeError: there is not exactly one row a token.
        """
        if vectors.ndim != 2 or len(vectors) != len(vocabulary):
            raise ShapeError(
                f"vectors have shape {vectors.shape}; expected ({len(vocabulary)}, D), "
                "one row for each token of the vocabulary."
            )
        self.vocabulary = tuple(vocabulary)
        self.vectors = vectors
        self.vectors.setflags(write=False)
        self.dim = int(vectors.shape[1])
        self._rows = {token: row for row, token in enumerate(self.vocabulary)}
        self._longest = max(map(len, self.vocabulary), default=0)

    @classmethod
    def load(cls, path: str | Path | None = None) -> WordVectors:
        """Read a table; the same object for the same path.

        Args:
            path: a file written by `docs/build/distil_words.py`; None is the bundled one.

        Raises:
            CheckpointError: the file is damaged, or is no table of word vectors.
            FileNotFoundError: there is no such file.
        """
        return _load((BUNDLED_WORDS if path is None else Path(path)).resolve())

    def tokenize(self, text: str) -> list[str]:
        """Split a text into tokens of the vocabulary.

        Lower-cased, accents stripped, punctuation dropped; then the longest known piece first,
        from the left (WordPiece). Letters no piece covers, such as those of other scripts, are
        skipped; a text without any known piece gives an empty list.
        """
        plain = unicodedata.normalize("NFKD", text.casefold())
        plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
        return [token for word in _WORD.findall(plain) for token in self._pieces(word)]

    def encode(
        self, texts: Sequence[str], *, max_tokens: int = 24
    ) -> tuple[Float32[np.ndarray, "N M D"], Bool[np.ndarray, "N M"]]:
        """Vectors of the tokens of each text, padded to the longest.

        A text's vectors do not depend on its neighbours in the batch. A text of more than
        `max_tokens` tokens keeps its first `max_tokens`; unknown pieces are skipped.

        Args:
            texts: N instructions in English.
            max_tokens: most tokens kept a text, at least 1. The default has room for every
                phrase of `vlfeedback.data.instructions`.

        Returns:
            Vectors ``(N, M, D)`` float32, zero on padding, and the mask ``(N, M)``, true on
            tokens; M is the number of tokens of the longest text, at most `max_tokens`.

        Raises:
            InvalidValueError: a text has no known word: it is empty, only spaces or punctuation,
                or in a script of which no piece is known; or `max_tokens` is below 1.
            InvalidTypeError: `texts` is one string, not a list.
        """
        if isinstance(texts, str):
            raise InvalidTypeError(f"texts is the one string {texts!r}; pass a list: [{texts!r}].")
        if max_tokens < 1:
            raise InvalidValueError(f"max_tokens is {max_tokens}; expected at least 1.")
        rows = [self._known_rows(text)[:max_tokens] for text in texts]
        longest = max(map(len, rows), default=0)
        vectors = np.zeros((len(rows), longest, self.dim), dtype=np.float32)
        mask = np.zeros((len(rows), longest), dtype=np.bool_)
        for index, row in enumerate(rows):
            vectors[index, : len(row)] = self.vectors[row]
            mask[index, : len(row)] = True
        return vectors, mask

    def _known_rows(self, text: str) -> list[int]:
        rows = [self._rows[token] for token in self.tokenize(text)]
        if not rows:
            excerpt = text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]} ..."
            raise InvalidValueError(
                f"No known word in the instruction {excerpt!r}. Pass a phrase in English that says "
                "what should happen, such as 'close the drawer'."
            )
        return rows

    def _pieces(self, word: str) -> list[str]:
        pieces: list[str] = []
        start = 0
        while start < len(word):
            mark = _CONTINUES if start else ""
            for end in range(min(len(word), start + self._longest), start, -1):
                piece = mark + word[start:end]
                if piece in self._rows:
                    pieces.append(piece)
                    start = end
                    break
            else:
                start += 1
        return pieces


@lru_cache(maxsize=8)
def _load(path: Path) -> WordVectors:
    advice = "Copy it again, or reinstall vlfeedback for the bundled one."
    check_seal(path, advice=advice, error=CheckpointError)
    with (
        reading(path, "table of word vectors", advice=advice, error=CheckpointError),
        safe_open(path, framework="numpy") as file,
    ):
        file_format = (file.metadata() or {}).get("format")
        if file_format != WORDS_FORMAT:
            raise CheckpointError(
                f"{path} has format {file_format!r}; expected {WORDS_FORMAT!r}. Pass a table "
                "written by docs/build/distil_words.py of the repository, or None for the "
                "bundled one."
            )
        quantised, scales, letters = (
            file.get_tensor(key) for key in ("vectors", "scales", "vocabulary")
        )
        vocabulary = letters.tobytes().decode("ascii").split("\n")
        if quantised.ndim != 2 or not len(quantised) == len(scales) == len(vocabulary):
            raise ValueError(
                f"it has numbers of shape {quantised.shape} and {len(vocabulary)} words; expected "
                "one row for each token"
            )
        vectors = quantised.astype(np.float32) * scales.astype(np.float32)[:, None]
        if not np.isfinite(vectors).all():
            raise ValueError("numbers in it are NaN or infinite")
    return WordVectors(vocabulary, vectors)
