"""Weights that others have released: find the file, read it safely, and fill a network with it.

Layouts: TorchScript archives of OpenAI's CLIP, state dicts saved by torch (bare, or under one of
the keys their authors used), safetensors. Which one it is, a file's first bytes say, whatever its
name. Nothing in a file is executed, and nothing is downloaded unless it is asked for with an
address: ``hf://owner/name/file@revision``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from vlfeedback.data.foreign_files import path_inside, reading
from vlfeedback.data.seals import check_seal
from vlfeedback.encoders.recognise import recognise
from vlfeedback.encoders.torch_archives import read_archive
from vlfeedback.encoders.weights import Weights, check_numbers
from vlfeedback.errors import CheckpointError, InvalidValueError, NeedsError
from vlfeedback.optional import require

__all__ = [
    "Weights",
    "check_fit",
    "check_one_choice",
    "config_beside",
    "fill",
    "locate",
    "read_weights",
    "tensors_digest",
]

_ADDRESS = re.compile(r"hf://(?P<repository>[^/@]+/[^/@]+)/(?P<file>[^@]+)(@(?P<revision>.+))?")
_TOP_KEYS = ("r3m", "vip", "liv", "state_dict", "model_state_dict", "model", "teacher")
_ADVICE = "It is truncated or of another format; copy it again."
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80\x02"  # beginnings of files that torch writes
_CONFIG_PARTS = ("model_cfg", "preprocess_cfg")
_UNREAD = ("num_batches_tracked", "position_ids")  # ends of names that evaluation never reads


def locate(reference: str | Path) -> Path:
    """The file that a path, or an address on the Hugging Face hub, names.

    Args:
        reference: a path, or ``hf://owner/name/file@revision``; the revision, a commit, is asked
            for so that the file is the same tomorrow. What is not in the hub's cache is downloaded.

    Raises:
        FileNotFoundError: there is no such file, or the hub cannot be reached.
        InvalidValueError: an address without a revision, or one whose file or revision climbs out
            of the hub's cache.
        MissingExtraError: huggingface_hub is not installed.
    """
    if not str(reference).startswith("hf://"):
        path = Path(reference).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"No weights file {str(path)!r}; pass the path of one.")
        return path
    match = _ADDRESS.fullmatch(str(reference))
    if match is None or match["revision"] is None:
        raise InvalidValueError(
            f"{str(reference)!r} is no address of one file at one revision; expected "
            "hf://owner/name/file@revision, with a commit from the repository's history."
        )
    hub = require("huggingface_hub", extra="vision", needed_by="weights of the hub")
    for name in (match["file"], match["revision"]):
        path_inside(Path(hub.constants.HF_HUB_CACHE, "snapshots"), name, where=repr(reference))
    try:
        cached_file = hub.hf_hub_download(
            match["repository"], match["file"], revision=match["revision"]
        )
    except (hub.errors.HfHubHTTPError, hub.errors.HFValidationError, OSError) as error:
        raise FileNotFoundError(
            f"{str(reference)!r} is neither in the hub's cache nor could it be fetched. "
            f"The hub said: {_first_line(error)} Copy the file here and pass its path."
        ) from error
    return Path(cached_file)


def read_weights(path: str | Path) -> Weights:
    """Read a file of any of the layouts above; nothing in it is executed.

    A known top key is opened, and a leading ``module.`` that every tensor has is dropped.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is damaged, none of the layouts, no safetensors file though its name
            says so, or a number in it is NaN or infinite.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No weights file {str(path)!r}; pass the path of one.")
    with reading(path, "weights file", advice=_ADVICE, error=CheckpointError):
        weights = _read(path)
        _check_sizes(weights)
        check_numbers(path, weights.tensors, advice="Get it again from its authors.")
    return weights.without_prefix("module.")


def config_beside(path: str | Path) -> dict[str, Any]:
    """Content of the open_clip_config.json beside a file; empty without one.

    Raises:
        CheckpointError: there is one, and it is damaged.
    """
    path = Path(path)
    beside = path.with_name("open_clip_config.json")
    if not beside.is_file():
        return {}
    with reading(beside, "JSON file", advice="Copy it again.", error=CheckpointError):
        config = json.loads(beside.read_text(encoding="utf-8"))
    parts = [config, *(config.get(key, {}) for key in _CONFIG_PARTS)] if _is_object(config) else []
    if not parts or not all(map(_is_object, parts)):
        raise CheckpointError(
            f"{beside} holds no JSON object with the objects {' and '.join(_CONFIG_PARTS)}; it "
            f"says how {path.name} is to be used. Copy it again."
        )
    return dict(config)


