"""Serve the labelling page of a queue until it is stopped."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from vlfeedback.data.served_queues import serving
from vlfeedback.errors import BusyError, InvalidValueError
from vlfeedback.labelling_page.access import token_of_queue
from vlfeedback.labelling_page.app import make_app
from vlfeedback.optional import require

__all__ = ["Address", "serve"]

_ANYWHERE = frozenset({"0.0.0.0", "::"})


@dataclass(frozen=True, slots=True)
class Address:
    """Where a labelling page is.

    Attributes:
        host: that it listens on.
        port: likewise.
        token: that people have to bring; "": none.
    """

    host: str
    port: int
    token: str

    @property
    def url(self) -> str:
        """What to open in a browser of the same machine, or of one that reaches the host."""
        host = socket.gethostname() if self.host in _ANYWHERE else self.host
        host = f"[{host}]" if ":" in host else host
        query = f"?token={quote(self.token)}" if self.token else ""
        return f"http://{host}:{self.port}/{query}"

    @property
    def local_url(self) -> str:
        """What to open at the other end of the tunnel."""
        query = f"?token={quote(self.token)}" if self.token else ""
        return f"http://localhost:{self.port}/{query}"

    @property
    def tunnel(self) -> str:
        """The command that leads the port of another machine here."""
        host = "localhost" if self.host in _ANYWHERE else self.host
        return f"ssh -N -L {self.port}:{host}:{self.port} {socket.gethostname()}"

    @property
    def is_private(self) -> bool:
        """Whether only programs of this machine reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def serve(
    folder: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8021,
    token: str | None = None,
    announce: Callable[[Address], None] = lambda address: None,
) -> None:
    """Serve the queue in a folder, which is made where there is none, until Ctrl-C.

    Args:
        folder: of the queue.
        host: to listen on; the default is reached from this machine alone, and through tunnels.
        port: likewise; 0: any that is free.
        token: that people have to bring; None: a random one that the queue keeps; "": none.
        announce: called with the address once it can be opened.

    Raises:
        MissingExtraError: starlette or uvicorn is not installed.
        BusyError: the port is taken.
        InvalidValueError: there is no such host or port.
        WriteError: the folder cannot be made or written to.
        FileFormatError: the queue in it is damaged.
    """
    for module in ("starlette", "uvicorn"):
        require(module, extra="label-ui", needed_by="the labelling page")
    import uvicorn

    folder = Path(folder).expanduser()
    token = token_of_queue(folder) if token is None else token
    app = make_app(folder, token=token)
    with _listen(host, port) as listening, serving(folder):
        address = Address(host, listening.getsockname()[1], token)

        class Announces(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                announce(address)  # not before Ctrl-C is the server's: until then it may be lost

        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=2
        )
        Announces(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections from here on."""
    if not 0 <= port <= 65535:
        raise InvalidValueError(f"port={port}; expected 0 to 65535.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise InvalidValueError(
            f"host={host!r} is no address of this machine ({error}); expected one, such as "
            "127.0.0.1, or 0.0.0.0 for all of them."
        ) from error
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise _not_bound(host, port, error) from error
    return listening


def _not_bound(host: str, port: int, error: OSError) -> Exception:
    if error.errno == errno.EADDRINUSE:
        return BusyError(
            f"Port {port} of {host} is taken, perhaps by another labelling page; choose another, "
            f"such as port={port + 1 if port < 65535 else port - 1}, or any that is free: port=0."
        )
    if error.errno == errno.EACCES:
        return InvalidValueError(
            f"Port {port} of {host} may not be opened by this user; choose one above 1023, such as "
            "port=8021."
        )
    return InvalidValueError(
        f"host={host!r} cannot be listened on ({error}); expected an address of this machine, "
        "such as 127.0.0.1."
    )
