"""The gate that asks clients for their token, and ends all that runs for a revoked one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio

from kinora.actors.access.tokens import TokenBook
from kinora.actors.realtime.connection_manager import CloseCode
from kinora.actors.store.token_table import Role
from kinora.system import System
from kinora.web.access.first_message import FirstMessage
from kinora.web.access.rights import (
    MISSING,
    UNCHECKED,
    VIEW_ONLY,
    WRONG,
    Access,
    access_by,
    cookie_name,
    credential_of,
    is_push,
    may,
    needed_role,
)
from kinora.web.access.wrong_tokens import WrongTokens
from kinora.web.direct_answers import send_problem
from kinora.web.paths import REALTIME
from kinora.web.problems import STARTING, Problem

GOODBYE = {
    "type": "websocket.close",
    "code": CloseCode.NOT_ALLOWED,
    "reason": "The token was revoked: ask for a new one where the server runs.",
}
"""Closes the WebSocket of a revoked token."""
GOODBYE_S = 1.0
"""The time that a revoked client has to take the goodbye."""


class AccessGate:
    """An ASGI app in front of ``app``, which finds each client's :class:`Access` as ``scope["state"]["access"]``.

    All that runs for a token ends at once when it is revoked: a WebSocket with 1008, a request with 401, and an answer
    that has begun in its middle.
    """

    def __init__(self, app: Any, system: System, wrong_tokens: WrongTokens) -> None:
        self._app = app
        self._system = system
        self._book: TokenBook = system.tokens
        self._wrong_tokens = wrong_tokens

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
        elif not self._book.needed:
            await self._app(_with(scope, UNCHECKED), receive, send)
        else:
            await self._check(scope, receive, send)

    async def _check(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        needed, shown = needed_role(scope), credential_of(scope, cookie_name(self._book))
        access = None if shown is None else access_by(self._book, shown)
        if needed is None:
            await self._app(_with(scope, access), receive, send)
        elif not self._system.started.is_set():  # tokens are not known yet
            await send_problem(scope, send, STARTING)
        elif access is not None and may(access, needed):
            await self._run(access, scope, receive, send)
        elif shown is None and scope["type"] == "websocket" and (scope["path"] == REALTIME or is_push(scope)):
            await self._ask(needed, scope, receive, send)
        else:
            await send_problem(scope, send, await self._refusal(access, scope, shown is None))

    async def _refusal(self, access: Access | None, scope: Mapping[str, Any], missing: bool) -> Problem:
        if access is not None:
            return VIEW_ONLY
        return MISSING if missing else await self._wrong_tokens.refusal(scope)

    async def _ask(self, needed: Role, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """Let the client of a WebSocket show its token in its first message, as browsers cannot set headers."""
        asked = FirstMessage(receive, send)
        secret = await asked.secret(scope)
        if secret is None:
            return
        access = access_by(self._book, secret)
        if access is None:
            await asked.close((await self._wrong_tokens.refusal(scope)).detail)
        elif not may(access, needed):
            await asked.close(VIEW_ONLY.detail)
        else:
            await self._run(access, scope, asked.receive, asked.send)

    async def _run(self, access: Access, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        assert access.token is not None  # noqa: S101 - where a token is needed, access comes with one
        with self._book.using(access.token) as use:
            answer = _Revocable(scope, send, use)
            await self._app(_with(scope, access, use), receive, answer.send)
        if use.cancel_called:
            await answer.end()


def _with(scope: Mapping[str, Any], access: Access | None, use: trio.CancelScope | None = None) -> dict[str, Any]:
    return {**scope, "state": {**scope.get("state", {}), "access": access, "use": use}}


class _Revocable:
    """An answer that the gate can end once the app has been cancelled."""

    def __init__(self, scope: Mapping[str, Any], send: Any, use: trio.CancelScope) -> None:
        self._scope = scope
        self._send = send
        self._use = use
        self._begun = self._closed = False

    async def send(self, message: Mapping[str, Any]) -> None:
        """Pass on what the app sends; a goodbye after the revocation tells of that."""
        self._begun = True
        if message["type"] == "websocket.close":
            self._closed = True
            message = GOODBYE if self._use.cancel_called else message
        await self._send(message)

    async def end(self) -> None:
        """Say goodbye if there was none; the server cuts an answer that has begun."""
        with trio.move_on_after(GOODBYE_S):
            if not self._begun:
                await send_problem(self._scope, self._send, WRONG)
            elif self._scope["type"] == "websocket" and not self._closed:
                await self._send(GOODBYE)
