"""CLIP weights on disk: find them, read them, and refuse those of another architecture.

Layouts: OpenAI's TorchScript archives (always trained with QuickGELU), plain or wrapped state
dicts, safetensors. Code read: open_clip 3.3.0 `factory.load_state_dict`, openai/CLIP.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import warnings
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from vlfeedback.errors import CheckpointError, UnknownNameError
from vlfeedback.optional import require
from vlfeedback.registry import suggest

__all__ = [
    "Weights",
    "cached_weights",
    "check_quick_gelu",
    "fill",
    "preprocess_of",
    "read_weights",
]

_QUICK = "-quickgelu"  # how open_clip names the architectures with QuickGELU
_ARCHIVE_EXTRAS = ("input_resolution", "context_length", "vocab_size")  # numbers, no weights


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """The tensors of a file, and what else it tells."""

    path: Path
    tensors: dict[str, Tensor]
    is_openai_archive: bool
    config: dict[str, Any]  # of the open_clip_config.json beside it; empty without one

    @property
    def quick_gelu(self) -> bool | None:
        """Whether they were trained with QuickGELU; None where the file does not tell."""
        if self.is_openai_archive:
            return True
        model = self.config.get("model_cfg")
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
        known = open_clip.list_pretrained_tags_by_model(architecture)
        raise UnknownNameError(
            f"open_clip has no weights {tag!r} for {architecture!r}. {suggest(tag, known)}"
            f"It has: {', '.join(known) or 'none'}."
        )
    check_quick_gelu(architecture, tag, trained=bool(config.get("quick_gelu", False)))
    repository, _, name = config["hf_hub"].rpartition("/")
    names = [name] if name else ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"]
    for candidate in names:
        found = hub.try_to_load_from_cache(repository, candidate)
        if isinstance(found, str):
            return Path(found)
    raise FileNotFoundError(
        f"The weights {tag!r} of {architecture!r} are not in the hub cache, and nothing is "
        f"downloaded without being asked to. Fetch them once with `hf download {repository} "
        f"{names[0]}`, or copy that file here and pass checkpoint='path/to/{names[0]}'."
    )


def read_weights(path: Path) -> Weights:
    """Read a file of any of the layouts above; nothing in it is executed.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is truncated, or none of the layouts.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No weights file {str(path)!r}; pass the path of one.")
    is_archive = _is_torchscript(path)
    try:
        loaded: Any = _load_archive(path) if is_archive else _load_tensors(path)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise CheckpointError(
            f"{path} is no readable weights file; it is truncated or of another format. Copy it "
            f"again. The reader said: {str(error).splitlines()[0]}"
        ) from error
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict) or not all(isinstance(v, Tensor) for v in loaded.values()):
        raise CheckpointError(f"{path} holds a {type(loaded).__name__}; expected named tensors.")
    if all(key.startswith("module.") for key in loaded):
        loaded = {key.removeprefix("module."): tensor for key, tensor in loaded.items()}
    beside = path.with_name("open_clip_config.json")
    config = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
    return Weights(path, loaded, is_archive, config)


def check_quick_gelu(architecture: str, weights: str, *, trained: bool | None) -> None:
    """Refuse weights trained with the other activation than the architecture computes.

    Args:
        architecture: a name of open_clip.
        weights: tag or path, as the message should name them.
        trained: whether they were trained with QuickGELU; None is unknown, and passes.

    Raises:
        CheckpointError: they differ.
    """
    open_clip = require("open_clip", extra="vision", needed_by="CLIP")
    computed = bool(open_clip.get_model_config(architecture).get("quick_gelu", False))
    if trained is None or trained == computed:
        return
    names = {True: "QuickGELU", False: "plain GELU"}
    other = architecture + _QUICK if trained else architecture.removesuffix(_QUICK)
    advice = f" Use architecture={other!r}." if other in open_clip.list_models() else ""
    raise CheckpointError(
        f"{weights!r} was trained with {names[trained]} and {architecture!r} computes "
        f"{names[computed]}: the numbers would be wrong.{advice}"
    )


