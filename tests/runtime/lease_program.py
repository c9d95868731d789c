"""A process with a fork server under a lease, for a test to stop."""

import os
import sys

import trio

from kinora.runtime.clocks.boot_clock import boot_s
from kinora.runtime.forking.workers import ForkServer


async def main(lifeline: int, lease_s: float) -> None:
    """Start two families that hold the lifeline, print until when the lease lasts, and wait to be killed."""
    async with trio.open_nursery() as nursery:
        server = ForkServer()
        await nursery.start(server.run)
        for kind in (b"daemon", b"chain"):
            worker = await server.fork("tests.runtime.targets:family", "family")
            await worker.send(kind, [lifeline])
            await worker.receive()
        os.close(lifeline)
        until = boot_s() + lease_s
        await server.lease(until)
        sys.stdout.write(f"{until}\n")
        sys.stdout.flush()
        await trio.sleep_forever()


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), float(sys.argv[2]))
