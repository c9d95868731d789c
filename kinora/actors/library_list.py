"""Asks worker processes what the libraries that plugins compute with can use."""

from __future__ import annotations

import msgspec
import trio

from kinora.plugins.libraries import EXAMINERS, Examine, Library
from kinora.runtime.channel import ProtocolError
from kinora.runtime.workers import ForkServer, Worker, WorkerGone

TARGET = "kinora.plugins.libraries:main"
TIMEOUT_S = 60.0
"""Importing torch from a cold disk takes long."""


class LibraryList:
    """The libraries as they were found the first time that somebody asked."""

    def __init__(self, fork_server: ForkServer) -> None:
        self._fork_server = fork_server
        self._found: tuple[Library, ...] | None = None
        self._looking = trio.Lock()

    async def get(self) -> tuple[Library, ...]:
        """All of them, those that are not installed included. The first time takes as long as importing them.

        Raises:
            ForkServerGone: there is no process to import them in.
        """
        async with self._looking:
            if self._found is None:
                self._found = tuple([await self._examine(name) for name in EXAMINERS])
            return self._found

    async def _examine(self, name: str) -> Library:
        worker = await self._fork_server.fork(TARGET, f"examine {name}")
        try:
            with trio.fail_after(TIMEOUT_S):
                return await _ask(worker, name)
        except trio.TooSlowError:
            return _broken(name, f"took longer than {TIMEOUT_S:.0f} s")
        except (WorkerGone, ProtocolError, msgspec.MsgspecError) as error:
            return _broken(name, f"failed: {error}")
        finally:
            with trio.CancelScope(shield=True):  # Worker.kill bounds itself
                await worker.kill()


async def _ask(worker: Worker, name: str) -> Library:
    await worker.send(msgspec.msgpack.encode(Examine(name)))
    return msgspec.msgpack.decode(await worker.receive(), type=Library)


def _broken(name: str, how: str) -> Library:
    return Library(name=name, reason=f"importing {name} {how}")
