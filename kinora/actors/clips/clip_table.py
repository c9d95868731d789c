"""The table of clips: what is stored of each, and its statements and queries, which block."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

import attrs

from kinora.actors.store.database import Statement, clean_text

MAX_JOB_CLIPS = 1000
"""The most clips that a job keeps. Beyond it the oldest goes for each new one."""
MAX_WANTED = 1000
"""The most clips of a job that wait to be made. Beyond it events have none."""


@attrs.frozen(kw_only=True)
class WantedClip:
    """A clip that is still to be cut."""

    job_id: str
    event: int
    """The number of its event in the job."""
    plugin: str
    kind: str
    frame_index: int
    timestamp_ms: float
    """The time of the event in the video."""
    begin_ms: float
    """Where it is to begin."""
    end_ms: float


@attrs.frozen(kw_only=True)
class Clip:
    """A clip that is kept."""

    event: int
    plugin: str
    kind: str
    frame_index: int
    timestamp_ms: float
    start_ms: float
    """Where it begins: at a key frame."""
    duration_ms: float
    bytes: int
    codec: str | None
    """FFmpeg's name of how its pictures are coded; None for a clip of an earlier version."""
    to_encode: bool = attrs.field(converter=bool)
    """True while it is still to be encoded, so that browsers play it."""


_WANTED = ", ".join(field.name for field in attrs.fields(WantedClip)[1:])
_CLIP = ", ".join(field.name for field in attrs.fields(Clip))


def want_clip(wanted: WantedClip) -> Statement:
    """Note a clip that is to be cut, unless it is there, or too many of the job wait, or the job was deleted."""
    job_id, *others = attrs.astuple(wanted)
    return Statement(
        f"INSERT INTO clips (job, {_WANTED}) SELECT number, {', '.join('?' * len(others))} FROM jobs"  # noqa: S608
        f" WHERE job_id = ? AND (SELECT count(*) FROM clips WHERE job = jobs.number AND bytes IS NULL) < {MAX_WANTED}"
        " ON CONFLICT DO NOTHING",
        (*others, job_id),
    )


def keep_clip(
    wanted: WantedClip, start_ms: float, duration_ms: float, size: int, codec: str, *, to_encode: bool
) -> Statement:
    """Note that a clip is there."""
    return Statement(
        "UPDATE clips SET start_ms = ?, duration_ms = ?, bytes = ?, codec = ?, to_encode = ?"
        " WHERE job = (SELECT number FROM jobs WHERE job_id = ?) AND event = ?",
        (start_ms, duration_ms, size, codec, to_encode, wanted.job_id, wanted.event),
    )


def keep_encoded(job_id: str, event: int, codec: str, size: int) -> Statement:
    """Note that a clip was encoded, if it is still there."""
    return Statement(
        "UPDATE clips SET bytes = ?, codec = ?, to_encode = 0"
        " WHERE job = (SELECT number FROM jobs WHERE job_id = ?) AND event = ?",
        (size, codec, job_id, event),
    )


def keep_copied(job_id: str, event: int) -> Statement:
    """Note that a clip cannot be encoded."""
    return Statement(
        "UPDATE clips SET to_encode = 0 WHERE job = (SELECT number FROM jobs WHERE job_id = ?) AND event = ?",
        (job_id, event),
    )


def drop_clip(job_id: str, event: int) -> Statement:
    """Forget a clip that cannot be cut, or goes for a newer one."""
    return Statement(
        "DELETE FROM clips WHERE job = (SELECT number FROM jobs WHERE job_id = ?) AND event = ?", (job_id, event)
    )


def next_wanted(connection: sqlite3.Connection, but: Collection[str] = ()) -> WantedClip | None:
    """Return the clip to cut next, the first of the oldest job ``but`` these; None if none is wanted."""
    row = connection.execute(
        f"SELECT job_id, {_WANTED} FROM clips JOIN jobs ON jobs.number = clips.job"  # noqa: S608 - constants
        " WHERE bytes IS NULL AND job_id NOT IN (SELECT value FROM json_each(?)) ORDER BY clips.job, event LIMIT 1",
        (json.dumps([*but]),),
    ).fetchone()
    if row is None:
        return None
    names = (field.name for field in attrs.fields(WantedClip))
    return WantedClip(**dict(zip(names, row, strict=True)))


def next_to_encode(connection: sqlite3.Connection) -> tuple[str, int] | None:
    """Return the job and event of the newest clip that is still to be encoded; None if none is."""
    found: tuple[str, int] | None = connection.execute(
        "SELECT job_id, event FROM clips JOIN jobs ON jobs.number = clips.job WHERE to_encode"
        " ORDER BY clips.rowid DESC LIMIT 1"
    ).fetchone()
    return found


def is_wanted(connection: sqlite3.Connection, wanted: WantedClip) -> bool:
    """Return whether a clip is still to be cut: its job may have been deleted, or too many have waited."""
    found = connection.execute(
        "SELECT 1 FROM clips WHERE job = (SELECT number FROM jobs WHERE job_id = ?) AND event = ? AND bytes IS NULL",
        (wanted.job_id, wanted.event),
    ).fetchone()
    return found is not None


def has_clip(connection: sqlite3.Connection, job_id: str, event: int) -> bool:
    """Return whether there is a clip of an event, or is to be one."""
    return event in events(connection, job_id)


def clips(connection: sqlite3.Connection, job_id: str) -> list[Clip]:
    """Return all clips of a job, at most ``MAX_JOB_CLIPS``, in the order of their events."""
    rows = connection.execute(
        f"SELECT {_CLIP} FROM clips WHERE job = (SELECT number FROM jobs WHERE job_id = ?)"  # noqa: S608 - constants
        " AND bytes IS NOT NULL ORDER BY event",
        (clean_text(job_id),),
    )
    names = [field.name for field in attrs.fields(Clip)]
    return [Clip(**dict(zip(names, row, strict=True))) for row in rows]


def oldest_beyond(connection: sqlite3.Connection, wanted: WantedClip, most: int) -> list[int]:
    """Return the events of the oldest clips of a job that must go so that it has ``most`` with this new one."""
    rows = connection.execute(
        "SELECT event FROM clips WHERE job = (SELECT number FROM jobs WHERE job_id = ?) AND bytes IS NOT NULL"
        " AND event != ? ORDER BY event DESC LIMIT -1 OFFSET ?",
        (wanted.job_id, wanted.event, most - 1),
    )
    return [event for (event,) in rows]


def events(connection: sqlite3.Connection, job_id: str) -> set[int]:
    """Return the events of a job that have a clip, or are to have one."""
    rows = connection.execute(
        "SELECT event FROM clips WHERE job = (SELECT number FROM jobs WHERE job_id = ?)", (job_id,)
    )
    return {event for (event,) in rows}


def waiting(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the id of each job that has clips, or is to have some, and the number that are still to be made."""
    query = "SELECT job_id, count(*) - count(bytes) FROM clips JOIN jobs ON jobs.number = clips.job GROUP BY clips.job"
    return dict(connection.execute(query))
