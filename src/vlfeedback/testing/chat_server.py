"""A local HTTP server for OpenAI's chat completions, with scripted replies.

For tests of whatever asks a language model: no network, no model, no mocks. It plays six servers,
with their particulars, and whatever goes wrong with them::

    faults = Faults({Fault.BUSY: 0.1, Fault.DROPPED: 0.05})
    with ChatServer(otherwise=lambda request: Reply("1"), dialect="vllm", faults=faults) as server:
        labeller = make_preference_source("my-labeller", base_url=server.url, model="any")
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from vlfeedback.testing.chat_dialects import CHAT_DIALECTS, ChatDialect
from vlfeedback.testing.chat_faults import Fault, Faults
from vlfeedback.testing.chat_http import ChatHTTP
from vlfeedback.testing.chat_replies import Reply

__all__ = ["CHAT_DIALECTS", "ChatDialect", "ChatServer", "Fault", "Faults", "Reply", "question_in"]


def question_in(request: Mapping[str, Any]) -> str:
    """What the user said last, with a digest in square brackets in each picture's place.

    >>> question_in({"messages": [{"role": "user", "content": "Which is better?"}]})
    'Which is better?'
    """
    content = request["messages"][-1]["content"]
    if isinstance(content, str):
        return content
    return " ".join(
        part["text"]
        if part["type"] == "text"
        else f"[{hashlib.sha256(part['image_url']['url'].encode()).hexdigest()[:8]}]"
        for part in content
    )


class ChatServer:
    """Gives replies in order, then whatever `otherwise` makes of a request; a context manager.

    What the dialect refuses is refused before that, and takes no reply.

    Args:
        replies: in their order, without faults.
        otherwise: makes a reply of the JSON of a request; called by several threads at a time.
        dialect: the server that it plays, by name, or one of your own.
        faults: of what `otherwise` says; None has none.
        latency_s: that every reply takes, in seconds.
        port: 0 takes a free one.

    Attributes:
        url: root of its API, to be passed as ``base_url``.
        requests: the JSON of every request so far, refused ones too.
        keys: the API key of every request so far.
        asked: how often each question came that was not refused, by `question_in`.
        answered: how often a whole answer was sent to it.
        most_in_flight: requests at a time, so far.

    >>> with ChatServer([Reply("hello")]) as server:
    ...     server.url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(
        self,
        replies: Iterable[Reply] = (),
        otherwise: Callable[[Any], Reply] = lambda request: Reply("no reply is left", 500),
        *,
        dialect: str | ChatDialect = "plain",
        faults: Faults | None = None,
        latency_s: float = 0.0,
        port: int = 0,
    ) -> None:
        """Listen at a port of this machine; nothing is answered before ``with``."""
        self.requests: list[Any] = []
        self.keys: list[str] = []
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self._n_promised = 0  # answers on their way or sent: what a quota counts
        self.most_in_flight = 0
        self.dialect = CHAT_DIALECTS[dialect] if isinstance(dialect, str) else dialect
        self.latency_s = latency_s
        self._scripted = iter(replies)
        self._otherwise = otherwise
        self._faults = faults or Faults()
        self._in_flight = 0
        self._lock = threading.Lock()
        self._http = ChatHTTP(self, port)
        serve = self._http.serve_forever
        self._thread = threading.Thread(target=serve, args=(0.01,), daemon=True)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    @property
    def n_connections(self) -> int:
        """Connections that were opened so far."""
        return self._http.n_connections

    def __enter__(self) -> ChatServer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def reply(self, request: Any, key: str) -> Reply:
        """The reply to a request, which is noted."""
        question = question_in(request)
        with self._lock:
            self.requests.append(request)
            self.keys.append(key)
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
            refusal = self.dialect.refusal(request)
            if refusal is not None:
                return refusal
            times = self.asked[question]
            self.asked[question] += 1
            scripted = next(self._scripted, None)
        return scripted or self._spoilt(request, question, times)

    def sent(self, request: Any, reply: Reply) -> None:
        """Note that a reply was sent."""
        with self._lock:
            self._in_flight -= 1
            if reply.is_answer:
                self.answered[question_in(request)] += 1

    def _spoilt(self, request: Any, question: str, times: int) -> Reply:
        faults = self._faults
        if faults.quota is not None and self._n_promised >= faults.quota:
            return faults.no_quota()
        reply = self._otherwise(request)
        for fault in (faults.lasting(question), faults.passing(question, times)):
            reply = reply if fault is None else faults.spoil(reply, fault)
        if reply.is_answer:
            with self._lock:
                self._n_promised += 1
        return reply
