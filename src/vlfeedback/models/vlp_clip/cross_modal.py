"""The VLP paper's cross-modal transformer: attention between a segment and an instruction.

Source: VLP paper, section 3.1 and figure 2: self-attention over either, cross-attention both
ways. The paper names no temporal embedding, without which the mean over tokens cannot tell
forward from backward; there is a learned one here. Tokens of a picture come with their change
since the reset. The paper's head reads the mean over all tokens; this one reads each picture's
mean and adds up, as a return adds up rewards.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from vlfeedback.errors import InvalidValueError

__all__ = ["CrossModal"]


class CrossModal(nn.Module):
    """Cross-modal transformer that scores each picture of a segment under an instruction."""

    def __init__(
        self,
        *,
        n_frames: int,
        places: int,
        width: int,
        n_heads: int,
        layers: int,
        head: tuple[int, int],
        dropout: float,
        word_dim: int,
        max_words: int,
    ) -> None:
        super().__init__()
        self.n_frames, self.places = n_frames, places
        self.token_norm = nn.LayerNorm(width)
        self.change = nn.Linear(2 * width, width)
        self.time = nn.Parameter(torch.randn(n_frames, 1, width) * 0.02)
        self.place = nn.Parameter(torch.randn(places, width) * 0.02)
        self.words = nn.Linear(word_dim, width)
        self.order = nn.Parameter(torch.randn(max_words, width) * 0.02)

        def blocks(count: int) -> nn.ModuleList:
            return nn.ModuleList(_Block(width, n_heads, dropout) for _ in range(count))

        self.video_layers, self.text_layers = blocks(layers), blocks(layers)
        self.video_reads_text = _Block(width, n_heads, dropout)
        self.text_reads_video = _Block(width, n_heads, dropout)
        first, second = head
        self.head = nn.Sequential(
            nn.LayerNorm(2 * width),
            nn.Linear(2 * width, first),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(first, second),
            nn.GELU(),
            nn.Linear(second, 1),
        )

    def read_video(
        self, tokens: Float[Tensor, "N F P D"], first: Float[Tensor, "N P D"]
    ) -> Float[Tensor, "N FP D"]:
        """Self-attention over all tokens of a segment, with embeddings of time and place."""
        pictures, reset = self.token_norm(tokens), self.token_norm(first).unsqueeze(1)
        features: Tensor = self.change(torch.cat([pictures, pictures - reset], dim=-1))
        x = (features + self.time + self.place).flatten(1, 2)
        for layer in self.video_layers:
            x = layer(x, x)
        return x

    def read_text(
        self, words: Float[Tensor, "N M E"], mask: Bool[Tensor, "N M"]
    ) -> Float[Tensor, "N M D"]:
        """Self-attention over the words of an instruction."""
        x: Tensor = self.words(words) + self.order[: words.shape[1]]
        for layer in self.text_layers:
            x = layer(x, x, mask)
        return x

    def forward(
        self,
        video: Float[Tensor, "N FP D"],
        text: Float[Tensor, "N M D"],
        mask: Bool[Tensor, "N M"],
    ) -> Float[Tensor, "N F"]:
        """One number a picture, from what `read_video` and `read_text` gave."""
        video_features = self.video_reads_text(video, text, mask)
        video_features = video_features.unflatten(1, (self.n_frames, self.places)).mean(dim=2)
        text_features = self.text_reads_video(text, video)
        weights = mask.to(text_features.dtype).unsqueeze(-1)
        meaning = (text_features * weights).sum(dim=1) / weights.sum(dim=1)
        both = torch.cat([video_features, meaning.unsqueeze(1).expand_as(video_features)], dim=-1)
        numbers: Tensor = self.head(both)
        return numbers.squeeze(-1)


class _Block(nn.Module):
    """Pre-norm attention from `x` to `context`, then an MLP; self-attention if they are one."""

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        if n_heads < 1 or width % n_heads:
            raise InvalidValueError(
                f"width={width} is no multiple of n_heads={n_heads}; each head gets an equal share "
                "of a token."
            )
        self.n_heads = n_heads
        self.dropout = dropout
        self.norm_x = nn.LayerNorm(width)
        self.norm_context = nn.LayerNorm(width)
        self.norm_mlp = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        query = self._split(self.query(self.norm_x(x)))
        key, value = map(self._split, self.key_value(self.norm_context(context)).chunk(2, dim=-1))
        attended = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=None if mask is None else mask[:, None, None, :],
            dropout_p=self.dropout if self.training else 0.0,
        )
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        change: Tensor = self.mlp(self.norm_mlp(x))
        return x + change

    def _split(self, x: Tensor) -> Tensor:
        heads: Tensor = x.unflatten(-1, (self.n_heads, -1))
        return heads.transpose(1, 2)
