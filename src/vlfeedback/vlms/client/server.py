"""One model of one server, as OpenAI's library reaches it. Nothing is asked twice here."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from vlfeedback.errors import NeedsError
from vlfeedback.optional import require
from vlfeedback.vlms.client.abilities import Feature
from vlfeedback.vlms.client.api_key import APIKey
from vlfeedback.vlms.client.dialects import dialect_at, dialect_named
from vlfeedback.vlms.client.problems import Asked, Problem
from vlfeedback.vlms.client.server_errors import no_completion, no_connection, problem_of
from vlfeedback.vlms.servers import OPENAI_URL, address_of
from vlfeedback.vlms.settings import VLMSettings

__all__ = ["Server"]

_CONNECT_S = 10.0  # longest time to connect in; our choice
_NOT_REACHED = ("ConnectError", "ConnectTimeout", "UnsupportedProtocol")  # of httpx and httpx2


class Server:
    """Whom questions go to; knows the address and the key.

    Attributes:
        address: root of its API, without a password.
        model: its name there.
    """

    def __init__(self, settings: VLMSettings) -> None:
        """Prepare to ask; nothing is sent yet.

        Raises:
            MissingExtraError: the extra ``vlm`` is not installed.
            NeedsError: no model is named, the address is none, or the server wants an API key and
                there is none in the environment.
            UnknownNameError: there is no such dialect.
        """
        needed_by = f"asking the model {settings.model!r}"
        self._openai: Any = require("openai", extra="vlm", needed_by=needed_by)
        self._timeout_s = settings.timeout_s
        self._url = settings.base_url or OPENAI_URL
        self._client: Any = None
        self._of_other_processes: list[Any] = []
        self.model = settings.model
        _check_address(self._url)
        self.address = address_of(self._url)
        named = None if settings.dialect == "auto" else dialect_named(settings.dialect)
        here = dialect_at(self._url)
        own = named or here
        self._key = APIKey(own.key_variable if own else "")
        if not self.model:
            raise NeedsError(
                "No model is named; pass model='its name', and base_url='the root of its API' "
                "where that is not OpenAI's."
            )
        if not self._key and here is not None and here.key_variable:
            raise NeedsError(
                f"{self.address} wants an API key; put it into the environment variable "
                f"{self._key.variable}, or name another server with base_url."
            )

    def open(self) -> None:
        """Make what keeps the connections; they belong to the event loop that runs."""
        if self._client is not None:  # of the process that this one was forked from: it closes it
            self._of_other_processes.append(self._client)
        timeout = self._openai.Timeout(self._timeout_s, connect=min(self._timeout_s, _CONNECT_S))
        self._client = self._openai.AsyncOpenAI(
            api_key=self._key.reveal(), base_url=self._url, timeout=timeout, max_retries=0
        )

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def ask(self, request: dict[str, Any], features: frozenset[Feature]) -> Any | Problem:
        """Send one request.

        Args:
            request: the JSON of a chat completion's request.
            features: what it uses.

        Returns:
            The JSON that came with status 200, or what came in its place.
        """
        asked = Asked(self.address, self.model, self._key, features)
        more = {name: value for name, value in request.items() if name not in _OWN_ARGUMENTS}
        create = self._client.chat.completions.with_raw_response.create
        try:
            # What is not of every version of the library goes beside its arguments.
            response = await create(
                model=request["model"], messages=request["messages"], extra_body=more
            )
            body = response.http_response.text
        except self._openai.APIStatusError as error:
            headers = {name.lower(): value for name, value in error.response.headers.items()}
            return problem_of(error.status_code, headers, error.response.text, asked)
        except self._openai.APITimeoutError as error:
            reached = type(error.__cause__).__name__ not in _NOT_REACHED
            seconds = self._timeout_s if reached else min(self._timeout_s, _CONNECT_S)
            return no_connection(f"no answer in {seconds:g} s", asked, reached=reached)
        except self._openai.APIConnectionError as error:
            cause = error.__cause__ or error
            reached = type(cause).__name__ not in _NOT_REACHED
            return no_connection(str(cause) or type(cause).__name__, asked, reached=reached)
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            return no_completion(str(error), asked)

    def no_completion(self, body: Any) -> Problem:
        """What to say of JSON that came with status 200 and is no chat completion."""
        said = json.dumps(body, ensure_ascii=False)[:200]
        return no_completion(said, Asked(self.address, self.model, self._key))

    async def owner(self) -> str:
        """What the server's list of models says in ``owned_by``; "" where it does not say."""
        try:
            response = await self._client.models.with_raw_response.list()
            models = json.loads(response.http_response.text)["data"]
            return str(models[0]["owned_by"])
        except (self._openai.OpenAIError, ValueError, LookupError, TypeError):
            return ""  # whatever is wrong, a question will tell


_OWN_ARGUMENTS = ("model", "messages")


def _check_address(url: str) -> None:
    """Refuse what is no address.

    Raises:
        NeedsError: it is none.
    """
    try:
        parts = urlsplit(url)
        is_address = bool(parts.hostname) and parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise NeedsError(
            f"base_url is {url!r}; expected the root of an API, such as http://localhost:8000/v1"
        )
