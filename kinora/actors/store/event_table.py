"""The events of jobs in SQLite: the statements and queries. All of them block, as those of ``database`` do."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable

import attrs

from kinora.actors.store.database import Statement, clean_text, clip_integer
from kinora.actors.store.job_events import StoredEvent, removed_with

EVENT_PAGE_BYTES = 256 * 1024
"""A page of events ends with the event that fills this size; at least one event is in it."""


@attrs.frozen
class EventPage:
    """Some events of a job, in the order of their numbers."""

    events: list[StoredEvent]
    next: int | None = None
    """The number after which the next page begins; None if there are no more events now."""


def page_of(events: Iterable[StoredEvent], limit: int) -> EventPage:
    """Return the first events, at most ``limit``, up to the one that fills ``EVENT_PAGE_BYTES``."""
    taken, size = list[StoredEvent](), 0
    for event in events:
        if len(taken) >= limit or size >= EVENT_PAGE_BYTES:
            return EventPage(taken, taken[-1].number if taken else None)
        taken.append(event)
        size += len(event.data)
    return EventPage(taken)


def put_event(job_id: str, event: StoredEvent) -> list[Statement]:
    """Add an event, and remove the oldest if that is due.

    Does nothing if there is one with this number already, or no such job.
    """
    put = Statement(
        "INSERT INTO events SELECT number, ?, ?, ?, ? FROM jobs WHERE job_id = ? ON CONFLICT DO NOTHING",
        (event.number, event.plugin, event.kind, event.data, job_id),
    )
    last = removed_with(event.number)
    if not last:
        return [put]
    remove = "DELETE FROM events WHERE job = (SELECT number FROM jobs WHERE job_id = ?) AND event <= ?"
    return [put, Statement(remove, (job_id, last))]


def newest_event(connection: sqlite3.Connection, job_id: str) -> int:
    """Return the number of the job's last event; 0 if it has none."""
    (number,) = connection.execute(
        "SELECT max(event) FROM events WHERE job = (SELECT number FROM jobs WHERE job_id = ?)", (clean_text(job_id),)
    ).fetchone()
    return int(number or 0)


def events(  # noqa: PLR0917 - the store passes them on by position
    connection: sqlite3.Connection, job_id: str, after: int, limit: int, kind: str | None, plugin: str | None
) -> EventPage:
    """Return a page of at most ``limit`` events above ``after``; only of this kind and plugin, if given."""
    conditions, parameters = "", list[object]()
    for column, wanted in (("kind", kind), ("plugin", plugin)):
        if wanted is not None:
            conditions += f" AND {column} = ?"
            parameters.append(clean_text(wanted))
    job = "(SELECT number FROM jobs WHERE job_id = ?)"
    rows = connection.execute(
        f"SELECT event, plugin, kind, data FROM events WHERE job = {job} AND event > ?{conditions}"  # noqa: S608
        " ORDER BY event LIMIT ?",
        (clean_text(job_id), clip_integer(after), *parameters, limit + 1),
    )
    with contextlib.closing(rows):  # it may not be read to its end
        return page_of((StoredEvent(*row) for row in rows), limit)