def fill(network: nn.Module, weights: Weights, what: str, *, unread: Iterable[str] = ()) -> None:
    """Copy the tensors into the network, all of them or none.

    Args:
        network: filled in place; as it was where the tensors do not fit.
        weights: one tensor for each name in the network's `state_dict`, converted to its types.
            Counters that old files lack, and that evaluation never reads, may be missing.
        what: the network, as the message calls it: ``"'ViT-B-32'"``.
        unread: names that a file may hold beside the network's own.

    Raises:
        CheckpointError: names or shapes differ; the message says what the file looks like.
    """
    tensors = check_fit(network, weights, what, unread=unread)
    network.load_state_dict(tensors, strict=False)


def check_fit(
    network: nn.Module, weights: Weights, what: str, *, unread: Iterable[str] = ()
) -> dict[str, Tensor]:
    """The tensors that `fill` copies; a network on the device ``"meta"`` will do.

    Arguments and errors are those of `fill`.
    """
    expected = network.state_dict()
    tensors = {
        k: t for k, t in weights.tensors.items() if k in expected or not _may_be_extra(k, unread)
    }
    missing = {k for k in expected.keys() - tensors.keys() if not k.endswith(_UNREAD)}
    reshaped = {
        k for k in expected.keys() & tensors.keys() if expected[k].shape != tensors[k].shape
    }
    mismatches = sorted(missing | reshaped | (tensors.keys() - expected.keys()))
    if mismatches:
        with weights.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
        raise CheckpointError(
            f"{weights.path} (sha256 {digest}...) is no {what}: {len(mismatches)} tensors are "
            f"missing, unexpected or of another shape, first: {mismatches[:5]}. "
            f"It looks like {recognise(weights.tensors, weights.top_key).what}."
        )
    return tensors


def check_one_choice(what: str, example: str, **choices: Any) -> None:
    """Refuse anything but exactly one choice of weights.

    Args:
        what: whose weights, as the message calls it: ``"CLIP"``.
        example: how each is passed, as the message shows it.
        **choices: by name; None is not chosen.

    Raises:
        NeedsError: none or several are chosen.
    """
    selection = {name: value for name, value in choices.items() if value is not None}
    if len(selection) != 1:
        raise NeedsError(f"{what} got {selection or 'no weights'}; give exactly one of: {example}.")


def tensors_digest(network: nn.Module) -> str:
    """SHA-256 of names, shapes and float32 values: one for a file and any copy of it.

    What evaluation never reads, and some files lack, is left out.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if name.endswith(_UNREAD):
            continue
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _are_named_tensors(content: Any) -> bool:
    return isinstance(content, Mapping) and all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items()
    )


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _may_be_extra(key: str, unread: Iterable[str]) -> bool:
    return key in unread or key.endswith(_UNREAD)


def _read(path: Path) -> Weights:
    with path.open("rb") as file:
        beginning = file.read(9)
    is_archive, own_format = False, ""
    content: Any
    if beginning[8:] == b"{":  # after the length of a header
        check_seal(path, advice=_ADVICE, error=CheckpointError)
        content, own_format = _read_safetensors(path)
    elif not beginning.startswith((_ZIP, _PICKLE)):
        raise CheckpointError(
            f"{path} is no readable weights file: it begins as none of torch or safetensors does. "
            + _ADVICE
        )
    elif path.suffix == ".safetensors":
        raise CheckpointError(
            f"{path} is named as a safetensors file and is one that torch writes. If you know "
            "where it comes from, rename it to *.pt; else get it again."
        )
    elif beginning.startswith(_ZIP):
        content, is_archive = read_archive(path)
    else:
        content = torch.load(path, map_location="cpu", weights_only=True)
    top_key = ""
    if isinstance(content, Mapping):
        top_key = next((k for k in _TOP_KEYS if isinstance(content.get(k), Mapping)), "")
    if top_key:
        content = content[top_key]
    if not _are_named_tensors(content):
        raise CheckpointError(f"{path} holds a {type(content).__name__}; expected named tensors.")
    return Weights(path, dict(content), is_archive, config_beside(path), top_key, own_format)


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], str]:
    """The tensors, and the format that a file of ours names."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = (file.metadata() or {}).get("vlfeedback", "{}")
    try:
        header = json.loads(metadata)
    except ValueError:
        header = None
    return tensors, str(header.get("format", "")) if isinstance(header, dict) else ""


def _check_sizes(weights: Weights) -> None:
    """Refuse numbers that the file does not hold: repeated ones, or such of another's memory."""
    on_disk = weights.path.stat().st_size
    for name, tensor in weights.tensors.items():
        n_bytes = max(tensor.numel() * tensor.itemsize, tensor.untyped_storage().nbytes())
        if n_bytes > on_disk:
            raise CheckpointError(
                f"{weights.path} has {on_disk:,} bytes and says that its tensor {name!r} has "
                f"{n_bytes:,}. {_ADVICE}"
            )
