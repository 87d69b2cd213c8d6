"""Weights of `vlp.clip` on disk: what was trained, and the frozen CLIP it was trained on, by hash.

One safetensors file: the trainable tensors in float32, and a description in its header.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vlfeedback.encoders.clip_tokens import CLIPIdentity
from vlfeedback.errors import CheckpointError
from vlfeedback.models.checkpoint import (
    CheckpointFormat,
    check_outline,
    fill_network,
    finite_number,
    read_checkpoint,
    read_description,
    save_checkpoint,
    settings_of,
    understanding,
)
from vlfeedback.models.vlp_clip.network import VLPClipArchitecture, VLPClipNetwork

__all__ = ["VLPClipWeights", "describe_vlp_clip", "load_vlp_clip", "save_vlp_clip"]

_FORMAT = CheckpointFormat(
    "vlfeedback-vlp-clip", version=1, model="`vlp.clip` model", made_by="vlfeedback fit vlp-clip"
)


@dataclass(frozen=True, slots=True)
class VLPClipWeights:
    """Description in a weights file, beside the tensors."""

    architecture: VLPClipArchitecture  # with the choices that the paper leaves open
    clip: CLIPIdentity  # whose tokens it was trained on
    score_mean: float  # of training windows under their own instruction
    score_std: float
    tasks: tuple[str, ...]  # trained on
    training: dict[str, Any]  # settings, versions, hardware


def save_vlp_clip(path: str | Path, network: VLPClipNetwork, weights: VLPClipWeights) -> None:
    """Write the tensors as they are, with the description in the file's header."""
    save_checkpoint(path, network.state_dict(), asdict(weights), file_format=_FORMAT)


def describe_vlp_clip(path: str | Path) -> VLPClipWeights:
    """Description in a weights file; reads no tensors.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is damaged, foreign, or of another version.
    """
    path = Path(path)
    return _weights(read_description(path, file_format=_FORMAT), path)


def load_vlp_clip(path: str | Path, clip: CLIPIdentity) -> tuple[VLPClipNetwork, VLPClipWeights]:
    """Load weights to use with this CLIP.

    Returns:
        The network in evaluation mode, float32, on the CPU; and its description.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is damaged, foreign, of another architecture or version, or
            was trained on another CLIP.
    """
    path = Path(path)
    description, tensors = read_checkpoint(path, file_format=_FORMAT)
    weights = _weights(description, path)
    _check_clip(path, weights.clip, clip)
    check_outline(lambda: VLPClipNetwork(weights.architecture), tensors, path, file_format=_FORMAT)
    network = VLPClipNetwork(weights.architecture)
    fill_network(network, tensors, path, file_format=_FORMAT)
    return network.eval(), weights


def _weights(description: dict[str, Any], path: Path) -> VLPClipWeights:
    with understanding(path, file_format=_FORMAT):
        return VLPClipWeights(
            settings_of(VLPClipArchitecture, description["architecture"]),
            CLIPIdentity(**description["clip"]),
            finite_number(description, "score_mean"),
            finite_number(description, "score_std", positive=True),
            tuple(description["tasks"]),
            dict(description["training"]),
        )


def _check_clip(path: Path, trained_on: CLIPIdentity, clip: CLIPIdentity) -> None:
    if trained_on == clip:
        return
    differing = [
        f"{name} {getattr(trained_on, name)!r} and this one {getattr(clip, name)!r}"
        for name in CLIPIdentity.__slots__
        if getattr(trained_on, name) != getattr(clip, name)
    ]
    raise CheckpointError(
        f"{path} was trained on another CLIP, so that its scores would mean nothing here. Its own "
        f"has {'; '.join(differing)}. Pass the CLIP it was trained on: checkpoint='its file' or "
        "pretrained='its tag'."
    )
