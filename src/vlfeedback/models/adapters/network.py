"""Two small networks that correct what a frozen encoder says of pictures and of texts.

Paper:    "Preference VLM" (PrefVLM, arXiv 2502.01616), of which no code and no full text was read
Recipe:   G(x) = x + W2 ReLU(W1 x), one G for pictures and one for texts, W2 zero at first, so that
          training begins with the encoder as it is; a picture's score is the cosine of both
Source:   shapes are our choice, untested: a bottleneck of 256 numbers, no biases, and features
          that are given the length sqrt(D) first, which changes no cosine and lets one learning
          rate suit encoders whose features are long or short
"""

from __future__ import annotations

import math
from hashlib import sha256
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vlfeedback.errors import CheckpointError, InvalidValueError
from vlfeedback.models.checkpoint import (
    CheckpointFormat,
    check_outline,
    fill_network,
    read_checkpoint,
    save_checkpoint,
    understanding,
)

__all__ = ["Adapter", "EncoderAdapters"]

BOTTLENECK = 256
"""Numbers in the middle of an adapter; our choice, untested."""

_FORMAT = CheckpointFormat(
    "vlfeedback-encoder-adapters",
    version=1,
    model="adapters of an encoder",
    made_by="vlfeedback.online.train_online with person=...",
)


class Adapter(nn.Module):
    """x + W2 ReLU(W1 x); at first x itself.

    Args:
        width: D, numbers of a feature, at least 1.
        bottleneck: rows of W1, at least 1.

    Raises:
        InvalidValueError: one of them is less than 1.
    """

    def __init__(self, width: int, bottleneck: int = BOTTLENECK) -> None:
        super().__init__()
        if min(width, bottleneck) < 1:
            raise InvalidValueError(
                f"width={width} and bottleneck={bottleneck}; expected at least 1 of each."
            )
        self.down = nn.Linear(width, bottleneck, bias=False)
        self.up = nn.Linear(bottleneck, width, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, features: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """The corrected features."""
        correction: Tensor = self.up(functional.relu(self.down(features)))
        return features + correction


class EncoderAdapters(nn.Module):
    """An adapter for pictures and one for texts, of one encoder.

    Args:
        width: D, numbers of a feature of the encoder.
        bottleneck: of both adapters.
        encoder: whose features they were made for, ``"module:Class"``; "" where it is not known.
        seed: of the first layers' weights.

    Raises:
        InvalidValueError: a number is less than 1.

    Example:
        >>> adapters = EncoderAdapters(2)
        >>> adapters(torch.tensor([[3.0, 0.0], [1.0, 1.0]]), torch.tensor([0.5, 0.0]))
        tensor([1.0000, 0.7071], grad_fn=<SumBackward1>)
    """

    def __init__(
        self, width: int, bottleneck: int = BOTTLENECK, *, encoder: str = "", seed: int = 0
    ) -> None:
        super().__init__()
        self.width, self.bottleneck, self.encoder = width, bottleneck, encoder
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.pictures = Adapter(width, bottleneck)
            self.texts = Adapter(width, bottleneck)

    def adapted_pictures(self, features: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Adapted features z = G_I(F_I(o)), of features of any length."""
        adapted: Tensor = self.pictures(_of_common_length(features))
        return adapted

    def forward(
        self, pictures: Float[Tensor, "*B D"], texts: Float[Tensor, "*C D"]
    ) -> Float[Tensor, "*B"]:
        """Cosine in [-1, 1] of each adapted picture and its adapted text.

        Args:
            pictures: the encoder's features, of any length.
            texts: likewise; one for all pictures, or one for each along axes that broadcast.

        Source: PrefVLM as it was digested by others: the sum over t of cos(picture_t, text).
        """
        adapted: Tensor = self.texts(_of_common_length(texts))
        z = functional.normalize(self.adapted_pictures(pictures), dim=-1)
        return (z * functional.normalize(adapted, dim=-1)).sum(dim=-1)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.pictures.down.weight.device

    def digest(self) -> str:
        """SHA-256 over all weights, hexadecimal."""
        digest = sha256()
        for name, tensor in self.state_dict().items():
            digest.update(name.encode() + tensor.cpu().numpy().tobytes())
        return digest.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write one safetensors file with its description; a file that is there is replaced."""
        description = {
            "width": self.width,
            "bottleneck": self.bottleneck,
            "encoder": self.encoder,
        }
        save_checkpoint(path, self.state_dict(), description, file_format=_FORMAT)

    @classmethod
    def load(
        cls, path: str | Path, *, width: int | None = None, encoder: str = ""
    ) -> EncoderAdapters:
        """Read a file of `save`, on the CPU; nothing in it is executed.

        Args:
            path: the file.
            width: D of the encoder that they are to sit on; None: any.
            encoder: ``"module:Class"`` of it; "": any.

        Raises:
            FileNotFoundError: there is no such file.
            CheckpointError: it is damaged, foreign, or of another encoder.
        """
        path = Path(path).expanduser()
        header, tensors = read_checkpoint(path, file_format=_FORMAT)
        with understanding(path, file_format=_FORMAT):
            sizes = int(header["width"]), int(header["bottleneck"])
            made_for = str(header["encoder"])
        check_outline(lambda: cls(*sizes), tensors, path, file_format=_FORMAT)
        if (width or sizes[0], encoder or made_for) != (sizes[0], made_for):
            raise CheckpointError(
                f"{path} holds adapters for {sizes[0]} features of {made_for!r}; the encoder here "
                f"is {encoder!r} with {width}. Begin with adapters of the same encoder, or with "
                "none."
            )
        adapters = cls(*sizes, encoder=made_for)
        fill_network(adapters, tensors, path, file_format=_FORMAT)
        return adapters


def _of_common_length(features: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
    return functional.normalize(features, dim=-1) * math.sqrt(features.shape[-1])
