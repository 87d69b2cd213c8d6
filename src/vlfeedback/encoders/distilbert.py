"""DistilBERT as R3M reads a sentence: the mean of its last layer over all tokens.

Paper: Sanh et al. 2019. Code read: facebookresearch/r3m at b2334e7 `models_language.py`,
transformers 5.24. R3M averages ``[CLS]``, ``[SEP]`` and, where sentences are read together, their
padding: a sentence's features then depend on its neighbours. Here each is read alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float32, Int64
from torch import Tensor, nn

from vlfeedback.optional import require

__all__ = ["distilbert", "distilbert_like", "mean_of_tokens"]

_HEAD = 64  # numbers an attention head reads: 768 / 12 of the released one; no shape shows it


def distilbert(
    *,
    vocabulary: int = 30522,
    positions: int = 512,
    width: int = 768,
    hidden: int = 3072,
    layers: int = 6,
) -> nn.Module:
    """A DistilBERT with random weights from torch's generator; defaults: the released one's.

    Args:
        vocabulary: number of tokens.
        positions: most tokens of a sentence, ``[CLS]`` and ``[SEP]`` among them.
        width: numbers of a token's features; of each 64 of them an attention head is made.
        hidden: width inside the feed-forward layers.
        layers: how many.

    Raises:
        MissingExtraError: transformers is not installed.
    """
    transformers = require("transformers", extra="vision", needed_by="DistilBERT")
    model: nn.Module = transformers.DistilBertModel(
        transformers.DistilBertConfig(
            vocab_size=vocabulary,
            max_position_embeddings=positions,
            dim=width,
            hidden_dim=hidden,
            n_layers=layers,
            n_heads=width // _HEAD if width % _HEAD == 0 else 1,
        )
    )
    return model


def distilbert_like(tensors: Mapping[str, Tensor]) -> nn.Module:
    """A DistilBERT of the architecture whose tensors these are; its weights are random still.

    Args:
        tensors: by name, such as ``embeddings.word_embeddings.weight``. Where those that show a
            width are missing, it is the released one's, so that what fills it can name them.
    """
    sizes: dict[str, int] = {}
    for setting, key, axis in (
        ("vocabulary", "embeddings.word_embeddings.weight", 0),
        ("width", "embeddings.word_embeddings.weight", 1),
        ("positions", "embeddings.position_embeddings.weight", 0),
        ("hidden", "transformer.layer.0.ffn.lin1.weight", 0),
    ):
        if key in tensors and tensors[key].ndim == 2:
            sizes[setting] = tensors[key].shape[axis]
    layers = {key.split(".")[2] for key in tensors if key.startswith("transformer.layer.")}
    return distilbert(**sizes, **({"layers": len(layers)} if layers else {}))


def mean_of_tokens(model: nn.Module, ids: Int64[Tensor, "1 M"]) -> Float32[Tensor, " D"]:
    """Features of one sentence: the last layer's, averaged over all of its tokens."""
    features: Tensor = model(input_ids=ids).last_hidden_state
    return features.mean(dim=1)[0]
