"""Looks for damage in a whole database file, in a thread and by a connection of its own."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import trio

from kinora.actors.store import database

INTERRUPT_S = 0.05
"""The time between two attempts to interrupt the check when it is cancelled."""


async def find_damage(path: Path | str) -> str | None:
    """Return the damage that SQLite finds first; None if it finds none. If cancelled, the check ends at once.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    limiter = trio.CapacityLimiter(1)
    connection = await trio.to_thread.run_sync(database.open_reader, str(path), limiter=limiter)
    ended = trio.Event()

    async def interrupt_when_cancelled() -> None:
        try:
            await ended.wait()
        finally:
            with trio.CancelScope(shield=True):
                while not ended.is_set():
                    connection.interrupt()  # has no effect before the statement has begun
                    with trio.move_on_after(INTERRUPT_S):
                        await ended.wait()

    found: str | sqlite3.Error | None = None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(interrupt_when_cancelled)
            try:
                found = await trio.to_thread.run_sync(database.find_damage, connection, limiter=limiter)
            except sqlite3.Error as error:
                found = error  # raised behind the nursery, which would put it into a group
            finally:
                ended.set()
    finally:
        connection.close()
    if isinstance(found, sqlite3.Error):
        raise found
    return found
