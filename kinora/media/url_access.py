"""Decides which URLs sources may be read from, and connects to no others.

FFmpeg looks up names and follows redirects by itself, so it never gets network access. Here a connection goes to the
very address that was checked, and each redirect is checked anew.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from http.client import HTTPConnection
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Self
from urllib.parse import quote, urlsplit

import attrs

from kinora.media.source_types import SourceError

ANY_PUBLIC = "*"
"""An entry of the allowed hosts that allows every host with a public address."""
PORTS = {"http": 80, "https": 443}
TIMEOUT_S = 8.0
"""The limit for a connection, and for each piece of an answer. Silence, a new connection and silence again together
end before the server takes the decoder for hung."""
_SAFE = "!#$%&'()*+,/:;=?@[]~"
_NAT64 = IPv6Network("64:ff9b::/96")
"""Public addresses that stand for IPv4 addresses, private ones included (RFC 6052); 6to4 has such ones too."""


def is_url(source: str) -> bool:
    """True if a source is a URL of any kind, not a path."""
    return "://" in source


@attrs.frozen
class HttpUrl:
    """The parts of a URL that a request is made of."""

    scheme: str
    host: str
    port: int
    target: str
    """Path and query, in ASCII."""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Take a URL apart.

        Raises:
            SourceError: sources are never read from such a URL.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise _refused(f"{url!r} is not a URL: {error}.") from error
        if parts.scheme not in PORTS:
            raise _refused(f"Sources are not read from {parts.scheme}:// here; give an http:// or https:// URL.")
        if not host:
            raise _refused(f"{url!r} names no host; write it as https://host/video.mp4.")
        if parts.username is not None:
            raise _refused("Leave user and password out of the URL: everyone who sees the job would see them.")
        target = quote(parts.path or "/", _SAFE) + (f"?{quote(parts.query, _SAFE)}" if parts.query else "")
        return cls(parts.scheme, host, port or PORTS[parts.scheme], target)

    @property
    def authority(self) -> str:
        """Host and port as a request's ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def is_named(url: HttpUrl, hosts: Sequence[str]) -> bool:
    """True if the host is allowed by name, with any port or with this one."""
    return url.host in hosts or f"{url.host}:{url.port}" in hosts


def is_public(address: str) -> bool:
    """True if an IP address belongs to the internet, not to this machine or a private network."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address) and (ip in _NAT64 or ip.sixtofour is not None):
        return False
    return ip.is_global and not ip.is_multicast


def connect(url: HttpUrl, hosts: Sequence[str]) -> HTTPConnection:
    """Connect to the host of a URL if ``hosts`` allow it: names, with or without a port, and ``*``.

    A named host may have any address; with ``*`` every other host must have a public one.

    Raises:
        SourceError: the host is not allowed; the text says who can change that.
        OSError: the host does not exist or does not answer, or its certificate is not trusted.
    """
    named = is_named(url, hosts)
    if not named and ANY_PUBLIC not in hosts:
        raise _refused(_not_allowed(url.authority, hosts))
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)]
    usable = found if named else [address for address in found if is_public(address)]
    if not usable:
        raise _refused(
            f"{url.host} is in a private network: the server's operator can allow it with --url-hosts {url.host}."
        )
    connection = HTTPConnection(url.host, url.port, timeout=TIMEOUT_S)
    plain = _first_that_answers(usable, url.port)
    connection.sock = _secured(plain, url.host) if url.scheme == "https" else plain
    return connection


def _first_that_answers(addresses: Sequence[str], port: int) -> socket.socket:
    *others, last = addresses
    for address in others:
        with suppress(OSError):
            return socket.create_connection((address, port), TIMEOUT_S)
    return socket.create_connection((last, port), TIMEOUT_S)


def _secured(plain: socket.socket, host: str) -> socket.socket:
    try:
        return _context().wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _not_allowed(host: str, hosts: Sequence[str]) -> str:
    if not hosts:
        return (
            "This server reads no sources from URLs: give a path below the media folder, or upload the file."
            f" The server's operator can allow the host with --url-hosts {host}."
        )
    return (
        f"Sources are not read from {host} here, only from {', '.join(hosts)}."
        f" The server's operator can allow it with --url-hosts {host}."
    )


def _refused(message: str) -> SourceError:
    return SourceError("unreadable", message)
