"""R3M's text encoder and language head: a score of two pictures under a sentence.

Paper: Nair et al. 2022, arXiv 2203.12601. Code read: facebookresearch/r3m at b2334e7. The released
files hold a DistilBERT and the language head beside the picture encoder; the repository's own
loader leaves them out, others load them from the same files (ademiadeniji/r3m_lamp).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from vlfeedback.encoders.distilbert import distilbert, distilbert_like, mean_of_tokens
from vlfeedback.encoders.resnet import read_resnet_file
from vlfeedback.encoders.sharing import file_key, shared
from vlfeedback.encoders.weights_files import check_fit, fill, locate
from vlfeedback.encoders.wordpiece import (
    WordPiece,
    any_vocabulary,
    find_vocabulary,
    read_vocabulary,
)
from vlfeedback.errors import FileFormatError, InvalidValueError, ShapeError

__all__ = ["LanguageNetwork", "LanguageReward", "load_language_network", "load_r3m_language"]

_HIDDEN = 1024  # width of the head; the repository's default
_FEATURES = {18: 512, 34: 512, 50: 2048}  # numbers a picture, by size of the ResNet
_ROWS = 4096  # pictures scored at once: about 80 MB of the widest input


class LanguageNetwork(nn.Module):
    """R3M without its picture encoder, its parts named as in the repository.

    Args:
        text: reads sentences, see `distilbert`.
        n_features: D, numbers of a picture's features.
        hidden: width of the head.
    """

    def __init__(self, text: nn.Module, *, n_features: int, hidden: int = _HIDDEN) -> None:
        super().__init__()
        self.n_features = n_features
        self.n_positions: int = text.embeddings.position_embeddings.num_embeddings  # type: ignore[union-attr, assignment]
        n_text: int = text.embeddings.word_embeddings.embedding_dim  # type: ignore[union-attr, assignment]
        widths = [2 * n_features + n_text, hidden, hidden, hidden, hidden]
        layers: list[nn.Module] = []
        for wide, next_wide in pairwise(widths):
            layers += [nn.Linear(wide, next_wide), nn.ReLU()]
        self.lang_enc = nn.ModuleDict({"model": text})
        self.lang_rew = nn.ModuleDict({"pred": nn.Sequential(*layers, nn.Linear(hidden, 1))})

    def embed_text(self, ids: list[int]) -> Float32[Tensor, " L"]:
        """Features of one sentence, from the numbers of its tokens."""
        device = next(self.parameters()).device
        return mean_of_tokens(self.lang_enc["model"], torch.tensor([ids], device=device))

    def forward(
        self,
        first: Float32[Tensor, "B D"],
        now: Float32[Tensor, "B D"],
        text: Float32[Tensor, "B L"],
    ) -> Float32[Tensor, " B"]:
        """R3M's score of what happened between two pictures; no activation at the end."""
        scores: Tensor = self.lang_rew["pred"](torch.cat([first, now, text], dim=-1))
        return scores.squeeze(-1)


class LanguageReward:
    """A frozen `LanguageNetwork` with its tokenizer, from arrays to arrays.

    Args:
        network: in evaluation mode, on `device`.
        tokenize: a sentence to the numbers of its tokens.
        device: where it computes.
    """

    def __init__(self, network: LanguageNetwork, tokenize: WordPiece, *, device: str) -> None:
        self.network = network
        self.tokenize = tokenize
        self.device = device

    @torch.inference_mode()
    def embed_text(self, text: str) -> Float32[np.ndarray, " L"]:
        """Features of a sentence, read alone.

        Raises:
            InvalidValueError: no word of it is known, or it is longer than the text encoder reads.
        """
        ids = self.tokenize(text)
        if len(ids) > self.network.n_positions:
            raise InvalidValueError(
                f"The instruction {text[:40]!r}... has {len(ids)} tokens and R3M's text encoder "
                f"reads {self.network.n_positions} at most; shorten it."
            )
        return np.asarray(self.network.embed_text(ids).cpu().numpy())

    @torch.inference_mode()
    def score(
        self,
        first: Float32[np.ndarray, "N D"],
        now: Float32[np.ndarray, "N F D"],
        text: Float32[np.ndarray, "N L"],
    ) -> Float32[np.ndarray, "N F"]:
        """Score of each picture, given its segment's first picture and sentence.

        Raises:
            ShapeError: the features of pictures are not those of this R3M's picture encoder.
        """
        width = self.network.n_features
        if now.ndim != 3 or now.shape[-1] != width or first.shape != (len(now), width):
            raise ShapeError(
                f"Features have shapes {now.shape} and, of first pictures, {first.shape}; expected "
                f"(N, F, {width}) and (N, {width}), as `embed` of this source gives them."
            )
        n, f, _ = now.shape
        segments = np.repeat(np.arange(n), f)
        flat = now.reshape(n * f, width)
        scores = np.empty(n * f, dtype=np.float32)
        for start in range(0, n * f, _ROWS):
            rows = slice(start, start + _ROWS)
            arrays = (first[segments[rows]], flat[rows], text[segments[rows]])
            inputs = (torch.from_numpy(array).to(self.device) for array in arrays)
            scores[rows] = self.network(*inputs).cpu().numpy()
        return scores.reshape(n, f)


