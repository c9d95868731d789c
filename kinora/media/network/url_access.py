"""Decides which URLs sources may be read from, and connects to no others.

FFmpeg looks up names and follows redirects by itself, so it never gets network access. Here a connection goes to the
very address that was checked, and each redirect is checked anew.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from http.client import HTTPConnection
from ipaddress import IPv6Network, ip_address, ip_network
from typing import Self
from urllib.parse import quote, urlsplit

import attrs

from kinora.media.source_types import SourceError

ANY_PUBLIC = "*"
"""An entry of the allowed hosts that allows every host with a public address."""
NO_PASSWORDS = (
    "Leave user and password out of the URL: everyone who sees the job would see them. Give the camera a name instead,"
    " as [cameras.NAME] with url, user and password_file in kinora.toml, and use camera:NAME; see docs/cameras.md."
)
HTTP = {"http": 80, "https": 443}
RTSP = {"rtsp": 554, "rtsps": 322}
"""Scheme → port, for each protocol that sources are read by."""
PORTS = {**HTTP, **RTSP}
_SECURED = frozenset({"https", "rtsps"})
CONNECT_S = 5.0
"""The limit for a connection over HTTP."""
TIMEOUT_S = 8.0
"""The limit for each piece of an answer over HTTP. Silence, a new connection and silence again together end before the
server takes the decoder for hung."""
_SAFE = "!#$%&'()*+,/:;=?@[]~"
_NOT_PUBLIC = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # shared by a provider's customers
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local, and the metadata of clouds
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays, deprecated
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
            "2001::/23",  # protocol assignments; Teredo among them, which stands for IPv4 addresses
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which stands for IPv4 addresses
            "3fff::/20",  # documentation
        ),
    )
)
"""From IANA's registries of special-purpose addresses (RFC 6890), IPv4 and IPv6, as of 2025. Python's ``is_global`` has
a table that differs between patch releases."""
_UNICAST = IPv6Network("2000::/3")
"""The only IPv6 addresses that IANA gives out for the internet (RFC 4291); others are local or notations of IPv4."""


class ConnectTimedOut(TimeoutError):
    """A host has not answered at all, in contrast to one that has fallen silent."""


def is_url(source: str) -> bool:
    """True if a source is a URL of any kind, not a path."""
    return "://" in source


def is_rtsp(source: str) -> bool:
    """True if a source is the URL of an RTSP camera."""
    return source.partition("://")[0].lower() in RTSP


@attrs.frozen
class SourceUrl:
    """The parts of a URL that a request is made of."""

    scheme: str
    host: str
    port: int
    target: str
    """Path and query, in ASCII."""

    @classmethod
    def parse(cls, url: str, ports: Mapping[str, int] = PORTS) -> Self:
        """Take a URL apart; ``ports`` are those of the schemes that it may have.

        Raises:
            SourceError: sources are never read from such a URL.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise _refused("That is not a URL: check host and port, and leave user and password out.") from error
        if parts.scheme not in ports:
            known = " or ".join(f"{scheme}://" for scheme in ports)
            raise _refused(f"Sources are not read from {parts.scheme}:// here; give a URL that begins with {known}.")
        if not host:
            raise _refused(f"The URL names no host; write it as {parts.scheme}://host/video.")
        if port == 0:
            raise _refused(f"Nothing can listen on port 0 of {host}: give the server's port, or none.")
        if parts.username is not None:
            raise _refused(NO_PASSWORDS)
        target = quote(parts.path or "/", _SAFE) + (f"?{quote(parts.query, _SAFE)}" if parts.query else "")
        return cls(parts.scheme, host, port or PORTS[parts.scheme], target)

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: what they are given for is shown to nobody else."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """Host and port as a request's ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def whole(self) -> str:
        """The URL in ASCII, without user, password and fragment."""
        return f"{self.scheme}://{self.authority}{self.target}"


def is_named(url: SourceUrl, hosts: Sequence[str]) -> bool:
    """True if the host is allowed by name, with any port or with this one."""
    return url.host in hosts or f"{url.host}:{url.port}" in hosts


def is_public(address: str) -> bool:
    """True if an IP address belongs to the internet, not to this machine or a private network."""
    ip = ip_address(address)
    if ip.version == 6 and ip not in _UNICAST:  # noqa: PLR2004 - as in IPv6
        return False
    return not any(ip in network for network in _NOT_PUBLIC)


def is_secured(url: str) -> bool:
    """True if what is read from a URL comes encrypted."""
    return url.partition("://")[0].lower() in _SECURED


def connect(url: SourceUrl, hosts: Sequence[str], trusted: ssl.SSLContext | None = None) -> HTTPConnection:
    """Like :func:`open_socket`, for HTTP. Raises ConnectTimedOut in place of other TimeoutErrors."""
    connection = HTTPConnection(url.host, url.port, timeout=TIMEOUT_S)
    try:
        connection.sock = open_socket(url, hosts, CONNECT_S, trusted)
    except TimeoutError as error:
        raise ConnectTimedOut from error
    connection.sock.settimeout(TIMEOUT_S)
    return connection


def open_socket(
    url: SourceUrl, hosts: Sequence[str], timeout_s: float, trusted: ssl.SSLContext | None = None
) -> socket.socket:
    """Connect to the host of a URL if ``hosts`` allow it: names, with or without a port, and ``*``.

    A named host may have any address; with ``*`` every other host must have a public one. An encrypted connection needs
    a certificate that is ``trusted``; None stands for those that the system trusts.

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
    plain = _first_that_answers(usable, url.port, timeout_s)
    return _secured(plain, url.host, trusted or _context()) if url.scheme in _SECURED else plain


def _first_that_answers(addresses: Sequence[str], port: int, timeout_s: float) -> socket.socket:
    *others, last = addresses
    for address in others:
        with suppress(OSError):
            return socket.create_connection((address, port), timeout_s)
    return socket.create_connection((last, port), timeout_s)


def _secured(plain: socket.socket, host: str, trusted: ssl.SSLContext) -> ssl.SSLSocket:
    try:
        return trusted.wrap_socket(plain, server_hostname=host)
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
