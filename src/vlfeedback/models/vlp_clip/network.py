"""VLP as the paper built it: a cross-modal transformer on the tokens of a frozen CLIP.

Paper:    Liu et al. 2025, "VLP: Vision-Language Preference Learning", section 3 and Table 7.
          No code or weights were released; this is a re-implementation.
Code read: amberxie88/lapp at f0b2941, on which the paper builds: its transformer blocks.
Computes: P[second preferred | text] = sigmoid(f(second | text) - f(first | text)).
Recipe:   1 CLIP's tokens of 8 pictures and of the text; 2 self-attention over either;
          3 cross-attention both ways; 4 mean over tokens, joined; 5 an MLP to one number.
Differs:  what the paper leaves open is a field of `VLPClipArchitecture`. Padding of a text is not
          read (LAPP reads it: there a text's length would dilute its words).
The compact model that comes with the library is `vlfeedback.models.vlp.network`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from vlfeedback.errors import NeedsError

__all__ = ["VLPClipArchitecture", "VLPClipNetwork"]


@dataclass(frozen=True, slots=True)
class VLPClipArchitecture:
    """Everything needed to build an empty network.

    Attributes:
        n_frames: pictures a score reads (paper, Table 7).
        picture_width: of CLIP's picture tokens: ViT-B/16.
        text_width: of CLIP's text tokens: ViT-B/16.
        self_layers: paper, Table 7.
        n_heads: paper, Table 7.
        head: paper, Table 7.
        dropout: paper, Table 7.
        width: 1. of tokens in both streams, texts projected, as LAPP does: D_w is 1536.
        separate_self_attention: 2. a stack each: "separately inputted", paper 3.1.
        cross_blocks: 3. in each direction: Table 7 counts self-attention layers only.
        class_token: 4. read CLIP's too; the paper counts H/p * W/p tokens, without.
        temporal_embedding: 5. learned, added to each picture's tokens: without it a
            segment and its reverse score the same, and opening is closing.
        sigmoid: 6. on the score, as in LAPP; it keeps P within [0.269, 0.731].
        frozen_clip: 7. so that each picture is encoded once; True is all there is.

    Raises:
        NeedsError: a field has a value that is not supported.
    """

    n_frames: int = 8
    picture_width: int = 768
    text_width: int = 512
    self_layers: int = 2
    n_heads: int = 16
    head: tuple[int, int] = (512, 256)
    dropout: float = 0.1
    # The choices that the paper leaves open:
    width: int = 768
    separate_self_attention: bool = True
    cross_blocks: int = 1
    class_token: bool = False
    temporal_embedding: bool = True
    sigmoid: bool = False
    frozen_clip: bool = True

    def __post_init__(self) -> None:
        if not self.frozen_clip:
            raise NeedsError(
                "frozen_clip=False asks to train CLIP too, which is not supported: its tokens are "
                "encoded once and kept. Leave frozen_clip=True."
            )
        if self.width % self.n_heads:
            raise NeedsError(
                f"width={self.width} is no multiple of n_heads={self.n_heads}; each head gets an "
                "equal share of a token."
            )


class VLPClipNetwork(nn.Module):
    """CLIP's tokens of a segment and of an instruction to one preference score."""

    def __init__(self, architecture: VLPClipArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        width = architecture.width
        self.picture_projection = _projection(architecture.picture_width, width)
        self.text_projection = _projection(architecture.text_width, width)
        self.video_mark = nn.Parameter(torch.randn(width) * 0.02)  # LAPP: which modality it is
        self.text_mark = nn.Parameter(torch.randn(width) * 0.02)
        self.time = (
            nn.Parameter(torch.randn(architecture.n_frames, 1, width) * 0.02)
            if architecture.temporal_embedding
            else None
        )
        n_self, n_cross = range(architecture.self_layers), range(architecture.cross_blocks)
        self.video_layers = nn.ModuleList(_SelfBlock(architecture) for _ in n_self)
        self.text_layers = (
            nn.ModuleList(_SelfBlock(architecture) for _ in n_self)
            if architecture.separate_self_attention
            else None
        )
        self.video_reads_text = nn.ModuleList(_CrossBlock(architecture) for _ in n_cross)
        self.text_reads_video = nn.ModuleList(_CrossBlock(architecture) for _ in n_cross)
        first, second = architecture.head
        self.head = nn.Sequential(
            nn.LayerNorm(2 * width, bias=False),
            nn.Linear(2 * width, first),
            nn.ReLU(),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.Linear(second, 1, bias=False),
        )

    def read_video(self, tokens: Float[Tensor, "N F P E"]) -> Float[Tensor, "N FP D"]:
        """Self-attention over all picture tokens of a segment."""
        x: Tensor = self.picture_projection(tokens) + self.video_mark
        if self.time is not None:
            x = x + self.time
        x = x.flatten(1, 2)
        for layer in self.video_layers:
            x = layer(x)
        return x

    def read_text(
        self, tokens: Float[Tensor, "N M E"], mask: Bool[Tensor, "N M"]
    ) -> Float[Tensor, "N M D"]:
        """Self-attention over the tokens of an instruction."""
        x: Tensor = self.text_projection(tokens) + self.text_mark
        for layer in self.video_layers if self.text_layers is None else self.text_layers:
            x = layer(x, mask)
        return x

    def score(
        self,
        video: Float[Tensor, "N FP D"],
        text: Float[Tensor, "N M D"],
        mask: Bool[Tensor, "N M"],
    ) -> Float[Tensor, " N"]:
        """f(video | text), from what `read_video` and `read_text` gave."""
        for by_video, by_text in zip(self.video_reads_text, self.text_reads_video, strict=True):
            video, text = by_video(video, text, mask), by_text(text, video)
        weights = mask.to(text.dtype).unsqueeze(-1)
        meaning = (text * weights).sum(dim=1) / weights.sum(dim=1)
        scores: Tensor = self.head(torch.cat([video.mean(dim=1), meaning], dim=-1)).squeeze(-1)
        return scores.sigmoid() if self.architecture.sigmoid else scores


def _projection(width_in: int, width_out: int) -> nn.Module:
    return nn.Identity() if width_in == width_out else nn.Linear(width_in, width_out, bias=False)


class _SelfBlock(nn.Module):
    """Pre-norm self-attention, then an MLP; no biases, as in LAPP."""

    def __init__(self, architecture: VLPClipArchitecture) -> None:
        super().__init__()
        width = architecture.width
        self.n_heads, self.dropout = architecture.n_heads, architecture.dropout
        self.ln_1 = nn.LayerNorm(width, bias=False)
        self.c_attn = nn.Linear(width, 3 * width, bias=False)
        self.c_proj = nn.Linear(width, width, bias=False)
        self.mlp = _mlp(architecture)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        query, key, value = self.c_attn(self.ln_1(x)).chunk(3, dim=-1)
        x = x + _attend(self, query, key, value, mask)
        change: Tensor = self.mlp(x)
        return x + change


class _CrossBlock(nn.Module):
    """The same with queries of `x`, and keys and values of `context`."""

    def __init__(self, architecture: VLPClipArchitecture) -> None:
        super().__init__()
        width = architecture.width
        self.n_heads, self.dropout = architecture.n_heads, architecture.dropout
        self.ln_1 = nn.LayerNorm(width, bias=False)
        self.ln_context = nn.LayerNorm(width, bias=False)
        self.c_query = nn.Linear(width, width, bias=False)
        self.c_context = nn.Linear(width, 2 * width, bias=False)
        self.c_proj = nn.Linear(width, width, bias=False)
        self.mlp = _mlp(architecture)

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        query = self.c_query(self.ln_1(x))
        key, value = self.c_context(self.ln_context(context)).chunk(2, dim=-1)
        x = x + _attend(self, query, key, value, mask)
        change: Tensor = self.mlp(x)
        return x + change


def _mlp(architecture: VLPClipArchitecture) -> nn.Sequential:
    width = architecture.width
    return nn.Sequential(
        nn.LayerNorm(width, bias=False),
        nn.Linear(width, 4 * width, bias=False),
        nn.GELU(approximate="tanh"),
        nn.Linear(4 * width, width, bias=False),
        nn.Dropout(architecture.dropout),
    )


def _attend(
    block: _SelfBlock | _CrossBlock, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None
) -> Tensor:
    dropout = block.dropout if block.training else 0.0
    query, key, value = (
        x.unflatten(-1, (block.n_heads, -1)).transpose(1, 2) for x in (query, key, value)
    )
    attended = functional.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=None if mask is None else mask[:, None, None, :],
        dropout_p=dropout,
    )
    change: Tensor = block.c_proj(attended.transpose(1, 2).flatten(2))
    return functional.dropout(change, dropout)
