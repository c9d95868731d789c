"""The gate at which requests wait until the server has started; questions about its own state do not wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio

from kinora.system import System
from kinora.web.direct_answers import send_answer, send_problem
from kinora.web.event_stream import RETRY, STREAM_HEADERS
from kinora.web.paths import REALTIME
from kinora.web.problems import STARTING

OPEN_AT_ONCE = frozenset({"/v1/health", "/v1/ready", "/metrics"})
"""The addresses that answer while the server starts."""
WAIT_S = 10.0
"""The time for which a request waits for the start; after it the answer is ``STARTING``, or an event stream that ends.

Nearly every start is over by then; one that waits for plugins that hang on import may not be. Each request that waits
is on a connection, and the number of those is limited.
"""


class StartGate:
    """An ASGI app in front of ``app``; it holds requests and WebSocket upgrades until ``system`` has started."""

    def __init__(self, app: Any, system: System) -> None:
        self._app = app
        self._system = system

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """Pass one request on once the system has started, or refuse it after ``WAIT_S``."""
        if not self._is_open(scope):
            with trio.move_on_after(WAIT_S):
                await self._system.started.wait()
        if self._is_open(scope):
            await self._app(scope, receive, send)
        elif scope["path"] == REALTIME and scope.get("method") == "GET":
            # A browser never opens a stream again that was refused, so this one ends, and is opened again.
            await send_answer(scope, send, 200, STREAM_HEADERS, RETRY)
        else:
            await send_problem(scope, send, STARTING)

    def _is_open(self, scope: Mapping[str, Any]) -> bool:
        return self._system.started.is_set() or scope["type"] == "lifespan" or scope["path"] in OPEN_AT_ONCE
