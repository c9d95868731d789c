"""The quiet client: it asks for ``/v1/health`` every 50 ms on a connection of its own, in a process of its own.

``python -m benchmarks.storms.quiet PORT`` prints ``ready`` after the first answer, and its :class:`Seen` as JSON when
it gets SIGTERM. A wait is counted from the time at which the request was due, so a stall counts for each request in it.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence

import attrs
import trio

from benchmarks.storms.http import connect, head

EVERY_S = 0.05
FROZEN_S = 1.0
"""A server that has not answered for this long at the end is frozen."""
REQUEST = head("GET", "/v1/health", {})


@attrs.frozen
class Seen:
    """What the quiet client saw."""

    waits_ms: Sequence[float]
    """One for each request that was due; those without an answer have waited until the end."""
    frozen_s: float
    """For how long the server had not answered at the end; 0 if it was not frozen."""
    reconnects: int
    """How often the connection was lost, or was answered by something other than 200."""


@attrs.define
class Quiet:
    """One client, and the waits so far."""

    port: int
    waits: list[float] = attrs.field(factory=list)
    stream: trio.SocketStream | None = None
    reconnects: int = 0
    began: float = attrs.field(factory=trio.current_time)

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            due = self.began + len(self.waits) * EVERY_S
            await trio.sleep_until(due)
            await self._ask()
            self.waits.append(trio.current_time() - due)

    async def _ask(self) -> None:
        while True:
            try:
                if await self._answered():
                    return
            except (OSError, trio.BrokenResourceError):
                pass
            self.reconnects += 1
            self.stream = None
            await trio.sleep(EVERY_S)

    async def _answered(self) -> bool:
        if self.stream is None:
            self.stream = await connect(self.port)
        await self.stream.send_all(REQUEST)
        answer = b""
        while not _is_whole(answer):
            data = await self.stream.receive_some()
            if not data:
                return False
            answer += data
        return b" 200 " in answer.partition(b"\r\n")[0]

    def seen(self) -> Seen:
        """The figures so far, with those of the requests that are due and have no answer."""
        now = trio.current_time()
        waits = list(self.waits)
        while (due := self.began + len(waits) * EVERY_S) < now:
            waits.append(now - due)
        open_s = max(waits[len(self.waits) :], default=0.0)
        return Seen([wait * 1000 for wait in waits], open_s if open_s > FROZEN_S else 0.0, self.reconnects)


def _is_whole(answer: bytes) -> bool:
    top, _, body = answer.partition(b"\r\n\r\n")
    _, found, length = top.lower().partition(b"content-length:")
    return bool(found) and len(body) >= int(length.partition(b"\r\n")[0])


async def main() -> None:
    """Ask until SIGTERM, then print what was seen."""
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        quiet = Quiet(int(sys.argv[1]))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(quiet.run)
            while not quiet.waits:  # noqa: ASYNC110 - a benchmark's start
                await trio.sleep(EVERY_S)
            print("ready", flush=True)
            await anext(signals)
            print(json.dumps(attrs.asdict(quiet.seen())), flush=True)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
