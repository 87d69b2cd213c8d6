"""What an outcome depends on, by content: a file that is replaced under its name is another one.

Resumable work keeps these digests under `CONTENTS` beside its settings, so that it does not go on
with other weights, labels of another model, or pictures of other data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from vlfeedback.types import (
    NamesItsContent,
    NamesItsEmbeddings,
    Segment,
    Trajectory,
    class_and_settings,
    unwrapped,
)

__all__ = [
    "CONTENTS",
    "DigestedFrames",
    "digest_of_pairs",
    "digest_of_source",
    "digests_of_files",
    "digests_of_source",
    "digests_of_trajectories",
    "file_digest",
    "trajectory_digest",
]

CONTENTS = "contents"
"""Key of such digests among settings."""

_DIGITS = 16  # hexadecimal; 64 bits tell any number of files apart, and fit in a message
_CHUNK_BYTES = 2**20
_known: dict[tuple[Path, int, int, int], str] = {}  # by path, inode, bytes and time of change


@runtime_checkable
class DigestedFrames(Protocol):
    """`Frames` that can tell their content without decoding it; others are read for that."""

    def digest(self) -> bytes:
        """Differs where pictures do; it may differ where they are packed otherwise."""


def file_digest(path: Path) -> str:
    """A file's content in 16 digits; read once in a process, while size and time stay.

    Raises:
        OSError: it is not there, or may not be read.
    """
    path = path.resolve()
    facts = path.stat()
    key = (path, facts.st_ino, facts.st_size, facts.st_mtime_ns)
    if key not in _known:
        digest = sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
        _known[key] = digest.hexdigest()[:_DIGITS]
    return _known[key]


def digests_of_files(settings: Any, name: str = "") -> dict[str, str]:
    """Digests of the files that settings name, by the name of the setting.

    Args:
        settings: JSON values, nested at will; a text that is the path of an existing file counts.
        name: of the whole, in front of the others.

    >>> digests_of_files({"weights": "mt50", "goal": ["/dev/null/goal.png"]})
    {}
    """
    if isinstance(settings, Mapping):
        items = [(f"{name}.{key}".strip("."), value) for key, value in settings.items()]
    elif isinstance(settings, Sequence) and not isinstance(settings, str | bytes):
        items = [(f"{name}.{n}".strip("."), value) for n, value in enumerate(settings)]
    elif isinstance(settings, str | Path) and (path := _file(settings)) is not None:
        return {name or "file": file_digest(path)}
    else:
        return {}
    return {key: d for label, value in items for key, d in digests_of_files(value, label).items()}


def digests_of_source(source: Any) -> dict[str, str]:
    """What a source of either kind answers with, beside its settings: its files, and its weights.

    Args:
        source: what else it may say of itself is used where it does: `NamesItsEmbeddings`,
            `NamesItsContent`.
    """
    source = unwrapped(source)
    digests = digests_of_files(class_and_settings(source)[1])
    if isinstance(source, NamesItsEmbeddings):
        digests["embeddings"] = _short(source.embedding_id.encode())
    if isinstance(source, NamesItsContent) and source.content_id:
        digests["content"] = _short(source.content_id.encode())
    return digests


def digest_of_source(source: Any) -> str:
    """The same as one text, JSON; ``""`` where there is nothing beside its settings."""
    digests = digests_of_source(source)
    return json.dumps(digests, sort_keys=True) if digests else ""


def trajectory_digest(trajectory: Trajectory, states: np.ndarray | None = None) -> str:
    """Tells trajectories apart by id, instruction and what sources read of them: 32 digits.

    Args:
        trajectory: with pictures, where `states` is given.
        states: whose pictures are read; None: pictures are not looked at.
    """
    digest = sha256(json.dumps([trajectory.id, trajectory.instruction or None]).encode())
    for name in ("observations", "actions", "env_rewards", "successes"):
        array = getattr(trajectory, name)
        if array is not None:
            digest.update(f"{name}{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    if states is not None and trajectory.frames is not None:
        frames = trajectory.frames
        digest.update(np.ascontiguousarray(frames.times).data)
        if isinstance(frames, DigestedFrames):
            digest.update(frames.digest())
        else:
            pictures = frames.read(states)
            digest.update(f"{pictures.shape}".encode())
            digest.update(np.ascontiguousarray(pictures).data)
    return digest.hexdigest()[:32]


def digests_of_trajectories(
    pairs: Sequence[tuple[Segment, Segment]], *, pictures: bool
) -> dict[str, str]:
    """Of the trajectories that pairs are cut from, by id: 16 digits each.

    Args:
        pairs: of segments; trajectories of the same id count as one.
        pictures: they are read too; all of a trajectory's.
    """
    trajectories = {s.trajectory.id: s.trajectory for pair in pairs for s in pair}
    return {
        name: trajectory_digest(t, t.frames.times if pictures and t.frames is not None else None)[
            :_DIGITS
        ]
        for name, t in sorted(trajectories.items())
    }


def digest_of_pairs(pairs: Sequence[tuple[Segment, Segment]], *, pictures: bool) -> str:
    """The same as one text."""
    return _short(json.dumps(digests_of_trajectories(pairs, pictures=pictures)).encode())


def _file(text: str | Path) -> Path | None:
    try:
        path = Path(text).expanduser()
        return path if path.is_file() else None
    except (OSError, ValueError, RuntimeError):  # too long, with a zero, of an unknown user
        return None


def _short(text: bytes) -> str:
    return sha256(text).hexdigest()[:_DIGITS]
