"""A small server of its own process, for a test to kill."""

import os
import sys

import trio

from kinora.runtime.forking.workers import ForkServer


async def main(lifeline: int) -> None:
    """Start one family of each kind, all holding the lifeline, say so, and wait to be killed."""
    async with trio.open_nursery() as nursery:
        server = ForkServer()
        await nursery.start(server.run)
        for kind in (b"daemon", b"grandchildren", b"multiprocessing", b"chain"):
            worker = await server.fork("tests.runtime.targets:family", "family")
            await worker.send(kind, [lifeline])
            await worker.receive()
        busy = await server.fork("tests.runtime.targets:deaf", "deaf")
        await busy.receive()
        os.close(lifeline)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await trio.sleep_forever()


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]))