def load_r3m_language(
    size: int,
    *,
    checkpoint: str | Path | None = None,
    random_weights_seed: int | None = None,
    tokenizer: str | Path | None = None,
    device: str = "cpu",
) -> LanguageReward:
    """R3M's text encoder and language head, in evaluation mode and float32.

    Args:
        size: of the picture encoder: 18, 34 or 50.
        checkpoint: a file with the language head, or an address of the hub, see `locate`.
        random_weights_seed: random weights instead, untrained.
        tokenizer: path of the ``vocab.txt`` of distilbert-base-uncased, or of its folder; default:
            beside the checkpoint, else in the hub cache. Random weights need none.
        device: where it computes.

    Raises:
        FileNotFoundError: the file, or a vocabulary, is not there.
        CheckpointError: the file is damaged, or of another network or method.
        FileFormatError: the vocabulary is none, or belongs to another text encoder.
        MissingExtraError: transformers is not installed.
    """
    path = None if checkpoint is None else locate(checkpoint)
    network = shared(
        ("r3m language", size, device, random_weights_seed if path is None else file_key(path)),
        lambda: load_language_network(path, size, random_weights_seed or 0).to(device),
    )
    if path is None and tokenizer is None:
        return LanguageReward(network, WordPiece(any_vocabulary(), source="r3m"), device=device)
    vocabulary = find_vocabulary(tokenizer, checkpoint=path or Path("vocab.txt"))
    tokenize = WordPiece(read_vocabulary(vocabulary), source="r3m")
    n_rows = network.lang_enc["model"].embeddings.word_embeddings.num_embeddings  # type: ignore[union-attr]
    if tokenize.n_tokens != n_rows:
        raise FileFormatError(
            f"{vocabulary} holds {tokenize.n_tokens} tokens and the text encoder knows {n_rows}: "
            "each would be taken for another. Pass the vocab.txt of distilbert-base-uncased."
        )
    return LanguageReward(network, tokenize, device=device)


def load_language_network(path: str | Path | None, size: int, seed: int = 0) -> LanguageNetwork:
    """The text encoder and head alone, filled from a file or random; frozen.

    Raises:
        CheckpointError: the file is damaged, or of another network or method.
    """
    what = f"R3M of size {size} with a language head"
    weights, tensors, unread = None, {}, []
    if path is not None:
        weights = read_resnet_file(path, family="r3m", source="r3m", size=size)
        tensors = weights.tensors
        unread = [key for key in tensors if key.startswith("convnet.")]
        with torch.device("meta"):  # two small tensors may ask for a network of any size
            outline = _network_for(tensors, size)
        check_fit(outline, weights, what, unread=unread)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _network_for(tensors, size)
    if weights is not None:
        fill(network, weights, what, unread=unread)
    return network.eval().requires_grad_(False)


def _network_for(tensors: Mapping[str, Tensor], size: int) -> LanguageNetwork:
    prefix = "lang_enc.model."
    text = {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
    first_layer = tensors.get("lang_rew.pred.0.weight")
    return LanguageNetwork(
        distilbert_like(text) if text else distilbert(),
        n_features=_FEATURES[size],
        hidden=_HIDDEN if first_layer is None or not first_layer.ndim else len(first_layer),
    )
