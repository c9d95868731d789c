"""Watches all requests from outside the app: counts them, measures their time, and writes the access log."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any

import trio

from kinora.web.access.rights import Access
from kinora.web.middleware.access_log import AccessLog, AnsweredRequest
from kinora.web.middleware.http_figures import CLIENT_GONE, FAILED, OTHER, HttpFigures, template_of
from kinora.web.paths import REALTIME
from kinora.web.scopes import client_address

WATCHED = "kinora.watched"
"""The entry of a request's scope with its :class:`Watched`."""
_STARTS = frozenset({"http.response.start", "websocket.http.response.start"})
_BODIES = frozenset({"http.response.body", "websocket.http.response.body"})
_WAITED = b"preference-applied"
_SWITCHING, _FORBIDDEN = 101, 403


class RequestWatch:
    """An ASGI app around another; it stands before those that refuse requests, so that these count as well."""

    def __init__(self, app: Any, figures: HttpFigures, log: AccessLog | None) -> None:
        self._app = app
        self._figures = figures
        self._log = log

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass one request on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        watched = Watched(scope, send, self._figures)
        self._figures.in_progress += 1
        try:
            scope[WATCHED] = watched  # no copy: it would stay for as long as a WebSocket does
            await self._app(scope, receive, watched.send)
        except trio.Cancelled:
            raise
        except BaseException:
            watched.note_status(FAILED)
            raise
        finally:
            self._figures.in_progress -= 1
            watched.note_status(CLIENT_GONE)
            if self._log is not None:
                self._log.write(watched.summary())


class Watched:
    """One request and its answer."""

    def __init__(self, scope: Any, send: Any, figures: HttpFigures) -> None:
        self.status = 0
        """0 until the answer begins."""
        self._route = REALTIME if scope["path"] == REALTIME else OTHER
        self._token_name: str | None = None
        self._bytes = 0
        self._scope = scope
        self._send = send
        self._figures = figures
        self._began = perf_counter()

    def reached(self, rule: str | None, access: Access | None) -> None:
        """Note the app's rule for the request, if it has one, and by which access it was let in."""
        if rule is not None:
            self._route = template_of(rule)
        if access is not None and access.token is not None:
            self._token_name = access.token.name

    def note_status(self, status: int, seconds: float | None = None) -> None:
        """Count the request, unless its answer has begun before; ``seconds`` as for :meth:`HttpFigures.add`."""
        if not self.status:
            self.status = status
            self._figures.add(self._scope.get("method", "GET"), self._route, status, seconds)

    async def send(self, event: Mapping[str, Any]) -> None:
        """Pass on a part of the answer."""
        if not self.status and (status := _status_of(event)):
            waited = any(name == _WAITED for name, _ in event.get("headers", ()))
            self.note_status(status, None if waited else perf_counter() - self._began)
        if event["type"] in _BODIES:
            self._bytes += len(event.get("body", b""))
        await self._send(event)

    def summary(self) -> AnsweredRequest:
        """The request, once it has ended."""
        return AnsweredRequest(
            method=self._scope.get("method", "GET"),
            path=self._scope["path"],
            status=self.status,
            bytes=self._bytes,
            seconds=perf_counter() - self._began,
            client=client_address(self._scope),
            token_name=self._token_name,
        )


def _status_of(event: Mapping[str, Any]) -> int | None:
    """The status that the event begins an answer with; None if it does not begin one."""
    kind = event["type"]
    if kind in _STARTS:
        status: int = event["status"]
        return status
    if kind == "websocket.accept":
        return _SWITCHING
    return _FORBIDDEN if kind == "websocket.close" else None
