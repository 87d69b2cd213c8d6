"""CLIP's tokens of episodes, encoded once and kept on disk.

They are large, so they lie there in float16 and are read as they are drawn. A picture has 196
tokens of 768 with ViT-B/16, 301 KB: a task of 96 trajectories with 23 pictures each takes 0.66 GB,
the 45 training tasks 30 GB.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float16

from vlfeedback.data.foreign_files import reading
from vlfeedback.data.locks import locked_output
from vlfeedback.data.whole_files import read_json, write_json
from vlfeedback.encoders.clip_tokens import CLIPTokens
from vlfeedback.errors import NeedsError
from vlfeedback.models.vlp.data import EpisodeSet
from vlfeedback.types import Report

__all__ = ["cached_tokens"]


def cached_tokens(
    folder: str | Path, episodes: EpisodeSet, clip: CLIPTokens, *, class_token: bool, report: Report
) -> Float16[np.ndarray, "C F P E"]:
    """CLIP's tokens of every picture, as an array on disk.

    Encoded episode by episode: a call that was cut off goes on where it was, and one that finds
    all of them reads nothing. The file's name is a hash of pictures and CLIP, so that it fits for
    sure.

    Args:
        folder: where the file is or will be; it can be deleted after the training.
        episodes: whose pictures.
        clip: the encoder.
        class_token: keep CLIP's class token, before those of the patches.
        report: called after every episode.

    Raises:
        NeedsError: the disk has too little room.
        FileFormatError: what was encoded before is damaged; the message says what to delete.
        BusyError: another process encodes the same; it may be used once that is done.
        WriteError: the folder cannot be written; nothing was encoded then.
    """
    folder = Path(folder)
    identity = {
        "clip": asdict(clip.identity),
        "class_token": class_token,
        "pictures": hashlib.sha256(np.ascontiguousarray(episodes.pictures).data).hexdigest(),
    }
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    path, progress = folder / f"{key}.npy", folder / f"{key}.json"
    is_begun = path.exists() and progress.exists()
    if not is_begun or _open(path, progress, episodes)[1] < len(episodes.pictures):
        with locked_output(path, what="encodes pictures into"):
            _encode(path, progress, episodes, clip, identity, report)
    return _open(path, progress, episodes)[0]


def _encode(
    path: Path,
    progress: Path,
    episodes: EpisodeSet,
    clip: CLIPTokens,
    identity: Mapping[str, Any],
    report: Report,
) -> None:
    """Encode what is missing; nobody else does meanwhile."""
    class_token = bool(identity["class_token"])
    if not (path.exists() and progress.exists()):
        first = clip.read_pictures(episodes.pictures[0, :1], class_token=class_token)
        _create(path, (*episodes.pictures.shape[:2], *first.shape[1:]))
        write_json(progress, {"encoded": 0, **identity})
    _, n_done = _open(path, progress, episodes)
    tokens = _map(path, "r+")
    for row in range(n_done, len(tokens)):
        picture_tokens = clip.read_pictures(episodes.pictures[row], class_token=class_token)
        tokens[row] = picture_tokens.half().cpu().numpy()
        tokens.flush()
        write_json(progress, {"encoded": row + 1, **identity})
        report("encoding pictures", row + 1, len(tokens), math.nan)


def _open(
    path: Path, progress: Path, episodes: EpisodeSet
) -> tuple[np.memmap[tuple[int, ...], np.dtype[np.float16]], int]:
    """The array of tokens, for reading, and of how many episodes it has them."""
    advice = f"Delete {progress} to encode again."
    with reading(path, "cache of tokens", advice=advice):
        n_done = int(read_json(progress, advice=advice)["encoded"])
        tokens = _map(path, "r")  # to write, it would fill up a file that was cut short
        n_episodes, n_pictures = episodes.pictures.shape[:2]
        if tokens.shape[:2] != (n_episodes, n_pictures) or tokens.dtype != np.float16:
            raise ValueError(f"it holds {tokens.dtype} of shape {tokens.shape}")
        if not 0 <= n_done <= n_episodes:
            raise ValueError(f"{n_done} of {n_episodes} episodes are said to be done")
        return tokens, n_done


def _map(path: Path, mode: Literal["r", "r+"]) -> np.memmap[tuple[int, ...], np.dtype[np.float16]]:
    return np.lib.format.open_memmap(path, mode=mode)


def _create(path: Path, shape: tuple[int, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    n_bytes, free = 2 * math.prod(shape), shutil.disk_usage(path.parent).free
    if n_bytes > free:
        raise NeedsError(
            f"CLIP's tokens of these episodes take {n_bytes / 1e9:.1f} GB and {path.parent} has "
            f"{free / 1e9:.1f} GB free. Choose another folder with --tokens, or fewer tasks."
        )
    np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
