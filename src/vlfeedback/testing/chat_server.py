"""A local HTTP server for OpenAI's chat completions, with scripted replies.

For tests of whatever asks a language model: no network, no model, no mocks.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["ChatServer", "Reply"]


@dataclass(frozen=True)
class Reply:
    """One HTTP answer.

    Attributes:
        text: what the model says, or the error's message if `status` is not 200.
        status: HTTP status.
        headers: further headers, such as ``{"retry-after": "1"}``.
        body: JSON to send in place of a chat completion or an error.
    """

    text: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None

    def to_json(self) -> Any:
        """The JSON that is sent."""
        if self.body is not None:
            return self.body
        if self.status != 200:
            return {"error": {"message": self.text, "type": "error", "code": None}}
        message = {"role": "assistant", "content": self.text}
        return {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "scripted",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        }


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # connections that wait for a thread: clients open many at once


class ChatServer:
    """Gives replies in order, then whatever `otherwise` makes of a request; a context manager.

    Attributes:
        url: root of its API, to be passed as ``base_url``.
        requests: the JSON of every request so far.
        keys: the API key of every request so far.

    >>> with ChatServer([Reply("hello")]) as server:
    ...     server.url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(
        self,
        replies: Iterable[Reply] = (),
        otherwise: Callable[[Any], Reply] = lambda request: Reply("no reply is left", 500),
    ) -> None:
        """Listen at a free port of this machine; nothing is answered before ``with``."""
        self.requests: list[Any] = []
        self.keys: list[str] = []
        scripted = iter(replies)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805
                request = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
                self.requests.append(request)
                self.keys.append(handler.headers["authorization"].removeprefix("Bearer "))
                reply = next(scripted, None) or otherwise(request)
                body = json.dumps(reply.to_json()).encode()
                handler.send_response(reply.status)
                headers = {"content-type": "application/json", "content-length": str(len(body))}
                for name, value in {**headers, **reply.headers}.items():
                    handler.send_header(name, value)
                handler.end_headers()
                handler.wfile.write(body)

            def log_message(handler, format: str, *values: Any) -> None:  # noqa: N805
                """Write nothing to the terminal."""

        self._http = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> ChatServer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
