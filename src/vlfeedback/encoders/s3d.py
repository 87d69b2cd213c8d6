"""S3D-G: videos and texts to vectors in one space, trained on narrated videos (HowTo100M).

Paper:     Xie et al. 2018 (S3D-G); Miech et al. 2020, "End-to-End Learning of Visual
           Representations from Uncurated Instructional Videos" (MIL-NCE), the weights
Code read: antoine77340/S3D_HowTo100M at b8cd0bb (Apache-2.0), for its facts alone
Weights:   s3d_howto100m.pth, linked there; no licence is stated for it
"""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from vlfeedback.encoders.sharing import file_key, shared
from vlfeedback.encoders.weights_files import check_one_choice, fill, locate, read_weights
from vlfeedback.errors import ShapeError

__all__ = ["N_WORDS", "S3D", "load_s3d", "pool_same", "space_to_depth"]

N_WORDS = 66_250  # rows of the table of words; row 0 stands for no word

_CHOICES = "checkpoint='path of s3d_howto100m.pth', or random_weights_seed=0 for untrained weights"
_Size = tuple[int, int, int]  # time, height, width
_Widths = tuple[int, int, int, int, int, int]


class S3D(nn.Module):
    """Video and text encoder of S3D-G, with the tensors' names of the released file.

    A video becomes (B, 512): blocks of 2 x 2 x 2 values are stacked as channels, three
    convolutions and nine inception blocks follow, and the mean over time and place is projected.
    Each block weighs its own channels by their means over the whole video ("gating", the G).
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _Convolution(24, 64, (2, 4, 4), padding=(1, 2, 2))
        self.conv_2b = _Convolution(64, 64, (1, 1, 1))
        self.conv_2c = _SeparableConvolution(64, 192)
        self.gating = _Gating(192)
        self.mixed_3b = _Inception(192, (64, 96, 128, 16, 32, 32))
        self.mixed_3c = _Inception(256, (128, 128, 192, 32, 96, 64))
        self.mixed_4b = _Inception(480, (192, 96, 208, 16, 48, 64))
        self.mixed_4c = _Inception(512, (160, 112, 224, 24, 64, 64))
        self.mixed_4d = _Inception(512, (128, 128, 256, 24, 64, 64))
        self.mixed_4e = _Inception(512, (112, 144, 288, 32, 64, 64))
        self.mixed_4f = _Inception(528, (256, 160, 320, 32, 128, 128))
        self.mixed_5b = _Inception(832, (256, 160, 320, 32, 128, 128))
        self.mixed_5c = _Inception(832, (384, 192, 384, 48, 128, 128))
        self.fc = nn.Linear(1024, 512)
        self.text_module = _Text()

    def forward(self, videos: Float[Tensor, "B 3 T H W"]) -> Float[Tensor, "B 512"]:
        """Videos to vectors, whose scalar product with those of texts is what was trained.

        Args:
            videos: T, H and W even. Trained on values in [0, 1], T=32, and H and W of 200 to 256.

        Raises:
            ShapeError: T, H or W is odd or 0.
        """
        x = self.conv1(space_to_depth(videos))
        # Padded on both sides, a kernel of even size gives one value too many. TensorFlow, where
        # the weights were trained, pads more at the end, and has not the first of them.
        x = pool_same(x[:, :, 1:, 1:, 1:], (1, 3, 3), (1, 2, 2))
        x = self.gating(self.conv_2c(self.conv_2b(x)))
        x = pool_same(x, (1, 3, 3), (1, 2, 2))
        x = self.mixed_3c(self.mixed_3b(x))
        x = pool_same(x, (3, 3, 3), (2, 2, 2))
        for block in (self.mixed_4b, self.mixed_4c, self.mixed_4d, self.mixed_4e, self.mixed_4f):
            x = block(x)
        x = pool_same(x, (2, 2, 2), (2, 2, 2))
        x = self.mixed_5c(self.mixed_5b(x))
        projected: Tensor = self.fc(x.mean(dim=(2, 3, 4)))
        return projected

    def embed_words(self, words: Int64[Tensor, "N S"]) -> Float[Tensor, "N 512"]:
        """Texts to vectors, from rows of the table of words; 0 fills up what is not there.

        The largest value over all places is taken, those filled up included, as in training.
        """
        embedded: Tensor = self.text_module(words)
        return embedded


def load_s3d(
    *,
    checkpoint: str | Path | None = None,
    random_weights_seed: int | None = None,
    device: str = "cpu",
) -> S3D:
    """Load S3D, in evaluation mode and float32.

    Args:
        checkpoint: path of s3d_howto100m.pth or a copy of it, also as safetensors; or an address
            of the hub, see `locate`.
        random_weights_seed: random weights, untrained.
        device: where it computes.

    Raises:
        NeedsError: not exactly one of the two weights is given.
        FileNotFoundError: there is no such file.
        CheckpointError: the file is damaged, or of another network; the message says of which.
    """
    check_one_choice(
        "S3D", _CHOICES, checkpoint=checkpoint, random_weights_seed=random_weights_seed
    )
    path = None if checkpoint is None else locate(checkpoint)
    return shared(
        ("s3d", device, random_weights_seed if path is None else file_key(path)),
        lambda: _load(path, random_weights_seed or 0).to(device),
    )


def space_to_depth(videos: Float[Tensor, "B C T H W"]) -> Float[Tensor, "B K T2 H2 W2"]:
    """Stack the values of each block of 2 x 2 x 2 as channels.

    A channel is numbered by time, height and width within the block, and the old channel last.

    Raises:
        ShapeError: T, H or W is odd or 0.
    """
    size = videos.shape[2:]
    if any(length < 2 or length % 2 for length in size):
        raise ShapeError(
            f"S3D got videos of {size[0]} pictures of {size[1]} x {size[2]} px; each of the three "
            "must be even and at least 2. Crop them, or choose another number of pictures."
        )
    corners = [(t, h, w) for t in (0, 1) for h in (0, 1) for w in (0, 1)]
    return torch.cat([videos[:, :, t::2, h::2, w::2] for t, h, w in corners], dim=1)


def pool_same(x: Float[Tensor, "B C T H W"], kernel: _Size, stride: _Size) -> Tensor:
    """Maxima over neighbourhoods, with zeros around as TensorFlow's "SAME" puts them here.

    The zeros are ``kernel - stride`` along each axis, the odd one at the end; what the last step
    does not fill is pooled as well, so that a length n becomes ceil(n / stride).
    """
    padding: list[int] = []
    for length, step in reversed(list(zip(kernel, stride, strict=True))):
        n_zeros = max(length - step, 0)
        padding += [n_zeros // 2, n_zeros - n_zeros // 2]
    pooled: Tensor = functional.max_pool3d(
        functional.pad(x, padding), kernel, stride, ceil_mode=True
    )
    return pooled


class _Convolution(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, n_in: int, n_out: int, kernel: _Size, padding: _Size = (0, 0, 0)) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(n_in, n_out, kernel, padding=padding, bias=False)
        self.bn1 = nn.BatchNorm3d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn1(self.conv1(x)), inplace=True)


class _SeparableConvolution(_Convolution):
    """3 x 3 in space and then 3 in time, each with batch norm and ReLU."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out, (1, 3, 3), padding=(0, 1, 1))
        self.conv2 = nn.Conv3d(n_out, n_out, (3, 1, 1), padding=(1, 0, 0), bias=False)
        self.bn2 = nn.BatchNorm3d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn2(self.conv2(super().forward(x))), inplace=True)


