"""Joins what several instances of a plugin returned from ``finalize``, by the plugin's ``merge``, in a process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
import trio

from kinora.actors.stages.plugin_process import NOT_A_MESSAGE, UNEXPECTED, check_result
from kinora.plugins import protocol
from kinora.plugins.protocol import BATCH_BYTES, Done, Origin, Raised
from kinora.runtime.forking.channel import ProtocolError
from kinora.runtime.forking.workers import ForkServer, ForkServerGone, WorkerGone

ATTEMPTS = 3
"""The processes that one merge gets, if those before it were killed from outside."""
MERGE_TIMEOUT_S = 10.0
"""The time for one attempt, the plugin's import included; after it the results stay apart."""


Merge = Callable[[Sequence[bytes]], Awaitable[Done]]
"""Joins results, as :meth:`Merger.merge` does for one plugin."""


class MergeFailed(Exception):
    """There is no joint result; the text says why."""


class Merger:
    """Merges the results of one job's plugins."""

    def __init__(self, fork_server: ForkServer, job_id: str, origins: Mapping[str, Origin]) -> None:
        """``origins`` are those of all plugins that define ``merge``."""
        self._fork_server = fork_server
        self._job_id = job_id
        self._origins = origins

    async def merge(self, plugin: str, results: Sequence[bytes]) -> Done:
        """Return what the plugin makes of these results, which are JSON texts. Its process is gone then.

        Raises:
            MergeFailed: it raised, crashed, took too long, or the results are too large together.
        """
        if (size := sum(map(len, results))) > BATCH_BYTES:
            raise MergeFailed(f"the results of its segments are {size} bytes of JSON; at most {BATCH_BYTES} are merged")
        request = protocol.Merge(origin=self._origins[plugin], results=list(results))
        for left in reversed(range(ATTEMPTS)):
            try:
                return await self._attempt(plugin, request)
            except WorkerGone as error:
                if error.by_its_work or not left:
                    raise MergeFailed(str(error)) from error
            except ForkServerGone as error:
                if not left:
                    raise MergeFailed(str(error)) from error
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(self, plugin: str, request: protocol.Merge) -> Done:
        try:
            name, python = f"{self._job_id}/{plugin}", request.origin.python
            async with self._fork_server.worker(protocol.PLUGIN, name, interpreter=python) as talk:
                with trio.fail_after(MERGE_TIMEOUT_S):
                    answer = await talk.ask(request)
        except trio.TooSlowError:
            raise MergeFailed(f"no answer within {MERGE_TIMEOUT_S:.0f} s; its process was killed") from None
        except (ProtocolError, msgspec.MsgspecError) as error:
            raise MergeFailed(NOT_A_MESSAGE) from error
        match answer:
            case Done(result=result):
                _require_valid(result)
                return answer
            case Raised(message=message):
                raise MergeFailed(message)
            case _:
                raise MergeFailed(UNEXPECTED)


def _require_valid(result: bytes | None) -> None:
    try:
        check_result(result)
    except (ProtocolError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MergeFailed(NOT_A_MESSAGE) from error
