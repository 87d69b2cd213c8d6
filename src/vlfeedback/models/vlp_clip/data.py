"""What `vlp.clip` is trained on: CLIP's tokens of clips and texts, encoded once, and their pairs.

Tokens of pictures are large, so they lie on disk in float16 and are read as they are drawn. A
picture has 196 tokens of 768 with ViT-B/16, 301 KB: a task of 96 trajectories with 23 pictures
each takes 0.66 GB, the 45 training tasks 30 GB.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float16, Float32, Int64
from torch import Tensor

from vlfeedback.data.instructions import instruction_corpus
from vlfeedback.encoders.clip_tokens import CLIPTokens
from vlfeedback.errors import NeedsError
from vlfeedback.models.vlp.data import ClipSet
from vlfeedback.types import Report

__all__ = ["LevelPairs", "PairBatch", "PhraseTokens", "cached_tokens"]


def cached_tokens(
    folder: Path, clips: ClipSet, clip: CLIPTokens, *, class_token: bool, report: Report
) -> Float16[np.ndarray, "C F P E"]:
    """CLIP's tokens of every picture, as an array on disk.

    Encoded clip by clip: a call that was cut off goes on where it was, and one that finds all of
    them reads nothing. The file's name is a hash of pictures and CLIP, so that it fits for sure.

    Args:
        folder: where the file is or will be; it can be deleted after the training.
        clips: whose pictures.
        clip: the encoder.
        class_token: keep CLIP's class token, before those of the patches.
        report: told after every clip.

    Raises:
        NeedsError: the disk has too little room.
    """
    identity = {
        "clip": asdict(clip.identity),
        "class_token": class_token,
        "pictures": hashlib.sha256(np.ascontiguousarray(clips.pictures).data).hexdigest(),
    }
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    path, progress = folder / f"{key}.npy", folder / f"{key}.json"
    if not (path.exists() and progress.exists()):
        first = clip.read_pictures(clips.pictures[0, :1], class_token=class_token)
        _create(path, (*clips.pictures.shape[:2], *first.shape[1:]))
        _note(progress, identity, 0)
    n_done = json.loads(progress.read_text(encoding="utf-8"))["encoded"]
    tokens: np.memmap[tuple[int, ...], np.dtype[np.float16]]
    tokens = np.lib.format.open_memmap(path, mode="r+")
    for row in range(n_done, len(tokens)):
        read = clip.read_pictures(clips.pictures[row], class_token=class_token)
        tokens[row] = read.half().cpu().numpy()
        tokens.flush()
        _note(progress, identity, row + 1)
        report("encoding clips", row + 1, len(tokens), math.nan)
    return np.lib.format.open_memmap(path, mode="r")


def _create(path: Path, shape: tuple[int, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    needed, free = 2 * math.prod(shape), shutil.disk_usage(path.parent).free
    if needed > free:
        raise NeedsError(
            f"CLIP's tokens of these clips take {needed / 1e9:.1f} GB and {path.parent} has "
            f"{free / 1e9:.1f} GB free. Choose another folder with --tokens, or fewer tasks."
        )
    np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)


def _note(path: Path, identity: dict[str, object], n_encoded: int) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps({"encoded": n_encoded, **identity}) + "\n", encoding="utf-8")
    partial.replace(path)


class PhraseTokens:
    """CLIP's tokens of the instruction corpora of some tasks (59 MB for 45 tasks)."""

    def __init__(self, tasks: Sequence[str], clip: CLIPTokens) -> None:
        corpora = [instruction_corpus(task) for task in tasks]
        tokens, mask = clip.read_texts([text for corpus in corpora for text in corpus])
        self.tokens: Float32[Tensor, "S M E"] = tokens.cpu()
        self.mask: Bool[Tensor, "S M"] = mask.cpu()
        self._sizes = np.array([len(corpus) for corpus in corpora])
        self._first = np.cumsum(self._sizes) - self._sizes

    def draw(
        self, tasks: Int64[np.ndarray, " R"], rng: np.random.Generator
    ) -> tuple[Float32[Tensor, "R M E"], Bool[Tensor, "R M"]]:
        """One phrase of each task, drawn uniformly: its tokens, and which are no padding."""
        rows = self._first[tasks] + rng.integers(self._sizes[tasks])
        return self.tokens[rows], self.mask[rows]


@dataclass(frozen=True, slots=True, eq=False)
class PairBatch:
    """R pairs of windows, each of another task."""

    task: Int64[np.ndarray, " R"]
    clips: Float32[Tensor, "R2 n P E"]  # first windows, then second windows
    prefer_second: Float32[Tensor, " R"]


class LevelPairs:
    """Draws pairs of windows of one task and two levels; the better level is preferred.

    The paper draws one task a batch and its strangers from elsewhere. Here each row is of another
    task, so that the other rows are its strangers, and are encoded anyway.

    Args:
        clips: who is of which task and level.
        tokens: of their pictures.
        n_frames: pictures a window shows.

    Raises:
        NeedsError: there are fewer than two tasks, or a task has clips of one level only.
    """

    def __init__(
        self, clips: ClipSet, tokens: Float16[np.ndarray, "C F P E"], *, n_frames: int
    ) -> None:
        self._clips, self._tokens, self._n_frames = clips, tokens, n_frames
        self._levels = [
            [
                members
                for level in np.unique(clips.level)
                if len(members := np.flatnonzero((clips.task == task) & (clips.level == level)))
            ]
            for task in range(int(clips.task.max()) + 1)
        ]
        if len(self._levels) < 2 or min(map(len, self._levels)) < 2:
            raise NeedsError(
                f"{len(self._levels)} tasks whose clips are of at least "
                f"{min(map(len, self._levels))} levels; preferences take two tasks or more, and "
                "two levels of each. Collect them with: vlfeedback collect"
            )

    def draw(self, count: int, rng: np.random.Generator) -> PairBatch:
        """`count` pairs, or one of each task where there are fewer tasks."""
        clips = self._clips
        tasks = rng.permutation(len(self._levels))[:count]
        rows = np.empty((2, len(tasks)), np.int64)
        for column, task in enumerate(tasks):
            levels = self._levels[task]
            chosen = rng.choice(len(levels), size=2, replace=False)
            rows[:, column] = [rng.choice(levels[level]) for level in chosen]
        frames = clips.window(
            rng.integers(1, clips.pictures.shape[1], size=rows.size), self._n_frames
        )
        shown = self._tokens[rows.ravel()[:, None], frames]
        better = clips.level[rows[1]] > clips.level[rows[0]]
        return PairBatch(
            tasks,
            torch.from_numpy(shown.astype(np.float32)),
            torch.from_numpy(better.astype(np.float32)),
        )
