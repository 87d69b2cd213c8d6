"""Where a model is asked: the address of a server, and whether it is one's own."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

__all__ = ["OPENAI_URL", "address_of", "host_of", "is_own"]

OPENAI_URL = "https://api.openai.com/v1"
"""Root of the API where settings name none."""

_OWN_ENDINGS = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


def host_of(base_url: str) -> str:
    """The name of the server, lower case.

    >>> host_of(""), host_of("http://localhost:8000/v1")
    ('api.openai.com', 'localhost')
    """
    return urlsplit(base_url or OPENAI_URL).hostname or ""


def address_of(base_url: str) -> str:
    """The address without what must not be written down: a name and a key in front, a query.

    >>> address_of("https://me:secret@models.example:8443/v1?key=secret")
    'https://models.example:8443/v1'
    """
    parts = urlsplit(base_url or OPENAI_URL)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def is_own(base_url: str) -> bool:
    """Whether the server is on this machine or in a private network, where answers cost nothing.

    >>> is_own("http://localhost:11434/v1"), is_own("http://10.0.0.7:8000/v1"), is_own("")
    (True, True, False)
    >>> is_own("http://gpu-node:8000/v1")  # a name without a dot is nobody's on the internet
    True
    """
    host = host_of(base_url)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_OWN_ENDINGS)
    return address.is_private
