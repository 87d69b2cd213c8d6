"""Long work that can be stopped: a folder of finished parts, and the settings they depend on.

All that is resumable depends on `check_same_settings`: what was begun with some settings, and
files of some content, goes on with the same ones alone. Parts are files of their own, whole or
absent, so a killed process loses at most the one it was making.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlfeedback.data.contents import CONTENTS
from vlfeedback.data.locks import LOCK, is_lock
from vlfeedback.data.whole_files import is_partial, new_file, read_json, whole_name, write_json
from vlfeedback.errors import FileFormatError

__all__ = ["ResumableFolder", "as_json", "check_same_settings"]

_ADVICE = "Use the same ones to go on, or another folder."


def as_json(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as they come back from JSON: tuples are lists, keys are texts."""
    values: dict[str, Any] = json.loads(json.dumps(dict(settings)))
    return values


def check_same_settings(
    earlier: Mapping[str, Any], now: Mapping[str, Any], *, where: object, advice: str
) -> None:
    """Refuse to go on with what was begun with other settings, or on other contents.

    What an earlier release began has no `CONTENTS`, and goes on without.

    Args:
        earlier: JSON values, as they were written.
        now: those of this call.
        where: what was begun, such as a path; begins the message.
        advice: what to do instead, as a sentence; ends it.

    Raises:
        FileFormatError: they differ; the message names each difference.
    """
    differing = ", ".join(_differences(as_json(earlier), as_json(now)))
    if differing:
        raise FileFormatError(f"{where} was begun with other settings: {differing}. {advice}")


@dataclass(frozen=True, slots=True)
class ResumableFolder:
    """A folder whose parts were made with one set of settings.

    Attributes:
        root: the folder.
        settings: JSON values, as its manifest has them.
    """

    root: Path
    settings: Mapping[str, Any]

    @classmethod
    def begin(
        cls,
        root: Path,
        settings: Mapping[str, Any],
        *,
        manifest: str,
        holds: str,
        advice: str = _ADVICE,
        anew: bool = False,
    ) -> ResumableFolder:
        """Start a folder, or go on with one that was begun with the same settings.

        Args:
            root: the folder.
            settings: all that its parts depend on.
            manifest: name of the JSON file that holds them.
            holds: what it is for, in a message: "rewards".
            advice: what to do where it was begun with other settings, as a sentence.
            anew: no part is finished, so that these settings replace those of whoever began it.

        Raises:
            FileFormatError: it was begun with other settings, or is something else.
            WriteError: it cannot be written.
        """
        cls.check(root, settings, manifest=manifest, holds=holds, advice=advice, anew=anew)
        if anew or not (root / manifest).exists():
            write_json(root / manifest, as_json(settings))
        return cls.open(root, manifest=manifest, advice=f"Delete {root} and start again.")

    @classmethod
    def check(
        cls,
        root: Path,
        settings: Mapping[str, Any],
        *,
        manifest: str,
        holds: str,
        advice: str = _ADVICE,
        anew: bool = False,
    ) -> None:
        """Refuse a folder that `begin` refuses, and leave it as it is; arguments as there.

        Raises:
            FileFormatError: it was begun with other settings, or is something else.
        """
        is_begun = (root / manifest).exists()
        others = [] if not root.is_dir() else [p for p in root.iterdir() if not _is_ours(p)]
        if (anew or not is_begun) and any(path.name != manifest for path in others):
            raise FileFormatError(
                f"{root} is not empty and holds no {holds}; choose another folder."
            )
        if is_begun:
            folder = cls.open(root, manifest=manifest, advice=f"Delete {root} and start again.")
            if not anew:
                check_same_settings(folder.settings, settings, where=root, advice=advice)

    @classmethod
    def open(cls, root: Path, *, manifest: str, advice: str) -> ResumableFolder:
        """Open a folder that `begin` began.

        Raises:
            FileNotFoundError: there is no manifest.
            FileFormatError: it is damaged; the message ends with `advice`.
        """
        return cls(root, read_json(root / manifest, advice=advice))

    def has(self, name: str) -> bool:
        """Whether this part is finished."""
        return (self.root / name).is_file()

    def write(self, name: str, contents: bytes) -> None:
        """Keep a part, whole or not at all.

        Raises:
            OSError: the disk is full or not writable; what was kept before is whole.
        """
        with new_file(self.root / name) as partial:
            partial.write_bytes(contents)

    def remove(self, manifest: str, part: re.Pattern[str]) -> None:
        """Delete what was made here, and the folder if nothing else is in it; while it is locked.

        Args:
            manifest: name of the file of settings.
            part: matches the whole name of each part, and no other name.
        """
        for path in list(self.root.iterdir()) if self.root.is_dir() else []:
            name = whole_name(path)
            if name in (manifest, LOCK) or part.fullmatch(name):
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.root.rmdir()


def _is_ours(path: Path) -> bool:
    return is_partial(path) or is_lock(path)


def _differences(earlier: Any, now: Any, name: str = "") -> list[str]:
    """``"steps was 200 and is 100"`` for each leaf that is not the same."""
    if isinstance(earlier, dict) and isinstance(now, dict):
        return [
            line
            for key in sorted({*earlier, *now})
            if key != CONTENTS or earlier.get(key)
            for line in _differences(earlier.get(key), now.get(key), f"{name} {key}".strip())
        ]
    return [] if earlier == now else [f"{name} was {earlier!r} and is {now!r}"]
