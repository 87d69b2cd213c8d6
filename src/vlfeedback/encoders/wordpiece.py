"""BERT's WordPiece tokenizer, from a local vocabulary; nothing is ever downloaded.

The uncased WordPiece of `distilbert-base-uncased`: lower-cased, accents stripped, split at spaces
and punctuation marks, then the longest known piece first, between ``[CLS]`` and ``[SEP]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlfeedback.data.foreign_files import reading
from vlfeedback.encoders.words import WordVectors
from vlfeedback.errors import FileFormatError, InvalidValueError
from vlfeedback.optional import require

__all__ = ["WordPiece", "any_vocabulary", "find_vocabulary", "read_vocabulary"]

_NAME = "vocab.txt"
_REPOSITORIES = ("distilbert/distilbert-base-uncased", "distilbert-base-uncased")
_MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")  # [PAD] and [MASK] occur in no sentence
_NEEDED = _MARKS[1:4]


class WordPiece:
    """Tokenizer of sentences: a text to the numbers of its tokens.

    Args:
        vocabulary: the tokens, each at its own number; the marks above among them.
        source: id of the reward source, for messages.

    Raises:
        MissingExtraError: tokenizers, which transformers brings, is not installed.
    """

    def __init__(self, vocabulary: Sequence[str], *, source: str) -> None:
        tokenizers = require("tokenizers.implementations", extra="vision", needed_by=repr(source))
        ids = {token: index for index, token in enumerate(vocabulary)}
        self.n_tokens = len(vocabulary)
        self._source = source
        self._tokenizer: Any = tokenizers.BertWordPieceTokenizer(ids, lowercase=True)
        self._without_meaning = {ids[mark] for mark in _MARKS if mark in ids}

    def __call__(self, text: str) -> list[int]:
        """Numbers of the tokens, those of ``[CLS]`` and ``[SEP]`` around them.

        Raises:
            InvalidValueError: no word of the text is known.
        """
        ids: list[int] = self._tokenizer.encode(text).ids
        if self._without_meaning.issuperset(ids):
            raise InvalidValueError(
                f"{self._source!r} knows no word of the instruction {text!r}. Pass a phrase in "
                "English that says what should happen, such as 'close the drawer'."
            )
        return ids


def find_vocabulary(tokenizer: str | Path | None, *, checkpoint: str | Path) -> Path:
    """The vocabulary file: of `tokenizer`, else beside the checkpoint, else in the hub cache.

    Args:
        tokenizer: path of a ``vocab.txt``, or of its folder.
        checkpoint: path of the weights.

    Raises:
        FileNotFoundError: there is none; the message says how to get it.
    """
    checkpoint = Path(checkpoint)
    if tokenizer is not None:
        path = Path(tokenizer).expanduser()
        path = path / _NAME if path.is_dir() else path
        if not path.is_file():
            raise FileNotFoundError(
                f"No vocabulary {str(path)!r}; pass tokenizer='path of a vocab.txt, or its folder'."
            )
        return path
    beside = checkpoint.with_name(_NAME)
    if beside.is_file():
        return beside
    hub = require("huggingface_hub", extra="vision", needed_by="a vocabulary of the hub cache")
    for repository in _REPOSITORIES:
        cached_file = hub.try_to_load_from_cache(repository, _NAME)
        if isinstance(cached_file, str):
            return Path(cached_file)
    raise FileNotFoundError(
        f"Sentences are read with the vocabulary of distilbert-base-uncased, which is neither "
        f"beside {str(checkpoint)!r} nor in the hub cache, and nothing is downloaded without being "
        f"asked to. Fetch it once with `hf download {_REPOSITORIES[0]} {_NAME}`, or copy that file "
        f"here and pass tokenizer='path/to/{_NAME}'."
    )


def read_vocabulary(path: str | Path) -> list[str]:
    """The tokens of a ``vocab.txt``, one a line.

    Raises:
        FileFormatError: it is no such file: no text, or without the marks that a sentence needs.
    """
    path = Path(path)
    with reading(path, "vocabulary", advice="Expected text, one token a line."):
        # Not splitlines: some tokens are what it takes for the end of a line.
        tokens = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    missing = [mark for mark in _NEEDED if mark not in tokens]
    if missing:
        raise FileFormatError(
            f"{path} holds {len(tokens)} lines and not {', '.join(missing)}; expected the "
            f"{_NAME} of distilbert-base-uncased, one token a line."
        )
    return tokens


def any_vocabulary() -> list[str]:
    """A vocabulary that needs no file, for networks with random weights."""
    return [*_MARKS, *WordVectors.load().vocabulary]
