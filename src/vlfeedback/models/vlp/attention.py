"""Attention of a VLP network: of words to places, and saliency of places for its score.

Attention: VLP paper, section 3.2 and Figure 4; averaged over heads.
Saliency:  Grad-CAM (Selvaraju et al. 2017, equations 1 and 2) of the score, on the encoder's last
           map before it is narrowed to the grid of tokens: that grid is far coarser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from vlfeedback.encoders.words import WordVectors
from vlfeedback.errors import NeedsError, ShapeError, UnknownNameError
from vlfeedback.models.vlp.network import VLPNetwork
from vlfeedback.models.vlp.weights import load_vlp
from vlfeedback.types import SegmentBatch

__all__ = ["SegmentAttention", "read_attention"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SegmentAttention:
    """Attention and saliency of a VLP network on one segment under one instruction."""

    tokens: tuple[str, ...]  # M pieces of the instruction, as the network reads them
    read: Int64[np.ndarray, " R"]  # which of the given pictures are read, ascending
    attention: Float32[np.ndarray, "M R g g"]  # of each token to each place; its sum is 1
    saliency: Float32[np.ndarray, "R h w"]  # >= 0: how much each place raises the score

    def of_word(self, word: str | None = None) -> Float32[np.ndarray, "R g g"]:
        """Attention of one word of the instruction, or the mean over all; its sum is 1.

        Raises:
            UnknownNameError: the word is not in the instruction.
        """
        if word is None:
            return np.asarray(self.attention.mean(axis=0))
        pieces = WordVectors.load().tokenize(word)
        rows = [row for row, token in enumerate(self.tokens) if token in pieces]
        if not rows:
            raise UnknownNameError(
                f"No word {word!r} in this instruction; it is read as {', '.join(self.tokens)}."
            )
        return np.asarray(self.attention[rows].mean(axis=0))


def read_attention(weights: str, segment: SegmentBatch) -> SegmentAttention:
    """Attention and saliency of one segment.

    Args:
        weights: bundled name, or path of a file that `vlfeedback fit vlp` wrote.
        segment: one segment with pictures and its instruction, as the source `vlp` reads it.

    Raises:
        NeedsError: pictures or the instruction are missing.
        InvalidValueError: no word of the instruction is known.
        ShapeError: it is not exactly one segment.
        UnknownNameError: no such weights.
        CheckpointError: the weights file is truncated or of another architecture.
    """
    if len(segment) != 1:
        raise ShapeError(f"{len(segment)} segments; attention is read of one: batch.take([0]).")
    if segment.frames is None or segment.instructions is None:
        raise NeedsError("Attention is of words to pictures: give frames and instructions.")
    network, description = load_vlp(weights)
    architecture = description.architecture
    vectors = WordVectors.load()
    words, mask = vectors.encode(segment.instructions, max_tokens=architecture.max_words)
    last = np.searchsorted(segment.picture_steps, segment.last_steps[0], side="right") - 1
    positions = np.rint(np.linspace(0, last, architecture.n_frames)).astype(np.int64)

    inputs: dict[str, Any] = {}
    hooks = (
        network.encoder.body[-2].register_forward_pre_hook(_record(inputs, "map")),
        network.relevance.text_reads_video.register_forward_pre_hook(
            _record(inputs, "words and places")
        ),
    )
    first_frame = segment.frames[:, 0] if segment.first_frames is None else segment.first_frames
    first = network.encoder(torch.from_numpy(np.ascontiguousarray(first_frame)))
    tokens = network.encoder(torch.from_numpy(segment.frames[0, positions]))
    has_reset = torch.from_numpy(segment.has_reset)
    segment_features = network.read_segment(tokens[None], first, has_reset)
    text = network.read_text(torch.from_numpy(words), torch.from_numpy(mask))
    score = network.score(segment_features, text)
    for hook in hooks:
        hook.remove()
    (gradient,) = torch.autograd.grad(score.sum(), inputs["map"][0])
    return SegmentAttention(
        tokens=tuple(vectors.tokenize(segment.instructions[0])[: architecture.max_words]),
        read=positions,
        attention=_attention(network, *inputs["words and places"][:2]),
        saliency=_grad_cam(inputs["map"][0], gradient),
    )


def _record(inputs: dict[str, Any], name: str) -> Any:
    def hook(_: torch.nn.Module, arguments: tuple[Tensor, ...]) -> None:
        inputs[name] = arguments

    return hook


@torch.no_grad()
def _attention(
    network: VLPNetwork, words: Float[Tensor, "1 M D"], places: Float[Tensor, "1 RP D"]
) -> Float32[np.ndarray, "M R g g"]:
    """Attention weights, which `text_reads_video` computes and does not return."""
    block, grid = network.relevance.text_reads_video, network.architecture.grid
    query = block.query(block.norm_x(words))
    key, _ = block.key_value(block.norm_context(places)).chunk(2, dim=-1)
    query, key = (x.unflatten(-1, (block.n_heads, -1)).transpose(1, 2) for x in (query, key))
    logits = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    mean = logits.softmax(dim=-1).mean(dim=1)[0]
    return np.asarray(mean.reshape(len(mean), -1, grid, grid).numpy(), dtype=np.float32)


def _grad_cam(
    features: Float[Tensor, "R C h w"], gradient: Float[Tensor, "R C h w"]
) -> Float32[np.ndarray, "R h w"]:
    importance = gradient.mean(dim=(2, 3), keepdim=True)
    raises = (importance * features).sum(dim=1).relu()
    return np.asarray(raises.detach().numpy(), dtype=np.float32)
