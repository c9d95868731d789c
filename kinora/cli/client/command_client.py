"""The client by which commands reach a server, which may be about to start."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from kinora.cli.terminal.output import print_line
from kinora.client import KinoraClient
from kinora.client.starting import wait_for_start


@attrs.define(eq=False)
class CommandClient(KinoraClient):
    """A server's REST API, which waits before its first call for a server that is about to start.

    Only then ``find_token`` gives the token: the server may just be making it, and somebody else may have its port.
    """

    find_token: Callable[[], str | None] = attrs.field(kw_only=True)
    _is_ready: bool = attrs.field(default=False, init=False)

    async def ready(self) -> None:
        """Wait, once, and find the token."""
        if self._is_ready:
            await trio.lowlevel.checkpoint()
            return
        await wait_for_start(self.url, self.ca_file, _tell)
        self.token, self._is_ready = self.find_token(), True


def _tell(said: str) -> None:
    print_line(f"kinora: {said}", file="stderr")
