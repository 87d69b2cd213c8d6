"""Who may label: whoever knows the queue's token, from the address that was printed, then a cookie.

The token stays with the queue, so that pages which are open go on when the server starts again.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from vlfeedback.data.whole_files import partial_path
from vlfeedback.data.writable import check_writable
from vlfeedback.labelling_page.pages import PRIVATE, render

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["TokenRequired", "token_of_queue"]

_FILE = "token"
_BYTES = 18  # of a random token: 24 characters in an address
_COOKIE_S = 30 * 24 * 3600


def token_of_queue(folder: str | Path) -> str:
    """The token of the queue in a folder: a random one, made once, that only its owner may read.

    Raises:
        WriteError: the folder cannot be made or written to.
    """
    folder = Path(folder).expanduser()
    check_writable(folder, folder=True)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _FILE
    if not path.exists():
        partial = partial_path(path)
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(_BYTES))
            with contextlib.suppress(FileExistsError):  # another server was quicker
                os.link(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    return path.read_text(encoding="ascii").strip()


class TokenRequired:
    """Lets requests through that bring the token, as ``?token=`` or as the cookie that this sets.

    Args:
        app: that is asked then.
        token: what they have to bring; not empty.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app = app
        self._token = token.encode()
        # Browsers send cookies to all ports of a machine: each queue has a name of its own.
        self._cookie = f"vlfeedback-{sha256(self._token).hexdigest()[:8]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        from starlette.requests import Request
        from starlette.responses import HTMLResponse, RedirectResponse

        request = Request(scope)
        told = request.query_params.get("token")
        if told is None and self._is_right(request.cookies.get(self._cookie, "")):
            await self.app(scope, receive, send)
        elif told is not None and self._is_right(told):
            # The address without the token: it stays out of histories and of screens that are seen.
            welcome = RedirectResponse("./", status_code=303, headers=PRIVATE)
            welcome.set_cookie(self._cookie, told, max_age=_COOKIE_S, httponly=True, samesite="lax")
            await welcome(scope, receive, send)
        else:
            page = render("refused", was_told=told is not None)
            await HTMLResponse(page, status_code=403, headers=PRIVATE)(scope, receive, send)

    def _is_right(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(errors="replace"), self._token)
