"""Weights of `vlp.clip` on disk: what was trained, and the frozen CLIP it was trained on, by hash.

One safetensors file: the trainable tensors in float32, and a description in its header.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vlfeedback.encoders.clip_tokens import CLIPIdentity
from vlfeedback.errors import CheckpointError
from vlfeedback.models.vlp_clip import VLPClipArchitecture, VLPClipNetwork

__all__ = ["VLPClipWeights", "describe_vlp_clip", "load_vlp_clip", "save_vlp_clip"]

_FORMAT = "vlfeedback-vlp-clip"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class VLPClipWeights:
    """What a weights file says of itself, beside the tensors."""

    architecture: VLPClipArchitecture  # with the choices that the paper leaves open
    clip: CLIPIdentity  # whose tokens it was trained on
    score_mean: float  # of training windows under their own instruction
    score_std: float
    tasks: tuple[str, ...]  # trained on
    training: dict[str, Any]  # settings, versions, hardware


def save_vlp_clip(path: Path, network: VLPClipNetwork, weights: VLPClipWeights) -> None:
    """Write the tensors as they are, with the description in the file's header."""
    tensors = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    header = {"format": _FORMAT, "version": _VERSION, **asdict(weights)}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    save_file(tensors, partial, metadata={"vlfeedback": json.dumps(header)})
    partial.replace(path)


def describe_vlp_clip(path: Path) -> VLPClipWeights:
    """What a file says of itself; reads no tensors.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is truncated, foreign, or of a newer release.
    """
    return _describe(path, _read(path, with_tensors=False)[0])


def load_vlp_clip(path: Path, clip: CLIPIdentity) -> tuple[VLPClipNetwork, VLPClipWeights]:
    """Load weights to use with this CLIP.

    Returns:
        The network in evaluation mode, float32, on the CPU; and its description.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is truncated, foreign, of another architecture or a newer release, or
            was trained on another CLIP.
    """
    header, tensors = _read(path, with_tensors=True)
    weights = _describe(path, header)
    _check_clip(path, weights.clip, clip)
    network = VLPClipNetwork(weights.architecture)
    expected = network.state_dict()
    wrong = sorted(
        {k for k in expected if k not in tensors or tensors[k].shape != expected[k].shape}
        | (tensors.keys() - expected.keys())
    )
    if wrong:
        raise CheckpointError(
            f"{path} is of another architecture than its header says: {len(wrong)} tensors are "
            f"missing, unexpected or of another shape, first: {wrong[:5]}. Train again with: "
            "vlfeedback fit vlp-clip"
        )
    network.load_state_dict(tensors)
    return network.eval(), weights


def _read(path: Path, *, with_tensors: bool) -> tuple[dict[str, Any], dict[str, Tensor]]:
    path = path.expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"No weights file {str(path)!r}; train one with: vlfeedback fit vlp-clip"
        )
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("vlfeedback", "{}"))
            keys = list(file.keys()) if with_tensors else []
            tensors = {key: file.get_tensor(key) for key in keys}
    except (SafetensorError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"{path} is no readable safetensors file ({error}); it is truncated or of another "
            "format. Copy it again, or train with: vlfeedback fit vlp-clip"
        ) from error
    return header, tensors


def _describe(path: Path, header: dict[str, Any]) -> VLPClipWeights:
    if header.get("format") != _FORMAT:
        raise CheckpointError(
            f"{path} holds no `vlp.clip` model but {header.get('format', 'something else')!r}; "
            "pass weights saved by: vlfeedback fit vlp-clip"
        )
    if header["version"] > _VERSION:
        raise CheckpointError(
            f"{path} has version {header['version']}, this release reads {_VERSION}; upgrade."
        )
    settings = header["architecture"]
    return VLPClipWeights(
        VLPClipArchitecture(**{**settings, "head": tuple(settings["head"])}),
        CLIPIdentity(**header["clip"]),
        header["score_mean"],
        header["score_std"],
        tuple(header["tasks"]),
        header["training"],
    )


def _check_clip(path: Path, wanted: CLIPIdentity, given: CLIPIdentity) -> None:
    if wanted == given:
        return
    differing = [
        f"{name} {getattr(wanted, name)!r} and this one {getattr(given, name)!r}"
        for name in CLIPIdentity.__slots__
        if getattr(wanted, name) != getattr(given, name)
    ]
    raise CheckpointError(
        f"{path} was trained on another CLIP, so that its scores would mean nothing here. Its own "
        f"has {'; '.join(differing)}. Pass the CLIP it was trained on: checkpoint='its file' or "
        "pretrained='its tag'."
    )
