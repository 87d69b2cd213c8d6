"""The HTML of the labelling page, with its style and script inside, and what browsers may do."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["PRIVATE", "render"]

PRIVATE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Whatever an instruction says, the page loads nothing from elsewhere.
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' data:; connect-src 'self'; "
        "style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    ),
}
"""Headers of every page."""


def render(page: str, **values: Any) -> str:
    """A page of ``templates/``, such as ``"label"``."""
    return _environment().get_template(f"{page}.html.j2").render(values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("vlfeedback.labelling_page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
