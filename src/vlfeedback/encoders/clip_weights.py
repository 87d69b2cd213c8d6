"""CLIP weights: their file in the hub cache, their activation, and their preprocessing.

OpenAI's TorchScript archives were always trained with QuickGELU. Code read: open_clip 3.3.0
`factory.load_state_dict`, openai/CLIP.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from torch import nn

from vlfeedback.encoders.preprocess import Preprocess
from vlfeedback.encoders.weights_files import Weights, config_beside, fill
from vlfeedback.errors import CheckpointError, UnknownNameError
from vlfeedback.optional import require
from vlfeedback.registry import suggest

__all__ = [
    "cached_weights",
    "check_quick_gelu",
    "fill_clip",
    "preprocess_of",
    "trained_with_quick_gelu",
]

_QUICK = "-quickgelu"  # how open_clip names the architectures with QuickGELU
_ARCHIVE_EXTRAS = ("input_resolution", "context_length", "vocab_size")  # numbers, no weights


def trained_with_quick_gelu(weights: Weights) -> bool | None:
    """Whether they were trained with QuickGELU; None where the file does not say."""
    if weights.is_openai_archive:
        return True
    model = weights.config.get("model_cfg")
    return None if model is None else bool(model.get("quick_gelu", False))


def cached_weights(architecture: str, tag: str) -> Path:
    """Path of a tag's file in the hub cache; never downloads.

    Raises:
        UnknownNameError: open_clip has no such tag for this architecture.
        CheckpointError: the tag was trained with another activation.
        FileNotFoundError: it is not in the cache.
    """
    open_clip = require("open_clip", extra="vision", needed_by="CLIP")
    hub = require("huggingface_hub", extra="vision", needed_by="CLIP")
    config = open_clip.get_pretrained_cfg(architecture, tag)
    if not config:
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        raise UnknownNameError(
            f"open_clip has no weights {tag!r} for {architecture!r}. {suggest(tag, tags)}"
            f"It has: {', '.join(tags) or 'none'}."
        )
    check_quick_gelu(architecture, tag, trained=bool(config.get("quick_gelu", False)))
    repository, _, name = config["hf_hub"].rpartition("/")
    names = [name] if name else ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"]
    for candidate in names:
        path = hub.try_to_load_from_cache(repository, candidate)
        if isinstance(path, str):
            return Path(path)
    raise FileNotFoundError(
        f"The weights {tag!r} of {architecture!r} are not in the hub cache, and nothing is "
        f"downloaded without being asked to. Fetch them once with `hf download {repository} "
        f"{names[0]}`, or copy that file here and pass checkpoint='path/to/{names[0]}'."
    )


def check_quick_gelu(architecture: str, weights: str, *, trained: bool | None) -> None:
    """Refuse weights trained with the other activation than the architecture computes.

    Args:
        architecture: a name of open_clip.
        weights: tag or path, as messages name them.
        trained: whether they were trained with QuickGELU; None is unknown, and passes.

    Raises:
        CheckpointError: they differ.
    """
    open_clip = require("open_clip", extra="vision", needed_by="CLIP")
    quick_gelu = bool(open_clip.get_model_config(architecture).get("quick_gelu", False))
    if trained is None or trained == quick_gelu:
        return
    names = {True: "QuickGELU", False: "plain GELU"}
    other = architecture + _QUICK if trained else architecture.removesuffix(_QUICK)
    advice = f" Use architecture={other!r}." if other in open_clip.list_models() else ""
    raise CheckpointError(
        f"{weights!r} was trained with {names[trained]} and {architecture!r} computes "
        f"{names[quick_gelu]}: the numbers would be wrong.{advice}"
    )


def preprocess_of(architecture: str, tag: str | None, path: Path | None, size: int) -> Preprocess:
    """The preprocessing that the weights were trained with.

    From the open_clip_config.json beside the file if there is one, else from the tag, else
    from the architecture's first tag, else OpenAI's.

    Args:
        architecture: a name of open_clip.
        tag: of open_clip, None where the weights come from elsewhere.
        path: of the weights file; None where there is none.
        size: of the picture the network reads, px.

    Raises:
        CheckpointError: the file beside the weights is damaged, or its numbers make no sense.
        InvalidValueError: it asks for a way to resize that is not supported.
    """
    open_clip = require("open_clip", extra="vision", needed_by="CLIP")
    defaults = open_clip.transform.PreprocessCfg()
    settings = {f.name: getattr(defaults, f.name) for f in fields(defaults)}
    tags = [tag] if tag else open_clip.list_pretrained_tags_by_model(architecture)[:1]
    file_settings = {} if path is None else config_beside(path).get("preprocess_cfg", {})
    for source in (*(open_clip.get_pretrained_cfg(architecture, t) for t in tags), file_settings):
        settings |= {key: value for key, value in source.items() if key in settings}
    mean, std = (_of_channels(settings, name) for name in ("mean", "std"))
    return Preprocess(
        size,
        mean,
        std,
        interpolation=settings["interpolation"],
        resize_mode=settings["resize_mode"],
    )


def _of_channels(settings: Mapping[str, Any], name: str) -> tuple[float, float, float]:
    """A number of each channel; the files of others may hold anything in its place."""
    values = settings[name]
    if (
        not isinstance(values, list | tuple)
        or len(values) != 3
        or not all(isinstance(v, int | float) and math.isfinite(v) for v in values)
        or (name == "std" and min(values) <= 0)
    ):
        raise CheckpointError(
            f"The weights are to be used with {name}={values!r} of the pictures' channels; "
            "expected three finite numbers, and above 0 where they divide. Copy the file "
            "open_clip_config.json beside the weights again."
        )
    red, green, blue = map(float, values)
    return red, green, blue


def fill_clip(model: nn.Module, weights: Weights, architecture: str) -> None:
    """Copy the tensors into the model, all of them or none; see `fill`.

    Raises:
        CheckpointError: names or shapes differ; the message says what the file looks like.
    """
    unread = _ARCHIVE_EXTRAS if weights.is_openai_archive else ()
    fill(model, weights, repr(architecture), unread=unread)
