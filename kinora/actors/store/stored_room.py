"""The room that stored jobs take, and which of them have ended: queries for the store. All of them block."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from typing import Any

import attrs

from kinora.actors.messages import EndStatus

_ROW = "length(request) + length(state) + 2 * length(words)"
"""What a job takes beside its frames and its log: the words are in an index too."""
_LOG = "coalesce((SELECT length(data) FROM logs WHERE logs.job = jobs.number), 0)"
_FRAMES = "coalesce((SELECT frame_bytes FROM sizes WHERE sizes.job = jobs.number), 0)"
_BYTES = f"{_ROW} + {_LOG} + {_FRAMES}"


@attrs.frozen(kw_only=True)
class EndedJob:
    """A job that has ended, with what it takes of the database."""

    number: int
    """Its place in the order of arrival."""
    job_id: str
    status: EndStatus
    ended_at: str
    """ISO 8601 in UTC, by the machine's clock."""
    upload: str | None
    """The name of its uploaded file; rows of earlier versions have the absolute path."""
    stored_bytes: int
    """What its deletion frees in the database at least: pages are freed whole only."""


@attrs.frozen(kw_only=True)
class StoredRoom:
    """What the database takes, in bytes."""

    used: int
    """The pages that jobs use."""
    free: int
    """The pages that are free, and go back to the disk."""
    unswept: int
    """The part of ``used`` that deleted jobs take, whose frames are being removed."""


@attrs.frozen(kw_only=True)
class StoredJobs:
    """The stored jobs in figures."""

    by_status: Mapping[str, int]
    oldest_end: EndedJob | None
    """The job that ended first; None if none has ended."""


def ended_jobs(
    connection: sqlite3.Connection, after: EndedJob | None, statuses: Collection[str], limit: int
) -> list[EndedJob]:
    """Return the jobs that ended after that one, the first to end first; of these statuses only, unless it is empty."""
    chosen, parameters = ["ended_at IS NOT NULL"], list[Any]()
    if after is not None:
        chosen.append("(ended_at, number) > (?, ?)")
        parameters += [after.ended_at, after.number]
    if statuses:
        chosen.append(f"status IN ({', '.join('?' * len(statuses))})")
        parameters += statuses
    rows = connection.execute(
        f"SELECT number, job_id, status, ended_at, upload, {_BYTES} FROM jobs INDEXED BY jobs_ended"  # noqa: S608
        f" WHERE {' AND '.join(chosen)} ORDER BY ended_at, number LIMIT ?",
        (*parameters, limit),
    )
    names = [field.name for field in attrs.fields(EndedJob)]
    return [EndedJob(**dict(zip(names, row, strict=True))) for row in rows.fetchall()]


def stored_room(connection: sqlite3.Connection) -> StoredRoom:
    """Return what the database takes; reads a few pages only."""
    pages, free, page_bytes = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    (unswept,) = connection.execute(
        "SELECT coalesce(sum(frame_bytes), 0) FROM sizes JOIN deleted USING (job)"
    ).fetchone()
    return StoredRoom(used=(pages - free) * page_bytes, free=free * page_bytes, unswept=unswept)


def stored_jobs(connection: sqlite3.Connection) -> StoredJobs:
    """Count the jobs; reads the whole of an index, some 10 ms for 100,000 jobs."""
    counted = connection.execute("SELECT status, count(*) FROM jobs GROUP BY status").fetchall()
    oldest = ended_jobs(connection, None, (), 1)
    return StoredJobs(by_status=dict(counted), oldest_end=oldest[0] if oldest else None)
