"""The bodies of requests: of bounded size, and read no faster than the handler takes them."""

from __future__ import annotations

from codecs import BOM_UTF8
from contextlib import AbstractContextManager, ExitStack
from http import HTTPStatus
from typing import Any, TypeVar, cast

import msgspec
import structlog
import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart import Request, request
from quart_trio.asgi import TrioASGIHTTPConnection
from quart_trio.wrappers import TrioRequest
from quart_trio.wrappers.request import TrioBody
from werkzeug.exceptions import RequestEntityTooLarge

from kinora.web.connection.connection import Connection
from kinora.web.problems import Problem, problem_of
from kinora.web.scopes import connection_of

log = structlog.get_logger()

_T = TypeVar("_T")

MAX_JSON_BYTES = 256 * 1024
"""A larger JSON body is refused with 413. It is decoded on the event loop, where nothing may take long."""
FORM_RESERVE_BYTES = MAX_JSON_BYTES + 64 * 1024
"""The size that an upload's body may have in addition to the file."""
BODY_HIGH_WATER = 1024 * 1024
"""Bytes of a body that may wait for the handler; when there are more, the client waits."""


class BoundedBody(TrioBody):
    """A request body that counts what it gets, and makes the sender wait while the handler does not read."""

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        super().__init__(expected_content_length, max_content_length)
        self._received = 0
        self._taken = trio.Event()
        self._connection: Connection | None = None

    def comes_from(self, connection: Connection | None) -> None:
        """Set the connection that it comes from, if that is one of ours."""
        self._connection = connection

    async def invite(self) -> None:
        """Have the client send the body, if it waits to be asked (``Expect: 100-continue``) and it is not too large."""
        if self._connection is not None and self._must_raise is None:
            await self._connection.invite_body()

    async def __anext__(self) -> bytes:
        """Return the next piece, and let the sender go on."""
        await self.invite()
        data = await super().__anext__()
        self._taken.set()
        if self._must_raise is not None:
            raise self._must_raise
        return data

    async def put(self, data: bytes) -> None:
        """Add a piece, then wait while too many bytes wait to be read. Beyond the limit everything is dropped."""
        self._received += len(data)
        if self._max_content_length is not None and self._received > self._max_content_length:
            self._must_raise = RequestEntityTooLarge()
            self._data.clear()
            self.set_complete()
        self.append(data)
        while len(self._data) > BODY_HIGH_WATER and self._must_raise is None:
            self._taken = trio.Event()
            await self._taken.wait()


class BoundedRequest(TrioRequest):
    """A request whose body is limited to ``MAX_JSON_BYTES``, except for an upload."""

    body_class = BoundedBody
    held: ExitStack
    """The resources that its answer needs; closed when the answer has ended, sent or not."""

    def __init__(self, *args: Any, max_content_length: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, max_content_length=MAX_JSON_BYTES, **kwargs)
        if self.mimetype == "multipart/form-data" and self.path == "/v1/jobs":
            self.body = BoundedBody(self.content_length, max_content_length)
        cast("BoundedBody", self.body).comes_from(connection_of(self.scope))
        self.held = ExitStack()


class BoundedConnection(TrioASGIHTTPConnection):
    """Receives a request's body no faster than the handler reads it, and closes what its answer held open."""

    async def handle_messages(  # type: ignore[override]  # Quart-Trio's own signature, which differs from Quart's
        self, nursery: trio.Nursery, request: Request, receive: ASGIReceiveCallable
    ) -> None:
        """Fill the body until the client has gone, then cancel the handler."""
        body = cast("BoundedBody", request.body)
        while (message := await receive())["type"] == "http.request":
            await body.put(message.get("body", b""))
            if not message.get("more_body", False):
                body.set_complete()
        nursery.cancel_scope.cancel()

    async def handle_request(  # type: ignore[override]  # as above
        self, nursery: trio.Nursery, request: Request, send: ASGISendCallable
    ) -> None:
        """Answer the request; the client may go at any time."""
        with cast("BoundedRequest", request).held:
            await super().handle_request(nursery, request, send)

    async def _send_response(self, send: ASGISendCallable, response: Any) -> None:
        """Send the answer; one that cannot be made to its end is broken off, so the client knows it is not whole."""
        try:
            await super()._send_response(send, response)
        except Exception as error:
            problem = problem_of(error)
            if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            log.warning("an answer has broken off", path=self.scope["path"], reason=problem.detail)


async def read_json() -> Any:
    """Return the decoded body of the current request.

    Raises:
        Problem: 400 if it is not valid JSON, 415 if its Content-Type is not application/json.
    """
    if request.mimetype != "application/json":
        raise Problem(415, "Send JSON and say so: Content-Type: application/json.")
    await cast("BoundedBody", request.body).invite()
    data = await request.get_data(cache=False, as_text=False, parse_form_data=False)
    return decode_json(bytes(data))


def decode_json(data: bytes) -> Any:
    """Decode ``data``, which may begin with a byte order mark, as PowerShell and Notepad write one.

    Raises:
        Problem: 400 if it is not valid JSON.
    """
    try:
        return msgspec.json.decode(data.removeprefix(BOM_UTF8))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, f"The request is not valid JSON: {error}.") from error


def hold_open(held: AbstractContextManager[_T]) -> _T:
    """Enter ``held``, such as a file, and leave it when the answer to the current request has ended, sent or not."""
    return cast("BoundedRequest", request).held.enter_context(held)
