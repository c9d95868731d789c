"""The addresses by which clients reach the server's sockets."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

_PROBES = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses for documentation: a UDP socket that is connected to one sends nothing, and tells our own address."""
_LOOPBACK = {4: "127.0.0.1", 6: "::1"}


def is_reachable(sockets: Iterable[socket.socket]) -> bool:
    """True if other machines can reach one of these listening sockets."""
    return not all(ipaddress.ip_address(_host(listening)).is_loopback for listening in sockets)


def local_base(sockets: Sequence[socket.socket], scheme: str = "http") -> str:
    """The address for clients on this machine."""
    return _base(reachable_here(_host(sockets[0])), sockets[0], scheme)


def reachable_here(host: str) -> str:
    """The host by which clients on this machine reach a server that listens on ``host``."""
    with suppress(ValueError):
        if (address := ipaddress.ip_address(host)).is_unspecified:
            return _LOOPBACK[address.version]
    return host


def outer_bases(sockets: Iterable[socket.socket], scheme: str = "http") -> Sequence[str]:
    """The addresses for clients on other machines; for sockets on all addresses, one of them and the host's name."""
    bases: dict[str, None] = {}
    for listening in sockets:
        address = ipaddress.ip_address(_host(listening))
        hosts = _own_hosts(address.version) if address.is_unspecified else [str(address)]
        if not address.is_loopback:
            bases |= dict.fromkeys(_base(host, listening, scheme) for host in hosts)
    return [*bases]


def own_names() -> frozenset[str]:
    """The names of this machine: as it calls itself, without its domain, and as mDNS announces it."""
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    return frozenset(filter(None, (name, short, short and f"{short}.local")))


def _own_hosts(version: int) -> Iterator[str]:
    """This machine's address of the given version, or else of the other one, and its name."""
    for family, probe in _PROBES if version == 4 else reversed(_PROBES):  # noqa: PLR2004 - IPv4
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((probe, 9))
            yield str(asking.getsockname()[0])
            break
    yield socket.gethostname()


def _host(listening: socket.socket) -> str:
    return str(listening.getsockname()[0]).partition("%")[0]


def _base(host: str, listening: socket.socket, scheme: str) -> str:
    port = listening.getsockname()[1]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
