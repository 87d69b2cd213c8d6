"""A small JSON file that remembers what models were found to be able to do."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from vlfeedback.data.cache_folder import cache_folder
from vlfeedback.data.whole_files import read_json, write_json
from vlfeedback.errors import FileFormatError
from vlfeedback.vlms.client.abilities import Abilities
from vlfeedback.vlms.client.dialects import DIALECTS, dialect_named

__all__ = ["ABILITIES_FORMAT", "AbilitiesFile"]

ABILITIES_FORMAT = "vlfeedback.vlm_abilities/1"
"""Value of ``format`` in the file."""

_NAME = "vlm_abilities.json"
_DAYS = 7  # for which a server is taken to be what it was; our choice

_log = logging.getLogger(__name__)


class AbilitiesFile:
    """What is known by server and model; whatever is wrong with the file, it is done without.

    Of two processes that write at a time one may undo the other's entry, which is then found out
    again.

    Attributes:
        path: of the file; None where nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path

    @classmethod
    def beside(cls, store: str) -> AbilitiesFile:
        """The file that goes with a store of answers.

        Args:
            store: as in `VLMSettings.store`: a file, "" or "none".
        """
        if store == "none":
            return cls(None)
        folder = Path(store).expanduser().parent if store else cache_folder()
        return cls(folder / _NAME)

    def read(self, server: str, model: str) -> Abilities | None:
        """What is known of a model; None where nothing is, or it was found out a week ago.

        Args:
            server: its address, without a password.
            model: its name there.
        """
        entry = self._entries().get(_name(server, model))
        if entry is None or entry.get("dialect") not in DIALECTS:
            return None
        return Abilities.from_json(entry, dialect_named(entry["dialect"]))

    def write(self, server: str, model: str, abilities: Abilities) -> None:
        """Keep what is known of a model."""
        if self.path is None:
            return
        entry = {**abilities.to_json(), "date": _today().isoformat()}
        entries = {**self._entries(), _name(server, model): entry}
        try:
            write_json(self.path, {"format": ABILITIES_FORMAT, "models": entries})
        except OSError as error:
            _log.info("What %s can do is not kept: %s", model, error)

    def _entries(self) -> dict[str, dict[str, Any]]:
        """The entries that are not too old."""
        if self.path is None:
            return {}
        try:
            content = read_json(self.path, advice="It is written anew.")
        except FileNotFoundError:
            return {}
        except (FileFormatError, OSError) as error:
            _log.info("%s", error)
            return {}
        models = content.get("models")
        if content.get("format") != ABILITIES_FORMAT or not isinstance(models, dict):
            return {}
        return {name: entry for name, entry in models.items() if _is_fresh(entry)}


def _name(server: str, model: str) -> str:
    return f"{server} {model}"


def _is_fresh(entry: Any) -> bool:
    try:
        found = date.fromisoformat(entry["date"])
    except (ValueError, TypeError, KeyError):
        return False
    return 0 <= (_today() - found).days < _DAYS


def _today() -> date:
    return datetime.now(UTC).date()
