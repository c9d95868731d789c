"""What a reverse proxy tells of the client that it stands for, and the path under which it shows this server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import attrs

from kinora.web.direct_answers import send_answer
from kinora.web.scopes import client_address, header_values, is_secure

MAX_HOPS = 20
"""The most proxies in a row that are looked at; what stands before them is not believed."""
_WEBSOCKET = {"http": "ws", "https": "wss"}
_DEFAULT_PORT = {"http": ":80", "https": ":443"}
_ELEMENT = re.compile(r'(?:[^,"]|"[^"]*")+')
_PAIR = re.compile(r'(?<![A-Za-z])([A-Za-z]++)=("[^"]*"|[^;"]*)')  # looks at each letter once, whatever a client wrote
_WITH_PORT = re.compile(r"\[([^\]]*)\](?::\w+)?|([^:]*)(?::\w+)?")
_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network
_Scope = Mapping[str, Any]


@attrs.frozen
class Told:
    """What the headers of a request say about it."""

    addresses: Sequence[str] = ()
    """The client, then each proxy but the last, as the next one saw them; whatever a client wrote comes first."""
    scheme: str | None = None
    host: str | None = None


def as_told(scope: _Scope, trusted: Iterable[_Network]) -> _Scope:
    """The request as the first trusted proxy got it: its ``client``, ``scheme`` and ``Host``.

    Without a trusted proxy in front it stays as it is, whatever its headers say.
    """
    peer = _address(client_address(scope))
    if peer is None or not _is_trusted(peer, trusted):
        return scope
    told, headers = _told(scope), list(scope["headers"])
    client = _first_untrusted(told.addresses, trusted, peer)
    scheme = told.scheme or ("https" if is_secure(scope) else "http")
    host = told.host or next(iter(header_values(scope, b"host")), None)
    if host is not None:
        host = host.removesuffix(_DEFAULT_PORT[scheme])  # browsers leave it out of Origin
        headers = [(b"host", host.encode("latin-1")), *(header for header in headers if header[0] != b"host")]
    return {
        **scope,
        "client": scope["client"] if client == peer else (str(client), 0),
        "scheme": _WEBSOCKET[scheme] if scope["type"] == "websocket" else scheme,
        "headers": headers,
    }


def _told(scope: _Scope) -> Told:
    """``X-Forwarded-*`` if there is one: a proxy that sets these may pass on the client's own ``Forwarded``."""
    addresses, schemes, hosts = (_listed(scope, b"x-forwarded-" + name) for name in (b"for", b"proto", b"host"))
    if addresses or schemes or hosts:
        return Told(addresses, _scheme(schemes[-1:]), next(iter(hosts[-1:]), None))
    return _told_by_standard(",".join(header_values(scope, b"forwarded")))


def _listed(scope: _Scope, name: bytes) -> list[str]:
    """The parts of a header that is a list."""
    return [part.strip() for part in ",".join(header_values(scope, name)).split(",") if part.strip()]


def _told_by_standard(text: str) -> Told:
    """What ``Forwarded`` says, see RFC 7239."""
    hops = [
        {name.lower(): value.strip('"') for name, value in _PAIR.findall(element)} for element in _ELEMENT.findall(text)
    ]
    last = hops[-1] if hops else {}
    return Told([hop.get("for", "") for hop in hops], _scheme([last.get("proto", "")]), last.get("host"))


def _scheme(found: Sequence[str]) -> str | None:
    return next((text.lower() for text in found if text.lower() in _DEFAULT_PORT), None)


def _first_untrusted(addresses: Sequence[str], trusted: Iterable[_Network], peer: _Address) -> _Address:
    """The client: going back from ``peer``, the first address that is no trusted proxy, or the last that is one."""
    found = peer
    for text in list(reversed(addresses))[:MAX_HOPS]:
        address = _address(text)
        if address is None:
            break
        found = address
        if not _is_trusted(found, trusted):
            break
    return found


def _is_trusted(address: _Address, trusted: Iterable[_Network]) -> bool:
    return any(address in network for network in trusted)


def _address(text: str) -> _Address | None:
    match = _WITH_PORT.fullmatch(text) if text.count(":") <= 1 or text.startswith("[") else None
    try:
        address = ip_address((match[1] or match[2] or "") if match else text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def below(scope: _Scope, root_path: str) -> _Scope:
    """The request with its path below ``root_path``, which the proxy may have taken off, and that as its own entry."""
    path, raw = scope["path"], scope.get("raw_path") or b""
    if path.startswith(f"{root_path}/"):
        path, raw = path.removeprefix(root_path), raw.removeprefix(root_path.encode())
    return {**scope, "path": path, "raw_path": raw, "root_path": root_path}


class BehindProxies:
    """An ASGI app in front of another, which sees each request as the first trusted proxy got it, below ``root_path``.

    Args:
        app: the other app.
        trusted_proxies: addresses and networks of proxies whose headers are believed.
        root_path: the path under which a proxy shows this server, such as ``/kinora``; empty for none.
    """

    def __init__(self, app: Any, trusted_proxies: Iterable[str], root_path: str) -> None:
        self._app = app
        self._trusted = tuple(ip_network(text) for text in trusted_proxies)
        self._root_path = root_path

    async def __call__(self, scope: _Scope, receive: Any, send: Any) -> None:
        """Pass on one request."""
        if scope["type"] in {"http", "websocket"}:
            scope = as_told(scope, self._trusted)
            if self._root_path:
                scope = below(scope, self._root_path)
            if self._root_path and scope["path"] == self._root_path:  # the page's relative addresses need the slash
                await send_answer(scope, send, 307, {"location": f"{self._root_path}/", "content-length": "0"}, b"")
                return
        await self._app(scope, receive, send)


class WithRootPath:
    """An ASGI app in front of Quart, which wants to see the whole path of a request."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: _Scope, receive: Any, send: Any) -> None:
        """Pass on one request."""
        root_path = scope.get("root_path", "")
        await self._app({**scope, "path": root_path + scope["path"]} if root_path else scope, receive, send)
