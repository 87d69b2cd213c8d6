"""Tokenizers of the models of open_clip, from local files.

CLIP's byte pairs come with open_clip. Others, such as SigLIP's, are files of the transformers
library, in a folder of yours or in the hub cache. Code read: open_clip 3.3.0 `get_tokenizer`;
transformers 5.24, which makes a tokenizer without words where the vocabulary is missing.
"""

from __future__ import annotations

from functools import cache, cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from vlfeedback.data.foreign_files import reading
from vlfeedback.errors import FileFormatError, InvalidValueError
from vlfeedback.optional import require

__all__ = ["CLIPTokenizer", "load_tokenizer"]

_CONFIG = "tokenizer_config.json"
_VOCABULARIES = (
    *("tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model"),
    *("vocab.txt", "vocab.json"),
)
_SAME_VOCABULARY = 0.1  # relative: some files hold a hundred unused words more than the network


class CLIPTokenizer:
    """A tokenizer of open_clip that refuses texts of which nothing is left.

    Cleaning takes away control characters, entities such as ``&nbsp;``, and for SigLIP all
    punctuation: what then remains of ``"?!"`` would be scored like any text.

    Args:
        tokenize: open_clip's own; its `clean_fn` is what it does to a text first.
    """

    def __init__(self, tokenize: Any) -> None:
        self._tokenize = tokenize

    def __call__(self, texts: list[str]) -> Int64[Tensor, "N M"]:
        """Tokens of each text, cut off or padded to the context length M.

        Raises:
            InvalidValueError: a text tokenises to nothing.
        """
        tokens: Tensor = self._tokenize(texts)
        for text, row in zip(texts, tokens, strict=True):
            if torch.equal(row, self._nothing):
                raise InvalidValueError(
                    f"Nothing is left of the text {text!r} once it is cleaned for the network: it "
                    f"becomes {self._tokenize.clean_fn(text)!r}. Say in words what is to be done."
                )
        return tokens

    @cached_property
    def _nothing(self) -> Tensor:
        tokens: Tensor = self._tokenize([""])[0]
        return tokens


def load_tokenizer(architecture: str, folder: str | Path | None = None) -> CLIPTokenizer:
    """The tokenizer that an architecture was trained with; never downloads.

    Args:
        architecture: a name of ``open_clip.list_models()``.
        folder: of the tokenizer's files; None: CLIP's own, or what the hub cache has.

    Raises:
        InvalidValueError: a folder is given, and the architecture reads CLIP's own tokens.
        FileNotFoundError: the files are not here; the message says how to get them.
        FileFormatError: the files are damaged, or of another model.
        MissingExtraError: the transformers library is needed, and is not installed.
    """
    open_clip = require("open_clip", extra="vision", needed_by="CLIP")
    text = open_clip.get_model_config(architecture)["text_cfg"]
    name = text.get("hf_tokenizer_name")
    if not name:
        if folder is not None:
            raise InvalidValueError(
                f"{architecture!r} reads CLIP's own tokens, which come with open_clip, and got "
                f"tokenizer={str(folder)!r}; leave it out."
            )
        return _own_tokenizer(architecture)
    require("transformers", extra="vision", needed_by=f"The tokenizer of {architecture!r}")
    fetch = f"`hf download {name} {_VOCABULARIES[0]} {_CONFIG}`"
    files = _in_hub_cache(name) if folder is None else Path(folder).expanduser()
    if files is None:
        raise FileNotFoundError(
            f"The tokenizer of {architecture!r} is not in the hub cache, and nothing is downloaded "
            f"without being asked to. Fetch it once with {fetch}, or copy these files here and "
            "pass tokenizer='their folder'."
        )
    if not any((files / file).is_file() for file in _VOCABULARIES):
        raise FileNotFoundError(
            f"No vocabulary, such as {_VOCABULARIES[0]}, in the folder {str(files)!r} of the "
            f"tokenizer of {architecture!r}; fetch one with {fetch}."
        )
    with reading(files, "tokenizer", advice=f"Fetch it again with {fetch}."):
        tokenizer = open_clip.tokenizer.HFTokenizer(
            str(files),
            context_length=text.get("context_length", open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH),
            tokenizer_mode=text.get("tokenizer_mode"),
            local_files_only=True,
            trust_remote_code=False,  # else it asks whether to run what lies in the folder
            **text.get("tokenizer_kwargs", {}),
        )
    n_tokens, n_embeddings = len(tokenizer.tokenizer), text.get("vocab_size")
    if n_embeddings is not None and abs(n_tokens / n_embeddings - 1) > _SAME_VOCABULARY:
        raise FileFormatError(
            f"The tokenizer in {str(files)!r} knows {n_tokens} tokens and {architecture!r} reads "
            f"{n_embeddings}: it belongs to another model. Fetch its own with {fetch}."
        )
    return CLIPTokenizer(tokenizer)


@cache  # a tenth of a second each
def _own_tokenizer(architecture: str) -> CLIPTokenizer:
    open_clip = require("open_clip", extra="vision", needed_by="CLIP")
    return CLIPTokenizer(open_clip.get_tokenizer(architecture))


def _in_hub_cache(name: str) -> Path | None:
    hub = require("huggingface_hub", extra="vision", needed_by="Tokenizers of the hub")
    path = hub.try_to_load_from_cache(name, _CONFIG)
    return Path(path).parent if isinstance(path, str) else None
