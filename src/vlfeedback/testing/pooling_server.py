"""A local HTTP server for vLLM's pooling endpoint, with heads of your own.

For tests of whatever reads the scores of tokens: no network, no model, no mocks.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["PoolingServer"]


class PoolingServer:
    """Answers ``POST /pooling`` with what `heads` makes of a request; a context manager.

    Any other path is answered with 404, and a task other than ``token_classify`` with 400.

    Args:
        heads: from a request's JSON to a row of numbers for each pooled token; or to a status and
            a message, for an answer that is an error.

    Attributes:
        url: root of the server, to be passed as ``base_url``.
        requests: the JSON of every request so far.
        keys: the API key of every request so far.

    >>> with PoolingServer(lambda request: [[0.0, 1.0]]) as server:
    ...     server.url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(self, heads: Callable[[Any], list[list[float]] | tuple[int, str]]) -> None:
        self.requests: list[Any] = []
        self.keys: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805
                request = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
                self.requests.append(request)
                self.keys.append(handler.headers["authorization"].removeprefix("Bearer "))
                status, answer = _answer(handler.path, request, heads)
                body = json.dumps(answer).encode()
                handler.send_response(status)
                handler.send_header("content-type", "application/json")
                handler.send_header("content-length", str(len(body)))
                handler.send_header("retry-after-ms", "1")
                handler.end_headers()
                handler.wfile.write(body)

            def log_message(handler, format: str, *values: Any) -> None:  # noqa: N805
                """Write nothing to the terminal."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> PoolingServer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def _answer(
    path: str, request: Any, heads: Callable[[Any], list[list[float]] | tuple[int, str]]
) -> tuple[int, Any]:
    """Status and JSON, as vLLM words them."""
    if path != "/pooling":
        return 404, {"error": {"message": "Not Found"}}
    if request["task"] != "token_classify":
        return 400, {"error": {"message": f"Unsupported task: {request['task']!r}"}}
    rows = heads(request)
    if isinstance(rows, tuple):
        return rows[0], {"error": {"message": rows[1]}}
    data = {"index": 0, "object": "pooling", "data": rows}
    return 200, {"id": "1", "object": "list", "model": request["model"], "data": [data]}
