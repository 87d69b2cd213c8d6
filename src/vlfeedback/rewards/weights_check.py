"""What a weights file is, whether it is the one its authors released, and which sources load it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlfeedback.encoders.recognise import Recognised, recognise
from vlfeedback.encoders.weights import Weights
from vlfeedback.encoders.weights_files import read_weights
from vlfeedback.errors import VLFeedbackError, reason_of
from vlfeedback.registry import OWN, Entry, imported
from vlfeedback.rewards import REWARD_SOURCES
from vlfeedback.rewards.released import released_weights

__all__ = ["CheckedFile", "check", "readers"]


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """Kind, size and hash of a weights file, and which sources can use it.

    Attributes:
        path: of the file.
        what: its kind, in words.
        megabytes: of 10**6 bytes.
        n_tensors: in the file.
        n_parameters: numbers in all tensors.
        dtypes: of the tensors, each once, sorted.
        sha256: of the file, all digits.
        known_as: the released file with this hash; ``""`` where none is known.
        settings: of the source, to load it.
        loads: by source that reads such files: ``""``, or why it does not load.
    """

    path: str
    what: str
    megabytes: float
    n_tensors: int
    n_parameters: int
    dtypes: tuple[str, ...]
    sha256: str
    known_as: str
    settings: dict[str, Any] = field(default_factory=dict)
    loads: dict[str, str] = field(default_factory=dict)


def check(path: str | Path) -> CheckedFile:
    """Read a file, recognise it, and load it for every source that reads such files.

    Nothing in it is executed. A plugin that fails is named in `loads`, and the others are tried.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is truncated, or no file of weights.
    """
    path = Path(path)
    weights = read_weights(path)
    matches, problems = readers(weights)
    match = next(iter(matches.values()), None) or recognise(weights.tensors, weights.top_key)
    settings = dict(match.settings)
    if match.architectures:
        settings["architecture"] = _architecture(match, weights)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    tensors = weights.tensors.values()
    return CheckedFile(
        path=str(path),
        what=match.what,
        megabytes=path.stat().st_size / 1e6,
        n_tensors=len(tensors),
        n_parameters=sum(tensor.numel() for tensor in tensors),
        dtypes=tuple(sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors})),
        sha256=digest,
        known_as=_known_as(digest),
        settings=settings,
        loads={name: _problem(name, path, settings) for name in matches} | problems,
    )


def readers(weights: Weights) -> tuple[dict[str, Recognised], dict[str, str]]:
    """The sources that read such a file, by the recognisers of their entries.

    Returns:
        by source id what the file is to it, the library's own first; and by source id the
        error of a plugin.
    """
    matches: dict[str, Recognised] = {}
    problems: dict[str, str] = {}
    for listing in REWARD_SOURCES.entries():
        try:
            entry = REWARD_SOURCES.full_entry(listing.name)
            if entry.recogniser:
                recognised = imported(entry, REWARD_SOURCES.kind, entry.recogniser)(weights)
                if isinstance(recognised, Recognised):
                    matches[entry.name] = recognised
                elif recognised is not None:
                    problems[entry.name] = f"{entry.recogniser} gave {recognised!r}, no Recognised"
        except Exception as error:
            if listing.distribution == OWN:
                raise
            problems[listing.name] = reason_of(error)
    return matches, problems


def _problem(name: str, path: Path, settings: Mapping[str, Any]) -> str:
    """Why a file does not load; empty where it does."""
    entry: Entry = REWARD_SOURCES.full_entry(name)
    try:
        imported(entry, REWARD_SOURCES.kind, entry.loader)(path, settings)
    except Exception as error:
        if entry.distribution == OWN and not isinstance(error, VLFeedbackError):
            raise
        return reason_of(error)
    return ""


def _architecture(match: Recognised, weights: Weights) -> str:
    """Which of the architectures that have these shapes; OpenAI's compute QuickGELU."""
    quick = [name for name in match.architectures if name.endswith("-quickgelu")]
    return quick[0] if quick and weights.is_openai_archive else match.architectures[0]


def _known_as(digest: str) -> str:
    names = {
        file.name
        for released in released_weights()[0].values()
        for file in released.files
        if file.sha256 and digest.startswith(file.sha256)
    }
    return ", ".join(sorted(names))
