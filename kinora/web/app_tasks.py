"""The tasks that run the app, one for each request of a connection, and the events that wait for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

import trio
from hypercorn.config import Config
from hypercorn.trio.task_group import TaskGroup, _handle
from hypercorn.typing import AppWrapper, ASGIReceiveEvent, ASGISendEvent, Scope


class AppTasks(TaskGroup):
    """Runs the app for each request. A disconnect reaches the app even if it has left earlier events untaken."""

    async def spawn_app(
        self,
        app: AppWrapper,
        config: Config,
        scope: Scope,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
    ) -> Callable[[ASGIReceiveEvent], Awaitable[None]]:
        """Start the app on one request; return the function that passes it events.

        That function never waits for an app that has ended.
        """
        inbox = Inbox(config.max_app_queue_size)

        async def run_app() -> None:
            try:
                await _handle(
                    app,
                    config,
                    scope,
                    inbox.take,
                    send,
                    trio.to_thread.run_sync,
                    trio.from_thread.run,
                )
            finally:
                inbox.close()

        cast("trio.Nursery", self._nursery).start_soon(run_app)
        return inbox.put


class Inbox:
    """The queue of one request's events for the app. While it is full the sender waits, except with the last event."""

    def __init__(self, size: int) -> None:
        self._send, self._receive = trio.open_memory_channel[ASGIReceiveEvent](size)
        self._last: ASGIReceiveEvent = {"type": "http.disconnect"}

    async def put(self, event: ASGIReceiveEvent) -> None:
        """Pass on one event; it is dropped if the app has ended, or if it comes after the disconnect."""
        if event["type"] in {"http.disconnect", "websocket.disconnect"}:
            self._last = event
            self._send.close()
            return
        try:
            await self._send.send(event)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await trio.lowlevel.checkpoint()

    async def take(self) -> ASGIReceiveEvent:
        """Return the next event; once the disconnect has been taken, return it again."""
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            return self._last

    def close(self) -> None:
        """Drop all events: the app has ended."""
        self._send.close()
        self._receive.close()
