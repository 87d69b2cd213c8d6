"""Pages of HTML from the templates in ``templates/``, all with one head, style and footer.

What is put into a template is escaped unless a template of ours made it. Addresses go through
`address`, so that a name in the data can never become a script.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vlfeedback.errors import InvalidValueError

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["address", "file_address", "render_page"]

# Browsers skip blanks and line ends, and take a backslash for a slash: none of them is let in.
_ACCEPTED = re.compile(
    r"https?://[^\s\\]*|data:image/(?:png|jpeg);base64,[A-Za-z0-9+/=]*|(?!//)[^\s\\:?#]*(?:[?#][^\s\\]*)?"
)


def render_page(template: str, **values: Any) -> str:
    """Fill a template.

    Args:
        template: its name, such as ``"sweep"``.
        **values: what its header says it shows.

    Raises:
        InvalidValueError: an address is none of `address`.
    """
    return _environment().get_template(f"{template}.html.j2").render(values)


def address(text: str) -> str:
    """An address as a page may hold it: http(s), relative, or a picture inside the page itself.

    Raises:
        InvalidValueError: it is another, such as ``javascript:``.

    >>> address("sheets/reach.png")
    'sheets/reach.png'
    """
    if not _ACCEPTED.fullmatch(text):
        raise InvalidValueError(
            f"{text[:60]!r} is no address that a page may hold; expected http:// or https://, a "
            "relative one without blanks, or a PNG or JPEG as data."
        )
    return text


def file_address(name: str) -> str:
    """The relative address of a file beside the page, whatever its name.

    >>> file_address("a b#1.png")
    'a%20b%231.png'
    """
    return quote(name)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("vlfeedback.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"address": address, "file_address": file_address}
    return environment
