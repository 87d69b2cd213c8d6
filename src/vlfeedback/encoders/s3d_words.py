"""Words of a text as rows of S3D's table of words."""

from __future__ import annotations

import re
import warnings
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from vlfeedback.encoders.array_files import read_array
from vlfeedback.encoders.s3d import N_WORDS
from vlfeedback.errors import FileFormatError, InvalidValueError

__all__ = ["N_SLOTS", "WordList", "hashed_words"]

N_SLOTS = 16  # words of a text that are read

_WORD = re.compile(r"[\w']+")


class WordList:
    """The words that S3D was trained on, from the file s3d_dict.npy released with it.

    A word's row is its place in the file plus 1; row 0 stands for no word.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is no list of words, or of more than the table has rows.
    """

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(
                f"No word list {str(path)!r}. It is released beside S3D's weights as s3d_dict.npy: "
                "pass words='path of it'."
            )
        words = read_array(path, "words as text of fixed width, as in S3D's s3d_dict.npy")
        if words.ndim != 1 or words.dtype.kind != "U" or not 0 < len(words) < N_WORDS:
            raise FileFormatError(
                f"{path} holds an array of {words.dtype} and shape {words.shape}; expected 1 to "
                f"{N_WORDS - 1} words as text, as in the file s3d_dict.npy released with S3D."
            )
        self._rows = {word: row for row, word in enumerate(words.tolist(), start=1)}

    def __call__(self, text: str) -> Int64[np.ndarray, " 16"]:
        """Rows of the first 16 known words of a text; 0 fills up what is not there.

        Words that are not in the list are left out, and a warning names them.

        Raises:
            InvalidValueError: no word of the text is in the list.
        """
        words = _words(text)
        unknown = [word for word in words if word not in self._rows]
        if len(unknown) == len(words):
            raise InvalidValueError(
                f"S3D knows no word of {text!r}; say it in other English words, such as "
                "'robot opening a drawer'."
            )
        if unknown:
            warnings.warn(
                f"S3D does not know {', '.join(map(repr, unknown))} and reads {text!r} without.",
                UserWarning,
                stacklevel=2,
            )
        return _filled([self._rows[word] for word in words if word in self._rows])


def hashed_words(text: str) -> Int64[np.ndarray, " 16"]:
    """Rows for the first 16 words of a text without a list: 1 + CRC-32 modulo the table's size.

    For random weights, to which one row is as good as another. Every word has one, always the same.

    Raises:
        InvalidValueError: the text has no word.
    """
    words = _words(text)
    if not words:
        raise InvalidValueError(f"S3D reads words, and there is none in {text!r}.")
    return _filled([1 + zlib.crc32(word.encode()) % (N_WORDS - 1) for word in words])


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _filled(rows: list[int]) -> Int64[np.ndarray, " 16"]:
    filled = np.zeros(N_SLOTS, dtype=np.int64)
    first_rows = rows[:N_SLOTS]
    filled[: len(first_rows)] = first_rows
    return filled
