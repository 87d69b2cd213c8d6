"""Data augmentation of the VLP model: noise on words, tokens and positions in training."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from vlfeedback.encoders.words import WordVectors
from vlfeedback.models.vlp.settings import VLPTraining
from vlfeedback.models.vlp.texts import Texts

__all__ = ["Disturbance"]

_COLOURS = ("red", "green", "blue", "yellow", "black", "white", "grey", "brown", "orange", "purple")


class Disturbance:
    """Noise on words, tokens and positions, drawn from torch's own generators.

    Args:
        training: how much.
        deviation: of the tokens' numbers.
        max_words: tokens of an instruction that are read.
    """

    def __init__(self, training: VLPTraining, deviation: float, max_words: int) -> None:
        self._training, self._deviation, self._max_words = training, deviation, max_words
        colours, _ = WordVectors.load().encode(list(_COLOURS), max_tokens=1)
        self._colours = torch.from_numpy(colours[:, 0])

    def words(
        self, texts: Texts, rows: Int64[np.ndarray, " S"]
    ) -> tuple[Float[Tensor, "S M E"], Bool[Tensor, "S M"]]:
        """Vectors of these texts with noise, and the mask of those that are read; at least one."""
        training = self._training
        words, mask = torch.from_numpy(texts.words[rows]), torch.from_numpy(texts.mask[rows])
        longest = int(mask.sum(dim=1).max())
        words, mask = words[:, :longest], mask[:, :longest]
        share = 2 * training.word_dropout * torch.rand(len(rows), 1)  # some texts stay whole
        visible = mask & ~(torch.rand(mask.shape) < share)
        visible = torch.where(visible.any(dim=1, keepdim=True), visible, mask)
        # A colour comes after all words; where none comes, that place is padding.
        colours = self._colours[torch.randint(len(self._colours), (len(rows), 1))]
        coloured = torch.rand(len(rows), 1) < training.colour_share
        words = torch.cat([words, colours], dim=1)[:, : self._max_words]
        visible = torch.cat([visible, coloured], dim=1)[:, : self._max_words]
        return words + training.word_noise * torch.randn_like(words), visible

    def tokens(
        self, tokens: Float[Tensor, "*B P D"], *, hide: bool = False
    ) -> Float[Tensor, "*B P D"]:
        """Tokens with noise; with `hide`, a share of them is zero."""
        training = self._training
        noisy = tokens + training.token_noise * self._deviation * torch.randn_like(tokens)
        if not hide:
            return noisy
        visible = torch.rand(tokens.shape[:-1], device=tokens.device) >= training.token_dropout
        return noisy * visible.unsqueeze(-1)

    def places(
        self, positions: Float[Tensor, "N F 10"], first: Float[Tensor, "N 10"]
    ) -> tuple[Float[Tensor, "N F 10"], Float[Tensor, "N 10"]]:
        """Shift the object by one offset a segment: on unseen tasks its positions have errors."""
        spread = self._training.place_noise * 2.0 * torch.rand(len(first), 1)
        offset = torch.zeros_like(first)
        offset[:, 4:7] = (spread * torch.randn(len(first), 3)).to(first.device)
        offset[:, 7:] = offset[:, 4:7]
        return positions + offset.unsqueeze(1), first + offset
