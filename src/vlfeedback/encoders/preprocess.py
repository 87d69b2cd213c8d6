"""Preprocessing of pictures for a network: resize, crop, normalise.

Every published encoder fixes these steps, and no two agree: each loader states its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from vlfeedback.errors import InvalidValueError

__all__ = ["CLIP_MEAN", "CLIP_STD", "IMAGENET_MEAN", "IMAGENET_STD", "Preprocess"]

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # OpenAI's
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_INTERPOLATIONS = ("bicubic", "bilinear")
_RESIZE_MODES = ("shortest", "squash")
_ARITHMETIC = ("uint8", "float", "pil")


@dataclass(frozen=True, slots=True)
class Preprocess:
    """Resize, crop and normalise a batch of pictures; the constants belong to the weights.

    ``"uint8"`` is within 2 grey levels of 255 of ``"pil"``, even on noise. Pillow 13 resizes first
    along the edge that shrinks more; where that is the height, noise differs by up to 7 levels.

    Raises:
        InvalidValueError: a mode is none of those below, or `resize` is less than `size`.
    """

    size: int  # side of the picture the network reads, px
    mean: tuple[float, float, float]  # of each channel, in [0, 1]
    std: tuple[float, float, float]
    interpolation: str = "bicubic"  # or "bilinear"
    resize_mode: str = "shortest"  # edge to `resize`, then the centre; or "squash" both edges
    resize: int | None = None  # px before the centre of `size` is cut out; None: `size` itself
    # uint8: whole batches, rounded to grey levels as PIL does. float: whole batches in [0, 1].
    # pil: one picture at a time, the reference and the slowest.
    arithmetic: str = "uint8"
    antialias: bool = True  # filter before shrinking; PIL always does

    def __post_init__(self) -> None:
        for name, supported in (
            ("interpolation", _INTERPOLATIONS),
            ("resize_mode", _RESIZE_MODES),
            ("arithmetic", _ARITHMETIC),
        ):
            if getattr(self, name) not in supported:
                raise InvalidValueError(
                    f"Pictures are to be prepared with {name}={getattr(self, name)!r}; supported "
                    f"are {', '.join(map(repr, supported))}."
                )
        if self.resize is not None and self.resize < self.size:
            raise InvalidValueError(
                f"Pictures are to be prepared with resize={self.resize} px before a square of "
                f"{self.size} px is cut out; expected at least as many."
            )

    def __call__(self, frames: UInt8[Tensor, "B H W 3"]) -> Float32[Tensor, "B 3 S S"]:
        """Pictures as the network reads them, on the device they came on."""
        from torchvision.transforms.v2 import functional

        if self.arithmetic == "pil":
            pictures = self._by_pil(frames)
        else:
            pictures = frames.permute(0, 3, 1, 2)
            if self.arithmetic == "float":
                pictures = pictures.float() / 255
            pictures = functional.center_crop(self._resized(pictures), [self.size, self.size])
        # In place, and on contiguous channels: four times as fast as dividing by 255 first.
        unit = 255 if pictures.dtype == torch.uint8 else 1
        mean, std = (
            torch.tensor(values, device=pictures.device)[:, None, None] * unit
            for values in (self.mean, self.std)
        )
        normalised = pictures.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
        return normalised.sub_(mean).div_(std)

    def _resized(self, pictures: Tensor) -> Tensor:
        from torchvision.transforms import InterpolationMode
        from torchvision.transforms.v2 import functional

        edge = self.resize or self.size
        if pictures.dtype == torch.uint8 and pictures.device.type == "cpu":
            # As torchvision does today. Older ones, such as 0.22, take bilinear pictures another
            # way, with other rounding, where the processor's instructions are not named AVX2.
            return self._resized_in_grey_levels(pictures, edge)
        resized: Tensor = functional.resize(
            pictures,
            [edge, edge] if self.resize_mode == "squash" else [edge],
            interpolation=InterpolationMode(self.interpolation),
            antialias=self.antialias,
        )
        return resized

    def _resized_in_grey_levels(
        self, pictures: UInt8[Tensor, "B 3 H W"], edge: int
    ) -> UInt8[Tensor, "B 3 ..."]:
        height, width = pictures.shape[-2:]
        shortest = min(height, width)
        size = (edge, edge)
        if self.resize_mode == "shortest":
            size = (int(edge * height / shortest), int(edge * width / shortest))
        if size == (height, width):
            return pictures
        return nn.functional.interpolate(
            pictures,
            size=size,
            mode=self.interpolation,
            align_corners=False,
            antialias=self.antialias,
        )

    def _by_pil(self, frames: UInt8[Tensor, "B H W 3"]) -> UInt8[Tensor, "B 3 S S"]:
        from PIL import Image
        from torchvision.transforms import InterpolationMode
        from torchvision.transforms.v2 import functional

        edge = self.resize or self.size
        prepared = []
        for frame in frames.cpu().numpy():
            picture = functional.resize(
                Image.fromarray(frame),
                [edge, edge] if self.resize_mode == "squash" else [edge],
                interpolation=InterpolationMode(self.interpolation),
            )
            prepared.append(np.asarray(functional.center_crop(picture, [self.size, self.size])))
        return torch.from_numpy(np.stack(prepared)).permute(0, 3, 1, 2).to(frames.device)
