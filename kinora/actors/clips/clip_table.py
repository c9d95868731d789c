"""The table of clips: what is stored of each, and its statements and queries, which block."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

import attrs

from kinora.actors.database import Statement, clean_text

MAX_JOB_CLIPS = 1000
"""The most clips that a job has. Further events have none."""


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


_WANTED = ", ".join(field.name for field in attrs.fields(WantedClip)[1:])
_CLIP = ", ".join(field.name for field in attrs.fields(Clip))


def want_clip(wanted: WantedClip) -> Statement:
    """Note a clip that is to be cut, unless it is there, or the job has enough clips or was deleted."""
    job_id, *others = attrs.astuple(wanted)
    return Statement(
        f"INSERT INTO clips (job, {_WANTED}) SELECT number, {', '.join('?' * len(others))} FROM jobs"  # noqa: S608
        f" WHERE job_id = ? AND (SELECT count(*) FROM clips WHERE job = jobs.number) < {MAX_JOB_CLIPS}"
        " ON CONFLICT DO NOTHING",
        (*others, job_id),
    )


def keep_clip(wanted: WantedClip, start_ms: float, duration_ms: float, size: int) -> Statement:
    """Note that a clip is there."""
    return Statement(
        "UPDATE clips SET start_ms = ?, duration_ms = ?, bytes = ?"
        " WHERE job = (SELECT number FROM jobs WHERE job_id = ?) AND event = ?",
        (start_ms, duration_ms, size, wanted.job_id, wanted.event),
    )


def drop_clip(wanted: WantedClip) -> Statement:
    """Forget a clip that cannot be cut."""
    return Statement(
        "DELETE FROM clips WHERE job = (SELECT number FROM jobs WHERE job_id = ?) AND event = ?",
        (wanted.job_id, wanted.event),
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


def is_wanted(connection: sqlite3.Connection, wanted: WantedClip) -> bool:
    """Return whether a clip is still to be cut: its job may have been deleted, or have enough clips."""
    found = connection.execute(
        "SELECT 1 FROM clips WHERE job = (SELECT number FROM jobs WHERE job_id = ?) AND event = ? AND bytes IS NULL",
        (wanted.job_id, wanted.event),
    ).fetchone()
    return found is not None


def clips(connection: sqlite3.Connection, job_id: str) -> list[Clip]:
    """Return all clips of a job, at most ``MAX_JOB_CLIPS``, in the order of their events."""
    rows = connection.execute(
        f"SELECT {_CLIP} FROM clips WHERE job = (SELECT number FROM jobs WHERE job_id = ?)"  # noqa: S608 - constants
        " AND bytes IS NOT NULL ORDER BY event",
        (clean_text(job_id),),
    )
    names = [field.name for field in attrs.fields(Clip)]
    return [Clip(**dict(zip(names, row, strict=True))) for row in rows]


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the id of each job that has clips, and their number, those that are still to be cut included."""
    query = "SELECT job_id, count(*) FROM clips JOIN jobs ON jobs.number = clips.job GROUP BY clips.job"
    return dict(connection.execute(query))
