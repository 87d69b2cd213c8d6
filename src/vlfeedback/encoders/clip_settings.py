"""Settings that all reward sources on a model of open_clip share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from vlfeedback.encoders.clip import CLIPEncoder, load_clip
from vlfeedback.encoders.preprocess import Preprocess
from vlfeedback.encoders.segments import EncodingConfig

__all__ = ["CLIPSettings", "load_chosen_clip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CLIPSettings(EncodingConfig):
    """Which model of open_clip, and its weights: give exactly one of the three.

    Attributes:
        architecture: any of open_clip; this one is OpenAI's smallest ViT.
        checkpoint: path of a weights file, or hf://owner/name/file@revision.
        pretrained: a tag of open_clip, such as "openai"; read from the hub cache.
        random_weights_seed: untrained weights, for tests and demos.
        tokenizer: folder of the tokenizer's files; None: CLIP's, or the hub cache.
    """

    variant_field: ClassVar[str] = "architecture"

    architecture: str = "ViT-B-32-quickgelu"
    checkpoint: str | None = None
    pretrained: str | None = None
    random_weights_seed: int | None = None
    tokenizer: str | None = None


def load_chosen_clip(
    settings: CLIPSettings,
    *,
    device: str,
    preprocess: Callable[[int], Preprocess] | None = None,
) -> CLIPEncoder:
    """The model that these settings name; arguments and errors are those of `load_clip`."""
    return load_clip(
        settings.architecture,
        checkpoint=settings.checkpoint,
        pretrained=settings.pretrained,
        random_weights_seed=settings.random_weights_seed,
        preprocess=preprocess,
        tokenizer=settings.tokenizer,
        precision=settings.precision,
        batch_size=settings.batch_size,
        device=device,
    )
