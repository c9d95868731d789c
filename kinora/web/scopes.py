"""What the ASGI scope of a request says of its client and its headers."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any


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


def is_secure(scope: Mapping[str, Any]) -> bool:
    """True if the client uses TLS."""
    return scope.get("scheme") in {"https", "wss"}
