"""Checks the options of a request in a worker: a schema of a plugin and options of a client may take any time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import trio

from kinora.actors.errors import QueueFull, Unavailable
from kinora.plugins.api import PluginMetadata
from kinora.plugins.option_errors import MAX_MESSAGE, OptionsError
from kinora.plugins.protocol import OPTIONS_CHECKER, CheckOptions, OptionsChecked
from kinora.plugins.registry import PluginEntry
from kinora.runtime.forking.channel import ProtocolError
from kinora.runtime.forking.workers import Conversation, ForkServer, WorkerGone

CHECK_TIMEOUT_S = 3.0
"""The time for checking all options of one request; after it the request is refused."""
AT_ONCE = 4
"""The most requests whose options are checked at the same time; further ones wait for ``PLACE_TIMEOUT_S``."""
PLACE_TIMEOUT_S = 10.0
"""The longest wait for a place; after it the request is refused, and may be sent again."""
RETRY_AFTER_S = 5
"""The time after which a client should try again when it got no place."""

_Talk = Conversation[CheckOptions, OptionsChecked]


class OptionsUnchecked(Exception):
    """The options could not be checked; ``str()`` of the error is a sentence. The check cannot go on after it."""


class OptionsChecker:
    """Checks the options of requests, a few requests at a time."""

    def __init__(self, fork_server: ForkServer) -> None:
        self._fork_server = fork_server
        self._places = trio.CapacityLimiter(AT_ONCE)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[OptionsCheck]:
        """Check the options of one request in this block; after it no process is left."""
        async with AsyncExitStack() as stack:
            yield OptionsCheck(self, stack)

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[_Talk]:
        """Take a place and start a worker for this block.

        Raises:
            QueueFull: no place has become free.
            ForkServerGone: the fork server is gone, so there is no worker.
        """
        try:
            with trio.fail_after(PLACE_TIMEOUT_S):
                await self._places.acquire()
        except trio.TooSlowError:
            raise QueueFull("The options of too many requests are being checked; try again.", RETRY_AFTER_S) from None
        try:
            async with self._fork_server.worker(OPTIONS_CHECKER, "check options") as talk:
                yield talk
        finally:
            self._places.release()


class OptionsCheck:
    """The check of one request's options. It starts its worker, one for all plugins, when it first needs it."""

    def __init__(self, checker: OptionsChecker, stack: AsyncExitStack) -> None:
        self._checker = checker
        self._stack = stack
        self._talk: _Talk | None = None
        self._deadline = 0.0

    async def filled(self, entry: PluginEntry, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the options for a working plugin, with the defaults of its ``config_schema`` filled in.

        Raises:
            OptionsError: the plugin does not accept them.
            OptionsUnchecked: the check took too long, or failed.
            Unavailable: it failed for a reason that is neither the plugin's nor the request's.
            QueueFull, ForkServerGone: see :meth:`OptionsChecker.worker`.
        """
        if entry.metadata is None or entry.metadata.config_schema is None:
            return options
        checked = entry.defaults if not options else None
        if checked is None:
            checked = await self._check(entry.metadata, options)
        if checked.filled is None:
            raise OptionsError(checked.errors, checked.total)
        return msgspec.json.decode(checked.filled, type=dict[str, Any])

    async def _check(self, metadata: PluginMetadata, options: Mapping[str, Any]) -> OptionsChecked:
        if self._talk is None:
            self._talk = await self._stack.enter_async_context(self._checker.worker())
            self._deadline = trio.current_time() + CHECK_TIMEOUT_S
        request = CheckOptions(
            plugin=metadata.name,
            schema=msgspec.json.encode(metadata.config_schema),
            options=msgspec.json.encode(options),
        )
        try:
            with trio.fail_at(self._deadline):
                return await self._talk.ask(request)
        except trio.TooSlowError:
            reason = f"the options of {metadata.name} took longer than {CHECK_TIMEOUT_S:g} s to check"
            raise OptionsUnchecked(f"{reason}: give fewer or simpler ones") from None
        except (WorkerGone, ProtocolError) as error:
            reason = f"the options of {metadata.name} could not be checked: {error}"
            if isinstance(error, WorkerGone) and not error.by_its_work:
                raise Unavailable(f"{reason}; try again.") from error
            raise OptionsUnchecked(reason[:MAX_MESSAGE]) from error
