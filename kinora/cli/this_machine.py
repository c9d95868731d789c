"""Tells the addresses of this machine from those of others, without asking any other."""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import IPv6Address, ip_address

from kinora.web.addresses import own_names


def is_this_machine(host: str) -> bool:
    """True for a name or an address of this machine itself. No name is looked up: others may answer for it."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host in own_names()
    if address.is_loopback or address.is_unspecified:
        return True
    family = socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as own:
        own.bind((host, 0))  # only an address of this machine can be bound
        return True
    return False