class _Gating(nn.Module):
    """Weighs each channel, in (0, 1), by the means of all channels over the video."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.fc = nn.Linear(n, n)

    def forward(self, x: Tensor) -> Tensor:
        weights: Tensor = self.fc(x.mean(dim=(2, 3, 4))).sigmoid()
        return weights[:, :, None, None, None] * x


class _Inception(nn.Module):
    """Inception block: convolutions over 1, 3 and 3, and a maximum over 3, side by side.

    Args:
        n_in: channels.
        widths: of each branch in turn, the second and third with the width they narrow to first.
    """

    def __init__(self, n_in: int, widths: _Widths) -> None:
        super().__init__()
        one, narrow_1, three_1, narrow_2, three_2, pooled = widths
        point = (1, 1, 1)
        self.conv_b0 = _Convolution(n_in, one, point)
        self.conv_b1_a = _Convolution(n_in, narrow_1, point)
        self.conv_b1_b = _SeparableConvolution(narrow_1, three_1)
        self.conv_b2_a = _Convolution(n_in, narrow_2, point)
        self.conv_b2_b = _SeparableConvolution(narrow_2, three_2)
        self.conv_b3_b = _Convolution(n_in, pooled, point)
        self.gating_b0 = _Gating(one)
        self.gating_b1 = _Gating(three_1)
        self.gating_b2 = _Gating(three_2)
        self.gating_b3 = _Gating(pooled)

    def forward(self, x: Tensor) -> Tensor:
        around = functional.max_pool3d(x, 3, stride=1, padding=1)
        branches = (
            self.gating_b0(self.conv_b0(x)),
            self.gating_b1(self.conv_b1_b(self.conv_b1_a(x))),
            self.gating_b2(self.conv_b2_b(self.conv_b2_a(x))),
            self.gating_b3(self.conv_b3_b(around)),
        )
        return torch.cat(branches, dim=1)


class _Text(nn.Module):
    """Text encoder: word vectors, a layer for each, the maximum over words, a projection."""

    def __init__(self) -> None:
        super().__init__()
        self.word_embd = nn.Embedding(N_WORDS, 300)
        self.fc1 = nn.Linear(300, 2048)
        self.fc2 = nn.Linear(2048, 512)

    def forward(self, words: Int64[Tensor, "N S"]) -> Tensor:
        features = functional.relu(self.fc1(self.word_embd(words)))
        projected: Tensor = self.fc2(features.amax(dim=1))
        return projected


def _load(path: Path | None, seed: int) -> S3D:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = S3D()
        if path is None:
            _spread_out(network)
    if path is not None:
        fill(network, read_weights(path), "S3D of MIL-NCE (HowTo100M)")
    return network.eval().requires_grad_(False)


def _spread_out(network: S3D) -> None:
    """Initialise so that inputs still differ after 30 layers; torch's own weights lose that."""
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, _Gating):
            nn.init.constant_(module.fc.bias, 4.0)  # open: sigmoid(4) is 0.98
