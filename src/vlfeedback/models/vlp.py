"""VLP: how well does a clip follow an instruction? One scalar for a video and a text.

Paper:    Liu et al. 2025, "VLP: Vision-Language Preference Learning", section 3 and Table 7.
          No code or weights were released; this is a compact re-implementation.
Computes: P[second preferred | text] = sigmoid(f(second | text) - f(first | text)).
Recipe:   1 each picture becomes a grid of tokens, once; 2 each word becomes a vector, once;
          3 self-attention over either; 4 cross-attention both ways; 5 mean over tokens, joined,
          and an MLP gives the match of clip and text; 6 an MLP on the clip's tokens alone gives
          its quality; 7 f is match + 2 quality.
Differs:  the paper's frozen CLIP ViT-B/16 is replaced by a small convolutional encoder trained
          on simulator states and by static word vectors, so that the model ships in a few
          megabytes and scores in real time on one core. The paper names no temporal embedding,
          without which mean pooling cannot tell forward from backward: ours has one, learned.
          The paper's f is the match alone. Without CLIP's knowledge of words, what such an f
          learns of 45 tasks misleads it on the next one; a quality that knows no words does not.
          No final sigmoid, which would cap the preference probability at 0.73.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["FrameEncoder", "VLPArchitecture", "VLPNetwork"]


@dataclass(frozen=True, slots=True)
class VLPArchitecture:
    """Everything needed to build an empty network."""

    picture_size: int = 112  # px; pictures of other sizes are area-filtered to it
    n_frames: int = 8  # pictures a score reads (paper, Table 7)
    word_dim: int = 64  # of the static word vectors
    max_words: int = 24  # tokens of an instruction that are read
    width: int = 128  # of tokens; the paper's CLIP has 768
    n_heads: int = 4  # paper: 16, at six times the width
    self_layers: int = 2  # paper, Table 7
    head: tuple[int, int] = (256, 128)  # paper: (512, 256)
    dropout: float = 0.1  # paper, Table 7
    quality_weight: float = 2.0  # chosen on training tasks that were held out

    @property
    def grid(self) -> int:
        """Side of the grid of tokens a picture becomes."""
        return -(-self.picture_size // 64)


class FrameEncoder(nn.Module):
    """A picture to a grid of tokens: (B, H, W, 3) uint8 to (B, grid², width)."""

    def __init__(self, architecture: VLPArchitecture) -> None:
        super().__init__()
        width = architecture.width
        self.picture_size = architecture.picture_size
        self.body = nn.Sequential(
            nn.Conv2d(3, 48, kernel_size=4, stride=4),
            nn.GELU(),
            _ResidualConv(48),
            nn.Conv2d(48, 80, kernel_size=3, stride=2, padding=1),
            nn.GELU(),
            _ResidualConv(80),
            nn.Conv2d(80, 128, kernel_size=3, stride=2, padding=1),
            nn.GELU(),
            _ResidualConv(128),
            nn.Conv2d(128, width, kernel_size=3, stride=2, padding=1),
            nn.AvgPool2d(2, ceil_mode=True),
        )

    def forward(self, frames: UInt8[Tensor, "B H W 3"]) -> Float[Tensor, "B P D"]:
        """Encode pictures of any size, each on its own."""
        pixels = frames.permute(0, 3, 1, 2).float() / 127.5 - 1.0
        if pixels.shape[-2:] != (self.picture_size, self.picture_size):
            size = (self.picture_size, self.picture_size)
            pixels = functional.interpolate(pixels, size=size, mode="area")
        features: Tensor = self.body(pixels.contiguous(memory_format=torch.channels_last))
        return features.flatten(2).transpose(1, 2)


class VLPNetwork(nn.Module):
    """Tokens of a clip and words of an instruction to one preference score."""

    def __init__(self, architecture: VLPArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        width, layers = architecture.width, architecture.self_layers
        self.encoder = FrameEncoder(architecture)
        self.time = nn.Parameter(torch.randn(architecture.n_frames, 1, width) * 0.02)
        self.place = nn.Parameter(torch.randn(architecture.grid**2, width) * 0.02)
        self.token_norm = nn.LayerNorm(width)
        self.words = nn.Linear(architecture.word_dim, width)
        self.order = nn.Parameter(torch.randn(architecture.max_words, width) * 0.02)
        self.video_layers = nn.ModuleList(_Block(architecture) for _ in range(layers))
        self.text_layers = nn.ModuleList(_Block(architecture) for _ in range(layers))
        self.video_reads_text = _Block(architecture)
        self.text_reads_video = _Block(architecture)
        first, second = architecture.head
        self.head = nn.Sequential(
            nn.LayerNorm(2 * width),
            nn.Linear(2 * width, first),
            nn.GELU(),
            nn.Dropout(architecture.dropout),
            nn.Linear(first, second),
            nn.GELU(),
            nn.Linear(second, 1),
        )
        self.quality = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, second),
            nn.GELU(),
            nn.Dropout(architecture.dropout),
            nn.Linear(second, 1),
        )

    def read_video(self, tokens: Float[Tensor, "N F P D"]) -> Float[Tensor, "N FP D"]:
        """Self-attention over all tokens of a clip, which know their time and place."""
        x: Tensor = (self.token_norm(tokens) + self.time + self.place).flatten(1, 2)
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

    def score(
        self,
        video: Float[Tensor, "N FP D"],
        text: Float[Tensor, "N M D"],
        mask: Bool[Tensor, "N M"],
    ) -> Float[Tensor, " N"]:
        """f(video | text), from what `read_video` and `read_text` gave."""
        quality = self.architecture.quality_weight * self.score_quality(video)
        return self.score_match(video, text, mask) + quality

    def score_quality(self, video: Float[Tensor, "N FP D"]) -> Float[Tensor, " N"]:
        """How well a clip is done, whatever was asked: purposeful or aimless."""
        scores: Tensor = self.quality(video.mean(dim=1))
        return scores.squeeze(-1)

    def score_match(
        self,
        video: Float[Tensor, "N FP D"],
        text: Float[Tensor, "N M D"],
        mask: Bool[Tensor, "N M"],
    ) -> Float[Tensor, " N"]:
        """How well a clip is what was asked for."""
        seen = self.video_reads_text(video, text, mask).mean(dim=1)
        read = self.text_reads_video(text, video)
        weights = mask.to(read.dtype).unsqueeze(-1)
        said = (read * weights).sum(dim=1) / weights.sum(dim=1)
        scores: Tensor = self.head(torch.cat([seen, said], dim=-1))
        return scores.squeeze(-1)


class _ResidualConv(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.conv = nn.Conv2d(channels, channels, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = functional.gelu(self.conv(self.norm(x)))
        return x + change


class _Block(nn.Module):
    """Pre-norm attention from `x` to `context`, then an MLP; self-attention if they are one."""

    def __init__(self, architecture: VLPArchitecture) -> None:
        super().__init__()
        width = architecture.width
        self.n_heads = architecture.n_heads
        self.dropout = architecture.dropout
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
            nn.Dropout(architecture.dropout),
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
