"""Which URLs sources may be read from, and connections to nowhere else.

FFmpeg looks up names and follows redirects by itself, so it is never let onto the network: the address that is judged
here is the very address that is connected to, and each redirect is judged anew.
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
"""Among the allowed hosts: every host that has a public address."""
PORTS = {"http": 80, "https": 443}
TIMEOUT_S = 8.0
"""For a connection, and for each piece of an answer. Silence, a new connection and silence again are over before the
server takes the decoder for hung."""
_SAFE = "!#$%&'()*+,/:;=?@[]~"
_NAT64 = IPv6Network("64:ff9b::/96")
"""Like 6to4 a public face of every IPv4 address, the private ones included (RFC 6052)."""


def is_url(source: str) -> bool:
    """Whether it is a URL, of whatever kind, and no path."""
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
            SourceError: sources cannot be read from it, whoever allows it.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise _refused(f"{url!r} is no URL: {error}.") from error
        if parts.scheme not in PORTS:
            raise _refused(f"Sources are not read from {parts.scheme}:// here; give an http:// or https:// URL.")
        if not host:
            raise _refused(f"{url!r} names no host; write it as https://host/video.mp4.")
        if parts.username is not None:
            raise _refused("Leave user and password out of the URL: whoever sees the job would see them.")
        target = quote(parts.path or "/", _SAFE) + (f"?{quote(parts.query, _SAFE)}" if parts.query else "")
        return cls(parts.scheme, host, port or PORTS[parts.scheme], target)

    @property
    def authority(self) -> str:
        """Host and port as a request's ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def is_named(url: HttpUrl, hosts: Sequence[str]) -> bool:
    """Whether the host is among those allowed by name, with any port or with this one."""
    return url.host in hosts or f"{url.host}:{url.port}" in hosts


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet's, not of this machine or its networks."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address) and (ip in _NAT64 or ip.sixtofour is not None):
        return False
    return ip.is_global and not ip.is_multicast


def connect(url: HttpUrl, hosts: Sequence[str]) -> HTTPConnection:
    """A connection to the host of a URL, if ``hosts`` allow it: names, with or without a port, and ``*``.

    A host that is named may be anywhere; with ``*`` every other must have a public address.

    Raises:
        SourceError: it is not allowed; the text says who can change that.
        OSError: there is no such host, it does not answer, or its certificate is not to be trusted.
    """
    named = is_named(url, hosts)
    if not named and ANY_PUBLIC not in hosts:
        raise _refused(_not_allowed(url.authority, hosts))
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)]
    usable = found if named else [address for address in found if is_public(address)]
    if not usable:
        raise _refused(
            f"{url.host} is in a private network: whoever runs the server can allow it with --url-hosts {url.host}."
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
            "URLs are no sources on this server: give a path below the media folder, or upload the file."
            f" Whoever runs the server can allow the host with --url-hosts {host}."
        )
    return (
        f"Sources are not read from {host} here, only from {', '.join(hosts)}."
        f" Whoever runs the server can allow it with --url-hosts {host}."
    )


def _refused(message: str) -> SourceError:
    return SourceError("unreadable", message)
