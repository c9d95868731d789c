"""Home: the server that an agent belongs to, and what it is shown."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import SplitResult

import attrs

from kinora.client.http import CA_FILE, server_address
from kinora.client.token import authorization
from kinora.fleet.agent_sources import FileServer

PATH = "/v1/agents/link"


@attrs.frozen(kw_only=True)
class Home:
    """The server's address, and how it and the agent know each other."""

    url: str
    token: str | None = attrs.field(default=None, repr=False)
    ca_file: Path | None = None
    """Further certificates to trust."""
    certificate: Path | None = None
    """The server's own: the only one to trust, if given."""

    @property
    def address(self) -> SplitResult:
        """The parts of the address. Raises ClientError if it is invalid."""
        return server_address(self.url)

    @property
    def files(self) -> FileServer:
        """The server as the one that has the files. Raises ClientError if its address is invalid."""
        parts = self.address
        ca_file = self.ca_file or os.environ.get(CA_FILE)
        return FileServer(
            url=f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}",
            token=self.token,
            ca_file=None if ca_file is None else str(ca_file),
        )

    @property
    def target(self) -> str:
        """The path of the link."""
        return f"{self.address.path.rstrip('/')}{PATH}"

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that show the token. Raises ClientError if it has characters that no token has."""
        return [(name.encode(), value.encode()) for name, value in authorization(self.token).items()]
