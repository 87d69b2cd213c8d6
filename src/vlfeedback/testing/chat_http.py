"""The HTTP of a `ChatServer`: it reads requests, sends replies, and breaks off where it is told."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, runtime_checkable

from vlfeedback.testing.chat_dialects import ChatDialect
from vlfeedback.testing.chat_replies import Reply

__all__ = ["ChatHTTP", "Replies"]


@runtime_checkable
class Replies(Protocol):
    """What replies, and takes note.

    Attributes:
        dialect: that replies are sent in.
        latency_s: that every reply takes, in seconds.
    """

    dialect: ChatDialect
    latency_s: float

    def reply(self, request: Any, key: str) -> Reply:
        """The reply to a request.

        Args:
            request: its JSON.
            key: the API key that came with it.
        """

    def sent(self, request: Any, reply: Reply) -> None:
        """Note that a reply was sent, or was to be."""


class ChatHTTP(ThreadingHTTPServer):
    """Listens at a port of this machine, 0 a free one; a thread for each connection, which stays.

    Attributes:
        replies: what replies.
        n_connections: that were opened so far.
    """

    request_queue_size = 128  # connections that may be opened at once

    def __init__(self, replies: Replies, port: int = 0) -> None:
        self.replies = replies
        self.n_connections = 0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def opened(self, connection: socket.socket) -> None:
        """Note a connection."""
        with self._lock:
            self.n_connections += 1
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """Note its end."""
        with self._lock:
            self._open.discard(connection)

    def server_close(self) -> None:
        """End the connections that are left, too."""
        super().server_close()
        with self._lock:
            for connection in self._open:
                _end(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that are gone."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits for the client's acknowledgement
    server: ChatHTTP

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        self.server.closed(self.connection)
        super().finish()

    def do_GET(self) -> None:
        """The list of models, of which there is one."""
        model = {"id": "scripted", "object": "model", "owned_by": self.server.replies.dialect.owner}
        self._send(200, {}, json.dumps({"object": "list", "data": [model]}).encode())

    def do_POST(self) -> None:
        replies = self.server.replies
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        key = self.headers.get("authorization", "").removeprefix("Bearer ")
        reply = replies.reply(request, key)
        try:
            time.sleep(replies.latency_s + reply.delay_s)
            if reply.broken == "dropped":
                self.close_connection = True
                _end(self.connection)
                return
            body = json.dumps(replies.dialect.to_json(reply, request)).encode()
            if reply.broken == "truncated":
                body = body[: len(body) // 2]
            self._send(reply.status, reply.headers, body)
        finally:
            replies.sent(request, reply)

    def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        usual = {"content-type": "application/json", "content-length": str(len(body))}
        for name, value in {**usual, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: Any) -> None:
        """Write nothing to the terminal."""


def _end(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was faster
