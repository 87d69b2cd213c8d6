"""What a model's tokens cost: by the user's file of prices, and the table that comes with us.

A file is TOML, with a table ``[[price]]`` for each entry::

    [[price]]
    model = "my-model*"   # * stands for anything
    server = "api.example.com"   # host; left out: any
    usd_in = 0.50   # US dollars per million tokens read
    usd_out = 1.50   # and written, reasoning included
    usd_image = 0   # US dollars a picture, where they are priced so; left out: 0
    until = 2027-06-30   # last day; left out: for ever
    source = "https://api.example.com/pricing"   # where it was read; may be left out, as
    read = 2026-11-27   # when

The first entry that fits counts. Servers on one's own machine or network cost nothing.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any

from vlfeedback.data.foreign_files import reading
from vlfeedback.errors import FileFormatError, NeedsError
from vlfeedback.vlms.servers import host_of, is_own
from vlfeedback.vlms.settings import VLMSettings

__all__ = [
    "FREE",
    "Price",
    "dollars",
    "find_price",
    "needed_price",
    "read_prices",
    "shipped_prices",
]

_TOKENS = 1_000_000  # that prices are of
_NUMBER = int | float
_KINDS: dict[str, tuple[Any, str]] = {
    **dict.fromkeys(("model", "server", "source"), (str, "a text")),
    **dict.fromkeys(("usd_in", "usd_out", "usd_image"), (_NUMBER, "a number of at least 0")),
    **dict.fromkeys(("until", "read"), (date, "a date, such as 2027-06-30")),
}


@dataclass(frozen=True, slots=True)
class Price:
    """What one model costs on one server.

    Attributes:
        model: its name, or a pattern with ``*``.
        usd_in: US dollars per million tokens read.
        usd_out: US dollars per million tokens written, reasoning included.
        usd_image: US dollars a picture, beside its tokens.
        server: its host; ``"*"`` any.
        until: last day that it holds; None for ever.
        source: where it was read.
        read: when.
    """

    model: str
    usd_in: float
    usd_out: float
    usd_image: float = 0.0
    server: str = "*"
    until: date | None = None
    source: str = ""
    read: date | None = None

    def cost(self, tokens_in: int, tokens_out: int, pictures: int = 0) -> float:
        """US dollars for so many tokens and pictures.

        >>> Price("m", usd_in=0.25, usd_out=2.0).cost(1000, 100)
        0.00045
        """
        tokens = tokens_in * self.usd_in + tokens_out * self.usd_out
        return tokens / _TOKENS + pictures * self.usd_image

    def fits(self, model: str, host: str, day: date) -> bool:
        """Whether it is the price of this model, there and then."""
        return (
            fnmatchcase(model.lower(), self.model.lower())
            and fnmatchcase(host, self.server.lower())
            and (self.until is None or day <= self.until)
        )


FREE = Price("*", 0.0, 0.0)
"""Of a server of one's own."""


def find_price(settings: VLMSettings, day: date | None = None) -> Price | None:
    """The price of the settings' model: of the user's file, a server of one's own, or our table.

    Args:
        settings: model, address and the user's file.
        day: today, by UTC, where it is None.

    Returns:
        None where nobody knows it.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is no file of prices.
    """
    day = day or datetime.now(UTC).date()
    known = read_prices(Path(settings.prices).expanduser()) if settings.prices else []
    known += [FREE] if is_own(settings.base_url) else shipped_prices()
    host = host_of(settings.base_url)
    return next((price for price in known if price.fits(settings.model, host, day)), None)


def needed_price(settings: VLMSettings) -> Price:
    """The price, where a limit in dollars makes no sense without.

    Raises:
        NeedsError: nobody knows it; says which lines to add to which file.
    """
    price = find_price(settings)
    if price is None:
        file = settings.prices or "prices.toml"
        naming = "" if settings.prices else ", and pass prices='prices.toml'"
        raise NeedsError(
            f"No price is known of {settings.model!r} on {host_of(settings.base_url)}, and "
            f"budget_usd={settings.budget_usd:g} needs one. Add to {file}, with US dollars per "
            f"million tokens in place of the dots{naming}:\n"
            f'[[price]]\nmodel = "{settings.model}"\nusd_in = ...\nusd_out = ...'
        )
    return price


def dollars(usd: float) -> str:
    """An amount for messages: cents from a dollar on, else four digits behind the point.

    >>> dollars(1234.5), dollars(0.00312), dollars(0.0)
    ('$1,234.50', '$0.0031', '$0.0000')
    """
    return f"${usd:,.2f}" if usd >= 1 else f"${usd:.4f}"


def shipped_prices() -> list[Price]:
    """The table that comes with the library."""
    return read_prices(Path(str(files("vlfeedback.vlms.ledger"))) / "prices.toml")


def read_prices(path: Path) -> list[Price]:
    """The entries of a file, in order.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is no file of prices; names the entry and what is wrong with it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No file of prices {path}.")
    with reading(path, "file of prices", advice="See docs/answers.md for an example."):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        entries = table.pop("price", [])
        if table or not isinstance(entries, list):
            raise FileFormatError(
                f"{path} has {', '.join(map(repr, table)) or 'no list of prices'}; expected "
                "nothing but tables [[price]]."
            )
        return [_price(entry, f"{path}, price {i}") for i, entry in enumerate(entries, start=1)]


def _price(entry: Any, where: str) -> Price:
    entry = entry if isinstance(entry, Mapping) else {}
    unknown = sorted(set(entry) - set(_KINDS))
    missing = [name for name in ("model", "usd_in", "usd_out") if name not in entry]
    if unknown or missing:
        raise FileFormatError(
            f"{where}: {', '.join(unknown) or 'no ' + ', '.join(missing)}; expected model, usd_in "
            f"and usd_out, and no others than {', '.join(_KINDS)}."
        )
    for name, value in entry.items():
        kind, what = _KINDS[name]
        is_kind = isinstance(value, kind) and not isinstance(value, bool | datetime)
        if not is_kind or (kind is _NUMBER and not 0 <= value < math.inf):
            raise FileFormatError(f"{where}: {name} is {value!r}; expected {what}.")
    numbers = {name: float(entry[name]) for name in entry if _KINDS[name][0] is _NUMBER}
    return Price(**{**entry, **numbers})
