"""What the ASGI scope of a request says of its client, its headers and its connection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import trio

from kinora.web.connection.connection import Connection

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::\d{1,5})?")


def client_address(scope: Mapping[str, Any]) -> str:
    """The client's address, as a trusted proxy tells it; empty if it is unknown."""
    address, *_ = scope.get("client") or ("",)
    return str(address)


def client_network(scope: Mapping[str, Any]) -> str:
    """The client's address; of IPv6 its /64, all of which one client may have."""
    text = client_address(scope)
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return text
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or ip_network((address, 64), strict=False))
    return str(address)


def header_values(scope: Mapping[str, Any], name: bytes) -> list[str]:
    """The values of a header, whose name is given in lower case, in their order; mostly one or none."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def host_name(host: str) -> str | None:
    """The name or the address in a ``Host`` in lower case, without its port and brackets; None if it is malformed."""
    match = _HOST.fullmatch(host)
    return None if match is None else match[1].strip("[]")


def is_loopback(name: str) -> bool:
    """True for ``localhost`` and the addresses of loopback, by which only this machine reaches a server."""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def is_secure(scope: Mapping[str, Any]) -> bool:
    """True if the client uses TLS."""
    return scope.get("scheme") in {"https", "wss"}


def connection_of(scope: Mapping[str, Any]) -> Connection | None:
    """The connection that the request came on; None on another ASGI server."""
    connection: Connection | None = scope.get("state", {}).get("connection")
    return connection


def until_stop(scope: Mapping[str, Any], grace_s: float = 0.0) -> AbstractContextManager[trio.CancelScope]:
    """Run the block; cancel it ``grace_s`` seconds after the server has begun to stop. Other servers never do that."""
    connection = connection_of(scope)
    return nullcontext(trio.CancelScope()) if connection is None else connection.until_stop(grace_s)
