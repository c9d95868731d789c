"""The messages between the server and its Ray driver: a line of JSON each, over the driver's stdin and stdout."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

MAX_LINE_BYTES = 2**16
"""A longer line ends the driver; reasons are cut to MAX_REASON letters."""
MAX_REASON = 500


class Begin(msgspec.Struct, tag="begin", frozen=True, kw_only=True):
    """Start an agent as soon as the cluster has room for it."""

    name: str
    cpus: float
    gpus: float
    resources: Mapping[str, float]
    arguments: tuple[str, ...]
    """What follows ``kinora agent`` on its command line."""
    token: str | None = None
    """The token that the agent shows the server; it goes into the agent's environment only."""
    start: bytes = b""
    """A LocalStart for an agent on the server's machine, which the agent reads from its standard input."""


class End(msgspec.Struct, tag="end", frozen=True):
    """End an agent, or withdraw the request for it. Told back as Ended."""

    name: str


class Up(msgspec.Struct, tag="up", frozen=True):
    """The cluster is reached: agents can be started."""

    address: str
    version: str
    """That of Ray."""


class Placed(msgspec.Struct, tag="placed", frozen=True):
    """An agent has its room, and is being started."""

    name: str
    node: str
    """The host."""


class Pending(msgspec.Struct, tag="pending", frozen=True):
    """There is no room for an agent; it is started when there is. Told again when the reason changes."""

    name: str
    reason: str
    """A sentence."""


class Ended(msgspec.Struct, tag="ended", frozen=True):
    """An agent has ended, or could not be started."""

    name: str
    reason: str
    """A sentence."""


class Lost(msgspec.Struct, tag="lost", frozen=True):
    """The cluster cannot be reached, or is of no use: the driver ends."""

    reason: str
    """A sentence."""


ToDriver = Begin | End
FromDriver = Up | Placed | Pending | Ended | Lost

decode_to_driver = msgspec.json.Decoder(ToDriver).decode
decode_from_driver = msgspec.json.Decoder(FromDriver).decode


def line(message: ToDriver | FromDriver) -> bytes:
    """Return the message as a line."""
    return msgspec.json.encode(message) + b"\n"


def cut(reason: str) -> str:
    """Return the beginning of a reason that is too long."""
    return reason if len(reason) <= MAX_REASON else f"{reason[: MAX_REASON - 1]}…"
