"""The server of the labelling page: one page, the clips, and four questions that the page asks.

- ``POST api/next``: the pair to compare now; asked again while a person is at it, it stays theirs;
- ``POST api/answer`` with ``{"pair", "said", "seconds"}``: what the person says;
- ``POST api/undo``: the last answer is taken back;
- ``POST api/name`` with ``{"name"}``: what the person is called.

All reply with what the page shows then. Programs may ask the same, as tests do.
"""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlfeedback.data.annotators import Annotators, ShownPair
from vlfeedback.data.label_queue import LabelQueue
from vlfeedback.data.queued_clips import QueuedClip
from vlfeedback.errors import InvalidValueError, VLFeedbackError
from vlfeedback.labelling_page.access import TokenRequired
from vlfeedback.labelling_page.pages import PRIVATE, render
from vlfeedback.optional import require

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["make_app"]

_PERSON = "vlfeedback-person"  # the cookie that tells people apart
_YEAR_S = 365 * 24 * 3600
_SECRET = re.compile(r"[\w-]{8,64}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{32}")
_LARGEST = 2**63 - 1  # number that SQLite holds
_CLIPS = {"Cache-Control": "private, max-age=31536000, immutable"}  # a digest's file never changes


def make_app(folder: str | Path, *, token: str = "") -> Starlette:
    """The application, for uvicorn or any other ASGI server.

    Args:
        folder: of the queue; it is made where there is none.
        token: that people have to bring; "": anybody who can reach the server may label.

    Raises:
        MissingExtraError: starlette is not installed.
        WriteError: the folder cannot be made or written to.
        FileFormatError: the queue in it is damaged.
    """
    require("starlette", extra="label-ui", needed_by="the labelling page")
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.routing import Route

    page = _Page(LabelQueue(folder))
    return Starlette(
        routes=[
            Route("/", page.show),
            Route("/clips/{digest}.png", page.clip),
            Route("/api/next", page.reply_to(page.next_pair), methods=["POST"]),
            Route("/api/answer", page.reply_to(page.answer), methods=["POST"]),
            Route("/api/undo", page.reply_to(page.undo), methods=["POST"]),
            Route("/api/name", page.reply_to(page.rename), methods=["POST"]),
        ],
        middleware=[Middleware(TokenRequired, token=token)] if token else [],
    )


Ask = Callable[[str, dict[str, Any]], dict[str, Any]]
"""What one question does for a person, from the body of the request to more of the reply."""


class _Page:
    def __init__(self, queue: LabelQueue) -> None:
        self.queue = queue
        self.annotators = Annotators(queue)

    async def show(self, request: Request) -> Response:
        from starlette.responses import HTMLResponse

        response = HTMLResponse(render("label"), headers=PRIVATE)
        if _secret_of(request) is None:
            response.set_cookie(
                _PERSON, secrets.token_urlsafe(16), max_age=_YEAR_S, httponly=True, samesite="lax"
            )
        return response

    async def clip(self, request: Request) -> Response:
        from starlette.responses import FileResponse, PlainTextResponse

        digest = request.path_params["digest"]
        path = self.queue.clip_path(digest)
        if not _DIGEST.fullmatch(digest) or not path.is_file():
            return PlainTextResponse(f"The queue has no clip {digest}.", status_code=404)
        return FileResponse(path, media_type="image/png", headers=_CLIPS)

    def reply_to(self, ask: Ask) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint of a question: reads what was sent, asks in a thread, and replies."""

        async def endpoint(request: Request) -> Response:
            from starlette.concurrency import run_in_threadpool
            from starlette.responses import JSONResponse

            def refused(status: int, problem: str) -> Response:
                return JSONResponse({"problem": problem}, status_code=status, headers=PRIVATE)

            secret = _secret_of(request)
            if secret is None:
                return refused(403, "The page was not opened yet, or cookies are off; reload it.")
            # Pages of others cannot send JSON here unless the browser asks first, and is refused.
            if request.headers.get("content-type", "").partition(";")[0] != "application/json":
                return refused(415, "Expected a JSON object, sent as application/json.")
            try:
                body = json.loads(await request.body() or b"{}")
                if not isinstance(body, dict):
                    raise InvalidValueError(f"{body!r} was sent; expected a JSON object.")
                reply = await run_in_threadpool(self._ask, ask, secret, body)
            except (VLFeedbackError, ValueError, RecursionError) as error:
                return refused(400, str(error))
            except OSError as error:
                return refused(503, str(error))
            return JSONResponse(reply, headers=PRIVATE)

        return endpoint

    def next_pair(self, secret: str, body: dict[str, Any]) -> dict[str, Any]:
        return {}

    def answer(self, secret: str, body: dict[str, Any]) -> dict[str, Any]:
        pair, said, seconds = body.get("pair"), body.get("said"), body.get("seconds", 0)
        if not isinstance(pair, int) or not 0 <= pair <= _LARGEST:
            raise InvalidValueError(f"pair={pair!r}; expected the number of a pair.")
        if not isinstance(said, str):
            raise InvalidValueError(f"said={said!r}; expected a text.")
        if not isinstance(seconds, int | float) or not math.isfinite(seconds):
            raise InvalidValueError(f"seconds={seconds!r}; expected a number.")
        return {"counted": self.annotators.answer(secret, pair, said, seconds)}

    def undo(self, secret: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"undone": self.annotators.undo(secret) is not None}

    def rename(self, secret: str, body: dict[str, Any]) -> dict[str, Any]:
        name = body.get("name")
        if not isinstance(name, str):
            raise InvalidValueError(f"name={name!r}; expected a text.")
        return {"name": self.annotators.rename(secret, name)}

    def _ask(self, ask: Ask, secret: str, body: dict[str, Any]) -> dict[str, Any]:
        more = ask(secret, body)
        pair = self.annotators.next_pair(secret)
        return {
            "name": self.annotators.name_of(secret),
            "pair": None if pair is None else _as_json(pair),
            "progress": asdict(self.annotators.progress(secret)),
            **more,
        }


def _secret_of(request: Request) -> str | None:
    secret = request.cookies.get(_PERSON, "")
    return secret if _SECRET.fullmatch(secret) else None


def _as_json(pair: ShownPair) -> dict[str, Any]:
    return {
        "number": pair.number,
        "instruction": pair.instruction,
        "left": _clip_as_json(pair.left),
        "right": _clip_as_json(pair.right),
    }


def _clip_as_json(clip: QueuedClip) -> dict[str, Any]:
    return {
        "sheet": f"clips/{clip.digest}.png",
        "pictures": clip.pictures,
        "columns": clip.columns,
        "width": clip.width,
        "height": clip.height,
    }
