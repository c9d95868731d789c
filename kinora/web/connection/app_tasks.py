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
    """The queue of one request's events for the app. While it is full the sender waits, except with the last event.

    A memory channel would do the same, but it weighs 2.5 KB, and each WebSocket keeps one for as long as it is open.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._events: list[ASGIReceiveEvent] = []
        self._last: ASGIReceiveEvent | None = None
        """The disconnect, once it has come."""
        self._closed = False
        self._changed: trio.Event | None = None
        """Set at the next change; None while nobody waits for one."""

    async def put(self, event: ASGIReceiveEvent) -> None:
        """Pass on one event; it is dropped if the app has ended, or if it comes after the disconnect."""
        if event["type"] in {"http.disconnect", "websocket.disconnect"}:
            self._last = event
            self._note_change()
            return
        await trio.lowlevel.checkpoint()
        while len(self._events) >= self._size and not self._is_over:
            await self._wait_change()
        if not self._is_over:
            self._events.append(event)
            self._note_change()

    async def take(self) -> ASGIReceiveEvent:
        """Return the next event; once the disconnect has been taken, return it again. If cancelled, none is lost."""
        await trio.lowlevel.checkpoint()
        while not self._events and self._last is None:
            await self._wait_change()
        if self._events:
            self._note_change()
            return self._events.pop(0)
        return cast("ASGIReceiveEvent", self._last)

    def close(self) -> None:
        """Drop all events: the app has ended."""
        self._closed = True
        self._events.clear()
        self._note_change()

    @property
    def _is_over(self) -> bool:
        """True if no further event will be taken."""
        return self._closed or self._last is not None

    async def _wait_change(self) -> None:
        if self._changed is None:
            self._changed = trio.Event()
        await self._changed.wait()

    def _note_change(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None
