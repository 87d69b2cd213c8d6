"""A file of preferences while it grows: each batch is a small part beside it, folded in at the end.

``labels.parquet`` has its parts in ``labels.parquet.parts/``, each a file of preferences of its
own that is whole or absent, named by the position of its first pair. Adding a batch writes that
batch alone, and a killed process leaves all that it had added.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlfeedback.data.contents import CONTENTS
from vlfeedback.data.locks import locked
from vlfeedback.data.preference_files import (
    COLUMNS,
    FORMAT,
    VERSION,
    Rows,
    parquet_bytes,
    read_rows,
    write_rows,
)
from vlfeedback.data.store import ResumableFolder, check_same_settings
from vlfeedback.data.whole_files import delete_partials
from vlfeedback.errors import FileFormatError

__all__ = [
    "GrowingPreferences",
    "check_no_parts",
    "check_same_labellers",
    "check_same_trajectories",
    "is_finished",
    "read_grown_rows",
]

Record = dict[str, Any]  # a LabelRecord in JSON

_MANIFEST = "labels.json"
_SUFFIX = ".parquet"
_PART = re.compile(r"\d+\.parquet")
_ADVICE = "Go on with the same labeller and settings, or give another path."


def is_finished(path: Path) -> bool:
    """Whether there is a file, and nothing beside it that is not folded in."""
    return path.is_file() and not _parts_folder(path).exists()


def check_no_parts(path: Path) -> None:
    """Refuse to write over a file that answers beside it belong to.

    Raises:
        FileFormatError: there are some.
    """
    parts = _parts(path)
    if parts:
        raise FileFormatError(
            f"{_parts_folder(path)} holds {len(parts)} batches of answers that are not folded into "
            f"{path.name} yet. Finish it with label_pairs, or save to another path."
        )


def check_same_labellers(earlier: Sequence[Record], now: Sequence[Record], *, where: Path) -> None:
    """Refuse to mix answers of labellers that differ in anything; the message says in what.

    Raises:
        FileFormatError: they do.
    """
    check_same_settings(_numbered(earlier), _numbered(now), where=where, advice=_ADVICE)


def read_grown_rows(path: Path) -> tuple[Rows, dict[str, Any]]:
    """Columns and header of a file and of the parts that are not folded into it, in order.

    Raises:
        FileNotFoundError: there is neither a file nor a part of one.
        FileFormatError: one of them is truncated, foreign, or of a newer version; or parts are
            missing, or of other labellers than the file.
        MissingExtraError: pyarrow is not installed.
    """
    parts = _parts(path)  # listed first: what is folded in meanwhile is in the file that is read
    columns, header = read_rows(path if path.exists() or not parts else parts[0])
    for part in parts:
        n, start = len(columns["record"]), int(part.stem)
        if start < n:
            continue  # folded in, before a sudden stop
        if start > n:
            raise FileFormatError(
                f"{path} holds {n} pairs and {part} goes on at pair {start}: what is between them "
                "is gone. Bring the missing file back, or label the pairs anew at another path."
            )
        if not part.is_file():
            return read_grown_rows(path)  # folded in just now, by another process
        rows, part_header = read_rows(part)
        if n:
            check_same_labellers(header["labelled_by"], part_header["labelled_by"], where=path)
        columns = {name: columns[name] + rows[name] for name in columns}
        contents = header.get(CONTENTS, {}) | part_header.get(CONTENTS, {})
        header = {**part_header, CONTENTS: contents} if contents else part_header
    return columns, header


def check_same_trajectories(
    earlier: Mapping[str, str], now: Mapping[str, str], *, where: Path
) -> None:
    """Refuse to go on about trajectories that were replaced under their ids.

    Args:
        earlier: digests by id, as the file has them; one of an earlier release has none.
        now: those of this call.
        where: the file, for the message.

    Raises:
        FileFormatError: one that is in both differs.
    """
    replaced = [name for name, digest in now.items() if earlier.get(name, digest) != digest]
    if replaced:
        raise FileFormatError(
            f"{where} holds answers about {len(earlier)} trajectories, and {len(replaced)} of "
            f"those are others now, such as {replaced[0]!r}: what it shows has been replaced. "
            "Give those that were labelled, or another path."
        )


@dataclass(frozen=True, slots=True)
class GrowingPreferences:
    """A file of preferences that one process alone adds to; see `opened`.

    Attributes:
        path: of the file.
        header: JSON values that go into it and into its parts.
        trajectories: digests by id, of which each part has those that it shows.
    """

    path: Path
    header: dict[str, Any]
    trajectories: dict[str, str]
    _folder: ResumableFolder

    @classmethod
    @contextmanager
    def opened(
        cls,
        path: Path,
        labelled_by: Sequence[Record],
        trajectories: Mapping[str, str] | None = None,
    ) -> Iterator[GrowingPreferences]:
        """Begin a file, or go on with one; that it can be written is tried here.

        Args:
            path: of the file.
            labelled_by: who is asked.
            trajectories: digests by id of those that are shown, see `digests_of_trajectories`.

        Raises:
            BusyError: another process adds to it.
            FileFormatError: its parts are of another labeller, or their folder is something else.
            MissingExtraError: pyarrow is not installed.
            OSError: the file cannot be written.
        """
        root, header = _parts_folder(path), {"labelled_by": list(labelled_by)}
        with locked(root, what="adds labels to"):
            delete_partials(path)
            folder = ResumableFolder.begin(
                root,
                {"format": FORMAT, "version": VERSION, **_numbered(labelled_by)},
                manifest=_MANIFEST,
                holds="labels",
                advice=_ADVICE,
                anew=not _parts(path),  # whoever began it was stopped before the first answer
            )
            if not path.is_file():
                write_rows(path, {name: [] for name in COLUMNS}, header)
            yield cls(path, header, dict(trajectories or {}), folder)

    def add(self, start: int, columns: Rows) -> None:
        """Keep a batch of rows, whole or not at all.

        Args:
            start: how many rows there are before it.
            columns: the rows.

        Raises:
            OSError: the disk is full or not writable; what was kept before is whole.
        """
        names = {*columns["first_id"], *columns["second_id"]} & self.trajectories.keys()
        contents = {name: self.trajectories[name] for name in sorted(names)}
        header = {**self.header, CONTENTS: contents} if contents else self.header
        self._folder.write(f"{start:08d}{_SUFFIX}", parquet_bytes(columns, header))

    def fold(self) -> None:
        """Write all rows into the one file, and remove the parts.

        Raises:
            OSError: the disk is full or not writable; all parts are still there.
        """
        if _parts(self.path):
            write_rows(self.path, *read_grown_rows(self.path))
        self._folder.remove(_MANIFEST, _PART)


def _parts_folder(path: Path) -> Path:
    return path.with_name(f"{path.name}.parts")


def _parts(path: Path) -> list[Path]:
    """The parts of a file by the position of their first pair."""
    files = _parts_folder(path).glob(f"*{_SUFFIX}")
    return sorted((part for part in files if part.stem.isdigit()), key=lambda part: int(part.stem))


def _numbered(records: Sequence[Record]) -> dict[str, Record]:
    return {f"labeller {n}": record for n, record in enumerate(records)}