def preprocess_of(architecture: str, tag: str | None, weights: Weights | None) -> dict[str, Any]:
    """Constants of the preprocessing that the weights were trained with.

    From the open_clip_config.json beside the file if there is one, else from the tag, else
    from the architecture's first tag, else OpenAI's.
    """
    open_clip = require("open_clip", extra="vision", needed_by="CLIP")
    defaults = open_clip.transform.PreprocessCfg()
    wanted = {f.name: getattr(defaults, f.name) for f in fields(defaults)}
    tags = [tag] if tag else open_clip.list_pretrained_tags_by_model(architecture)[:1]
    given = {} if weights is None else weights.config.get("preprocess_cfg", {})
    for source in (*(open_clip.get_pretrained_cfg(architecture, t) for t in tags), given):
        wanted |= {key: value for key, value in source.items() if key in wanted}
    kept = {key: wanted[key] for key in ("interpolation", "resize_mode")}
    return {**kept, "mean": tuple(wanted["mean"]), "std": tuple(wanted["std"])}


def fill(model: nn.Module, weights: Weights, architecture: str) -> None:
    """Copy the tensors into the model, all of them or none.

    Raises:
        CheckpointError: names or shapes differ; the message says what the file looks like.
    """
    given, expected = weights.tensors, model.state_dict()
    if weights.is_openai_archive:
        given = {key: tensor for key, tensor in given.items() if key not in _ARCHIVE_EXTRAS}
    # Counters that old files lack, and that evaluation never reads.
    missing = {k for k in expected.keys() - given.keys() if not k.endswith("num_batches_tracked")}
    reshaped = {k for k in expected.keys() & given.keys() if expected[k].shape != given[k].shape}
    wrong = sorted(missing | reshaped | (given.keys() - expected.keys()))
    if wrong:
        with weights.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
        raise CheckpointError(
            f"{weights.path} (sha256 {digest}...) is no {architecture!r}: {len(wrong)} tensors are "
            f"missing, unexpected or of another shape, first: {wrong[:5]}. "
            f"It looks like {_looks_like(given)}."
        )
    model.load_state_dict(given, strict=False)


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _load_archive(path: Path) -> dict[str, Tensor]:
    with warnings.catch_warnings():
        # torch wants new files to use another format; these are from 2021.
        warnings.simplefilter("ignore", FutureWarning)
        tensors: dict[str, Tensor] = torch.jit.load(path, map_location="cpu").state_dict()
    return tensors


def _load_tensors(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _looks_like(tensors: dict[str, Tensor]) -> str:
    first = sorted(tensors)[0] if tensors else "nothing"
    foreign = {
        "convnet.": "an R3M or VIP encoder",
        "vision_model.": "a CLIP of the transformers library, whose tensors have other names",
    }
    for prefix, what in foreign.items():
        if any(key.startswith(prefix) for key in tensors):
            return what
    patches = tensors.get("visual.conv1.weight")
    projection = tensors.get("text_projection")
    if patches is None or projection is None:
        return f"no CLIP of open_clip; it holds {len(tensors)} tensors, such as {first!r}"
    embedding = projection.shape[-1]
    if "visual.class_embedding" not in tensors:
        return f"a CLIP ResNet with embeddings of {embedding}"
    open_clip = require("open_clip", extra="vision", needed_by="CLIP")
    width, _, patch, _ = patches.shape
    blocks = {key.split(".")[3] for key in tensors if key.startswith("visual.transformer.resbl")}
    wanted = (embedding, width, patch, len(blocks))
    names = [
        n for n in open_clip.list_models() if _shape_of(open_clip.get_model_config(n)) == wanted
    ]
    return " or ".join(names[:4]) or f"a ViT with (embedding, width, patch, layers) {wanted}"


def _shape_of(config: dict[str, Any]) -> tuple[Any, ...]:
    vision = config["vision_cfg"]
    return config["embed_dim"], *(vision.get(k) for k in ("width", "patch_size", "layers"))
