"""Tells this machine from others, and its users apart: whether a server here may be shown the local token."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from kinora.web.connection.addresses import own_names

ROOT = 0
"""The user account that may read all files anyway."""
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
"""The kernel's tables of TCP sockets."""
_LISTENING = "0A"
_LOCAL, _STATE, _USER = 1, 3, 7
"""The columns of a table."""


def is_this_machine(host: str) -> bool:
    """True for an address of this machine, and for a name of its own that leads to such addresses only.

    Other names are not looked up: others may answer for them. Blocks while the own one is.
    """
    try:
        return _is_own(ip_address(host))
    except ValueError:
        return host == "localhost" or (host in own_names() and _leads_here(host))


def _is_own(address: IPv4Address | IPv6Address) -> bool:
    if address.is_loopback or address.is_unspecified:
        return True
    family = socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as own:
        own.bind((str(address), 0))  # only an address of this machine can be bound
        return True
    return False


def _leads_here(name: str) -> bool:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(_is_own(ip_address(str(address[0]))) for *_, address in found)


def users_listening(port: int, tables: Iterable[Path] = TABLES) -> frozenset[int]:
    """The ids of the users whose programs listen on this TCP port, by any address; none if that is unknown."""
    users: set[int] = set()
    for table in tables:
        with suppress(OSError):  # a machine without IPv6 has one table only
            rows = map(str.split, table.read_text().splitlines()[1:])
            users |= {int(row[_USER]) for row in rows if _listens(row, port)}
    return frozenset(users)


def _listens(row: list[str], port: int) -> bool:
    return row[_STATE] == _LISTENING and int(row[_LOCAL].rpartition(":")[2], 16) == port


def is_ones_own(port: int, owner: int) -> bool:
    """True unless another user than ``owner`` and root listens on this port: then what is sent there may be theirs."""
    return users_listening(port) <= {owner, ROOT}
