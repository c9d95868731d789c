"""The guard that lets in only this machine's own clients and the server's own pages.

A page of another site, opened in the user's browser, can reach a server on loopback. Its requests show a foreign
``Host`` (DNS rebinding), ``Origin`` or ``Sec-Fetch-Site``. All three are checked, on WebSocket upgrades too. Where an
old browser sends neither of the last two, ``Referer`` is checked for calls that change something.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from kinora.web.direct_answers import send_answer, send_problem
from kinora.web.paths import UI_PAGES
from kinora.web.problems import Problem, plain_problem
from kinora.web.scopes import host_name, is_loopback

WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "POST")
"""The methods that any address of this server supports."""
MEDIA_TYPES = frozenset({"application/json", "multipart/form-data"})
"""The types that a writing call may send. A page of another site cannot send JSON without a preflight request."""
NAVIGABLE = frozenset({*UI_PAGES, "/login"})
"""The addresses that a link on another site may open: they hold no data."""
_Scope = Any
_App = Callable[[_Scope, Any, Any], Awaitable[None]]


def refusal(scope: Mapping[str, Any], allowed_hosts: frozenset[str], *, any_address: bool = False) -> Problem | None:
    """The refusal of the request in this ASGI scope; None if it may pass.

    With ``any_address`` every IP address is a name of this server, as DNS rebinding needs a name of another kind.
    """
    headers = _headers(scope)
    host = headers.get("host", "").lower().removesuffix(":")  # an empty port is none, see RFC 3986 §3.2.3
    if not _is_own_host(host, allowed_hosts, any_address=any_address):
        use = "its address" if any_address else "127.0.0.1"
        return Problem(403, f"Host {host!r} is not a name of this server: use {use}, or add the name to allowed_hosts.")
    origin = headers.get("origin")
    if origin is not None and origin.lower() not in {f"http://{host}", f"https://{host}"}:
        return Problem(403, f"A page from {origin!r} may not use this server: open the server's own page.")
    if headers.get("sec-fetch-site", "none") not in {"same-origin", "none"} and not _opens_page(scope, headers):
        return Problem(403, "A page from another site may not use this server: open the server's own page.")
    method = scope.get("method", "GET")
    if method in WRITING and _comes_from_foreign_page(headers, host):
        return Problem(403, "A link or form of another site may not use this server: open the server's own page.")
    return _bad_media_type(method, headers)


def _headers(scope: Mapping[str, Any]) -> dict[str, str]:
    """The headers by name; a repeated header has all its values, so that none can hide."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _is_own_host(host: str, allowed_hosts: frozenset[str], *, any_address: bool) -> bool:
    name = host_name(host)
    if name is None:
        return False
    return is_loopback(name) or name in allowed_hosts or (any_address and _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _opens_page(scope: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    return (
        scope.get("method") == "GET"
        and scope["path"] in NAVIGABLE
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )


def _comes_from_foreign_page(headers: Mapping[str, str], host: str) -> bool:
    """True if an old browser, which sends neither ``Origin`` nor ``Sec-Fetch-Site``, names a page of another site."""
    if not {"origin", "sec-fetch-site"}.isdisjoint(headers) or "referer" not in headers:
        return False
    scheme, _, rest = headers["referer"].lower().partition("://")
    return scheme not in {"http", "https"} or re.split(r"[/?#]", rest, maxsplit=1)[0].removesuffix(":") != host


def _bad_media_type(method: str, headers: Mapping[str, str]) -> Problem | None:
    if method not in WRITING:
        return None
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in MEDIA_TYPES or (not media_type and not has_body):
        return None
    return Problem(415, "Send application/json, or multipart/form-data for an upload, and name it in Content-Type.")


class Guard:
    """An ASGI app in front of another; it answers requests that ``refusal`` rejects without reading their bodies."""

    def __init__(self, app: _App, allowed_hosts: Iterable[str], *, any_address: bool = False) -> None:
        self._app = app
        self._allowed_hosts = frozenset(host.lower() for host in allowed_hosts)
        self._any_address = any_address

    async def __call__(self, scope: _Scope, receive: Any, send: Any) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] in {"http", "websocket"}:
            problem = _bad_target(scope) or refusal(scope, self._allowed_hosts, any_address=self._any_address)
            if problem is not None:
                await send_problem(scope, send, problem)
                return
        await self._app(scope, receive, send)


class ServerOptions:
    """An ASGI app in front of another; it answers what asks about the server as a whole."""

    def __init__(self, app: _App) -> None:
        self._app = app

    async def __call__(self, scope: _Scope, receive: Any, send: Any) -> None:
        """Answer ``OPTIONS *``, and pass everything else on."""
        if scope["type"] == "http" and _asks_for_server_options(scope):
            await send_answer(scope, send, 204, {"allow": ", ".join(METHODS)}, b"")
        else:
            await self._app(scope, receive, send)


def _asks_for_server_options(scope: Mapping[str, Any]) -> bool:
    """True for ``OPTIONS *``, which asks about the server as a whole."""
    return scope["path"] == "*" and scope.get("method") == "OPTIONS"


def _bad_target(scope: Mapping[str, Any]) -> Problem | None:
    if "\x00" in scope["path"]:
        return Problem(400, "The request's target has a NUL (%00), which no address here has: leave it out.")
    if scope["path"].startswith("//"):  # Werkzeug would take it for the address with one slash
        return plain_problem(404)
    if scope["path"].startswith("/") or _asks_for_server_options(scope):
        return None
    return Problem(400, "The request's target must be a path that starts with a slash.")
