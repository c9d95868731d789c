"""LocalStart: what a server tells an agent that it starts on its own machine, by the agent's standard input."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class LocalStart(msgspec.Struct, frozen=True, kw_only=True):
    """The start of an agent by its server."""

    server_pid: int
    """The process with which it ends."""
    url: str
    """The server's address on this machine."""
    token: str | None
    certificate: str | None
    """The file with the server's certificate, with TLS."""
    name: str
    places: int
    cpus: float | None = None
    """The cores that jobs may ask for; None stands for all."""
    resources: Mapping[str, float] = {}
    """Further things that jobs may ask for → how much of each there is."""
    lifeline: int | None = None
    """A descriptor that the agent and its fork server keep open to their end; None if nobody waits for that."""
    settings: bytes
    """The server's; see ``kinora.settings.transfer``."""

    def __repr__(self) -> str:
        """Return the name alone, as the rest has a token."""
        return f"LocalStart({self.name})"


encode_start = msgspec.msgpack.encode
decode_start = msgspec.msgpack.Decoder(LocalStart).decode
