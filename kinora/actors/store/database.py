"""Jobs and their frames in SQLite: the statements and queries. All of them block.

A connection is used by one thread at a time; :mod:`kinora.actors.store.store` ensures that.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import attrs
import msgspec

from kinora.actors.errors import FieldError, InvalidRequest
from kinora.actors.store.schema import MIGRATIONS, SCHEMA_VERSION
from kinora.runtime.files.private_files import private_opener

MEMORY = ":memory:"
BUSY_TIMEOUT_S = 5.0
"""The time to wait for a lock that another program holds on the file."""
LARGEST = 2**63 - 1
"""The largest integer that SQLite takes."""
AFTER_IDS = "\x7f"
"""Comes after every character of a job's id."""
LOG_KEPT_BYTES = 8 * 2**20
"""The size to which the write-ahead log is cut when it begins anew; a long read lets it grow beyond that."""
ALL = -1
"""The LIMIT that stands for no limit."""

SWEEP_FRAMES = 500
"""The frames, and the events, of deleted jobs that are removed in one transaction: some milliseconds, even for a long
job."""
SWEEP_JOBS = 100
"""The deleted jobs that are swept in one transaction, as far as their frames are not more than that."""
SWEEP_PAGES = 500
"""The free pages, of 4 KB each, that are given back to the disk in one transaction."""
REBUILD_BYTES = 128 * 2**20
"""The most data in a file that is rebuilt so that it can shrink: nothing is written meanwhile, for some seconds."""
INCREMENTAL = 2
"""The mode in which a file can give free pages back."""
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
"""SQLite's codes for a file whose content is wrong."""
OUT_OF_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
"""SQLite's codes for a disk that may be full: a quota, or a limit on the file, shows as an I/O error."""
PAGE_BYTES = 256 * 1024
"""A page of frames ends with the frame that fills this size; at least one frame is in it."""
SEARCHED_JOBS = 20_000
"""The most jobs that one search reads, from its index alone: some 10 ms. Its cursor then leads to the older ones."""
SEARCHED_WORDS = 16
"""The most words of a search; further ones are ignored."""
_JOB = "job_id, created_at, status, request, state, idempotency_key, request_hash, upload, source, ended_at"


class DatabaseUnusable(Exception):
    """The file is not a database of Kinora, or this version cannot read it."""


@attrs.frozen(kw_only=True)
class JobRecord:
    """A job as it is stored."""

    job_id: str
    created_at: str
    """ISO 8601 in UTC, by the machine's clock, which may be set back: it is no order."""
    status: str
    request: bytes
    """The JobRequest as JSON."""
    state: bytes
    """The JobState as JSON."""
    idempotency_key: str | None = None
    request_hash: str = ""
    """A hash of the request that came with the key."""
    upload: str | None = None
    """The name of its uploaded file; rows of earlier versions have the absolute path."""
    source: bytes = b""
    """The SourceInfo as JSON, as it was when the job was accepted; empty in rows of earlier versions."""
    ended_at: str | None = None
    """The time at which it ended, as ``created_at`` is; None for a job that has not."""


@attrs.frozen
class Statement:
    """One change, to be written together with others in a transaction."""

    sql: str
    parameters: tuple[object, ...] = ()
    frees: bool = False
    """True if it makes room on the disk."""


TOUCH = Statement(f"PRAGMA user_version = {SCHEMA_VERSION}")
"""Changes nothing, but must reach the disk."""


def add_job(record: JobRecord) -> Statement:
    """Add a job; only this statement fails (IntegrityError) if the job or its idempotency key exists already."""
    columns = attrs.astuple(record)
    return Statement(
        f"INSERT INTO jobs ({_JOB}, words) VALUES ({', '.join('?' * len(columns))}, ?)",  # noqa: S608 - constants
        (*columns, job_words(record.request)),
    )


class _Plugin(msgspec.Struct):
    name: str


class _Searched(msgspec.Struct):
    """The part of a JobRequest that can be searched for."""

    source: str = ""
    plugins: list[_Plugin] = []


def job_words(request: bytes) -> str:
    """Return the text in which jobs are searched: source and plugins, in one case; empty if it is not a JobRequest."""
    try:
        asked = msgspec.json.decode(request, type=_Searched)
    except msgspec.MsgspecError:
        return ""
    return clean_text(" ".join([asked.source, *(plugin.name for plugin in asked.plugins)]).casefold())


class _Ended(msgspec.Struct):
    """The part of a JobState that tells when the job ended."""

    finished_at: str | None = None


def job_ended(state: bytes, created_at: str) -> str:
    """Return the time in the state of an ended job; that of its creation if there is none."""
    try:
        return msgspec.json.decode(state, type=_Ended).finished_at or created_at
    except msgspec.MsgspecError:
        return created_at


def save_job(record: JobRecord) -> Statement:
    """Save the parts of a job that can change; a deleted job stays deleted."""
    return Statement(
        "UPDATE jobs SET status = ?, state = ?, upload = ?, ended_at = ? WHERE job_id = ?",
        (record.status, record.state, record.upload, record.ended_at, record.job_id),
    )


def delete_job(job_id: str) -> Statement:
    """Delete a job and its log; its frames and events cannot be found any more, and :func:`sweep` removes them."""
    return Statement("DELETE FROM jobs WHERE job_id = ?", (job_id,), frees=True)


def save_log(job_id: str, data: bytes) -> Statement:
    """Save the output of a job's plugins; does nothing if there is no such job."""
    return Statement("INSERT OR REPLACE INTO logs SELECT number, ? FROM jobs WHERE job_id = ?", (data, job_id))


def put_frame(job_id: str, index: int, data: bytes) -> Statement:
    """Add a frame; does nothing if there is one with this index already, or no such job."""
    return Statement(
        "INSERT INTO frames SELECT number, ?, ? FROM jobs WHERE job_id = ? ON CONFLICT DO NOTHING",
        (index, data, job_id),
    )


def put_states(job_id: str, index: int, states: Mapping[str, bytes]) -> list[Statement]:
    """Store the plugins' states after a frame in place of all earlier ones, unless the job has ended."""
    return [
        Statement("DELETE FROM states WHERE job = (SELECT number FROM jobs WHERE job_id = ?)", (job_id,)),
        *(
            Statement(
                "INSERT INTO states SELECT number, ?, ?, ? FROM jobs"
                " WHERE job_id = ? AND status IN ('queued', 'running', 'paused', 'interrupted')",
                (plugin, index, data, job_id),
            )
            for plugin, data in states.items()
        ),
    ]


def states(connection: sqlite3.Connection, job_id: str) -> tuple[int, dict[str, bytes]] | None:
    """Return the marked frame and plugin → its state after it; None if there are no states."""
    rows = connection.execute(
        "SELECT frame_index, plugin, data FROM states WHERE job = (SELECT number FROM jobs WHERE job_id = ?)",
        (clean_text(job_id),),
    ).fetchall()
    return (rows[0][0], {plugin: data for _, plugin, data in rows}) if rows else None


def open_writer(path: str) -> sqlite3.Connection:
    """Open the connection that writes; make the file and its tables if there are none.

    Raises:
        DatabaseUnusable: with a sentence that says what to do.
    """
    if path != MEMORY:
        with contextlib.suppress(OSError):  # SQLite then says what is wrong
            os.close(private_opener(path, os.O_RDWR | os.O_CREAT))  # SQLite's further files get the same rights
    try:
        connection = _connect(path)
    except sqlite3.Error as error:
        raise DatabaseUnusable(f"{path} cannot be opened ({error}): give a data folder that can be written") from error
    try:
        connection.execute(f"PRAGMA auto_vacuum = {INCREMENTAL}")  # takes effect in a new file only, and before WAL
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # in WAL mode NORMAL may lose what was acknowledged
        connection.execute(f"PRAGMA journal_size_limit = {LOG_KEPT_BYTES}")
        connection.execute("PRAGMA temp_store = MEMORY")  # else a large row leaves an open file in the temporary folder
        connection.execute("PRAGMA foreign_keys = OFF")  # deleting a job must not take its many frames along at once
        _migrate(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise unusable(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def unusable(path: str, error: sqlite3.Error) -> DatabaseUnusable:
    """Return what to raise if the file cannot be used at the start."""
    return DatabaseUnusable(f"{path} cannot be used ({error}): move it away or give another folder")


def open_reader(path: str) -> sqlite3.Connection:
    """Open a second connection to the file, which reads what the writer has committed."""
    existing = f"file:{quote(path)}?mode=rw"  # a file that has gone meanwhile must not be made
    connection = sqlite3.connect(
        existing, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, uri=True
    )
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT count(*) FROM jobs WHERE number = 0").fetchone()  # opens its files now, not later
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: str) -> sqlite3.Connection:
    # Not bound to a thread: Trio's worker threads come and go, and the store lets in one at a time.
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)


def _migrate(connection: sqlite3.Connection, path: str) -> None:
    connection.create_function("job_words", 1, job_words)
    connection.create_function("job_ended", 2, job_ended)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise DatabaseUnusable(f"{path} was made by a newer Kinora: update this one or give another data folder")
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; COMMIT;")


def checkpoint(connection: sqlite3.Connection) -> None:
    """Move the write-ahead log into the database if that is possible now."""
    with contextlib.suppress(sqlite3.Error):  # commits are safe in the log as well
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def begin_log_anew(connection: sqlite3.Connection) -> None:
    """Move what is possible of the write-ahead log into the database, without waiting for readers.

    If that is all, the log takes no more room, and the file of the database shrinks to what is in use.
    """
    with contextlib.suppress(sqlite3.Error):  # there may be no room
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


def write(connection: sqlite3.Connection, statements: Iterable[Statement]) -> list[Exception | None]:
    """Write all statements in one transaction, which is on disk when this returns; return their errors.

    A statement that is itself at fault is left out, and its error is at its place in the answer.

    Raises:
        sqlite3.Error: nothing was written.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        faults = [_attempt(connection, statement) for statement in statements]
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite ends the transaction by itself when the disk is full
            connection.execute("ROLLBACK")
        raise
    return faults


def _attempt(connection: sqlite3.Connection, statement: Statement) -> Exception | None:
    try:
        connection.execute(statement.sql, statement.parameters)
    except (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, UnicodeEncodeError) as error:
        return error
    return None


def is_damage(error: Exception) -> bool:
    """Return whether the error says that the file is damaged."""
    return _primary(error) in DAMAGED


def may_be_full(error: Exception) -> bool:
    """Return whether the error may come from a full disk."""
    return _primary(error) in OUT_OF_ROOM


def _primary(error: Exception) -> int:
    """Return SQLite's code without its details; 0 if it is no error of SQLite's."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def find_damage(connection: sqlite3.Connection) -> str | None:
    """Read the whole file, and return the first damage found, if any. ``connection.interrupt()`` ends it early.

    Raises:
        sqlite3.Error: the file could not be read, or the damage is so bad that the check itself failed.
    """
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    return None if found == "ok" else " ".join(found.split())


def has_garbage(connection: sqlite3.Connection) -> bool:
    """Return whether there may be frames of deleted jobs, or pages to give back to the disk."""
    return _has_deleted(connection) or (_can_shrink(connection) and _number(connection, "freelist_count") > 0)


def sweep(connection: sqlite3.Connection) -> bool:
    """Remove some frames of deleted jobs; once there are none, give some free pages back. Return if there may be more.

    Raises:
        sqlite3.Error: nothing was removed or given back.
    """
    if not _has_deleted(connection):
        return _give_back(connection)
    first = "SELECT job FROM deleted ORDER BY job LIMIT ?"
    frames = f"SELECT rowid FROM frames WHERE job IN ({first}) LIMIT ?"  # noqa: S608 - constants
    events = f"SELECT rowid FROM events WHERE job IN ({first}) LIMIT ?"  # noqa: S608 - constants
    left = (f"EXISTS (SELECT 1 FROM {table} WHERE {table}.job = deleted.job)" for table in ("frames", "events"))  # noqa: S608
    empty = f"job IN ({first}) AND NOT ({' OR '.join(left)})"
    statements = (
        Statement(f"DELETE FROM frames WHERE rowid IN ({frames})", (SWEEP_JOBS, SWEEP_FRAMES)),  # noqa: S608 - constants
        Statement(f"DELETE FROM events WHERE rowid IN ({events})", (SWEEP_JOBS, SWEEP_FRAMES)),  # noqa: S608 - constants
        Statement(f"DELETE FROM deleted WHERE {empty}", (SWEEP_JOBS,)),  # noqa: S608 - constants
    )
    write(connection, statements)
    return True


def _has_deleted(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT EXISTS (SELECT 1 FROM deleted)").fetchone()[0])


def _give_back(connection: sqlite3.Connection) -> bool:
    """Give some free pages back; the file shrinks once there are no more. Return whether there are more."""
    if not _can_shrink(connection):
        return False
    connection.executescript(f"PRAGMA incremental_vacuum({SWEEP_PAGES})")  # execute() would free one page only
    if _number(connection, "freelist_count") > 0:
        return True
    begin_log_anew(connection)
    return False


def rebuild_needs(connection: sqlite3.Connection) -> int | None:
    """Return the free bytes that rebuilding the file needs; None if that is not worth it, or takes too long.

    Files of older versions cannot shrink. They are rebuilt once most of their pages are free.
    """
    pages, free = _number(connection, "page_count"), _number(connection, "freelist_count")
    used = (pages - free) * _number(connection, "page_size")
    if _can_shrink(connection) or free <= pages // 2 or used > REBUILD_BYTES:
        return None
    return 3 * used  # the new file, its copy in the write-ahead log, and again as much to be safe


def rebuild(connection: sqlite3.Connection) -> None:
    """Write the file anew, so that it shrinks now and can give pages back later.

    Raises:
        sqlite3.Error: the file is as it was.
    """
    connection.execute(f"PRAGMA auto_vacuum = {INCREMENTAL}")
    connection.execute("PRAGMA temp_store = FILE")  # the copy is too large for memory
    try:
        connection.execute("VACUUM")
    finally:
        connection.execute("PRAGMA temp_store = MEMORY")
    checkpoint(connection)


def _can_shrink(connection: sqlite3.Connection) -> bool:
    return _number(connection, "auto_vacuum") == INCREMENTAL


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def log(connection: sqlite3.Connection, job_id: str) -> bytes | None:
    """Return the saved output of the job's plugins; None if there is none."""
    row = connection.execute(
        "SELECT data FROM logs WHERE job = (SELECT number FROM jobs WHERE job_id = ?)", (clean_text(job_id),)
    ).fetchone()
    return None if row is None else bytes(row[0])


def job(connection: sqlite3.Connection, job_id: str) -> JobRecord | None:
    """Return the job of this id; None if there is none."""
    return _one(connection, f"SELECT {_JOB} FROM jobs WHERE job_id = ?", job_id)  # noqa: S608 - a constant


def job_by_key(connection: sqlite3.Connection, key: str) -> JobRecord | None:
    """Return the job that was submitted with this idempotency key; None if there is none."""
    return _one(connection, f"SELECT {_JOB} FROM jobs WHERE idempotency_key = ?", key)  # noqa: S608 - a constant


def uploads(connection: sqlite3.Connection) -> list[str]:
    """Return the uploaded files of all jobs."""
    return [upload for (upload,) in connection.execute("SELECT upload FROM jobs WHERE upload IS NOT NULL")]


def jobs(  # noqa: PLR0917 - the store passes them on by position
    connection: sqlite3.Connection,
    status: str | None,
    limit: int | None,
    cursor: str | None,
    id_prefix: str | None = None,
    search: str | None = None,
) -> tuple[list[JobRecord], str | None]:
    """Return a page of jobs, the last to arrive first, and the cursor of the next page.

    Only those of this status, and those whose id begins with ``id_prefix``, if given. Each word of ``search`` is part
    of what a job can be searched by, or the beginning of its id. A search reads ``SEARCHED_JOBS`` at most: its page
    may have fewer jobs than ``limit`` although there are more.

    Raises:
        InvalidRequest: this server did not give the cursor.
    """
    conditions, parameters = ["TRUE"], list[object]()
    if status is not None:
        conditions.append("status = ?")
        parameters.append(clean_text(status))
    if id_prefix is not None:
        conditions.append("job_id >= ? AND job_id < ?")
        parameters += [clean_text(id_prefix), clean_text(id_prefix) + AFTER_IDS]
    if cursor is not None:
        conditions.append("number < ?")
        parameters.append(_read_cursor(cursor))
    words = (search or "").casefold().split()[:SEARCHED_WORDS]
    floor = _search_floor(connection, cursor) if words else None
    if floor is not None:
        conditions.append("number > ?")
        parameters.append(floor)
    for word in words:
        conditions.append("(instr(words, ?) OR substr(job_id, 1, length(?)) = ?)")
        parameters += [clean_text(word)] * 3
    index = "INDEXED BY jobs_searched" if words else ""
    numbers = f"SELECT number FROM jobs {index} WHERE {' AND '.join(conditions)} ORDER BY number DESC LIMIT ?"  # noqa: S608
    rows = connection.execute(
        f"SELECT number, {_JOB} FROM jobs WHERE number IN ({numbers}) ORDER BY number DESC",  # noqa: S608 - constants
        (*parameters, ALL if limit is None else _limit(limit) + 1),
    ).fetchall()
    page = rows if limit is None else rows[: _limit(limit)]
    records = [_record(row[1:]) for row in page]
    if records and len(rows) > len(page):
        return records, _cursor(page[-1][0])
    return records, None if not floor else _cursor(floor + 1)


def _search_floor(connection: sqlite3.Connection, cursor: str | None) -> int:
    """Return the number above which a search from ``cursor`` on reads; 0 if it reads all jobs that are left."""
    (newest,) = connection.execute("SELECT max(number) FROM jobs").fetchone()
    top = (newest or 0) + 1 if cursor is None else _read_cursor(cursor)
    return max(0, top - 1 - SEARCHED_JOBS)


def frames(connection: sqlite3.Connection, job_id: str, after: int, last: int, limit: int) -> dict[int, bytes]:
    """Return index → frame, in order: at most ``limit`` frames above ``after``, up to and including ``last``.

    They end with the frame that fills ``PAGE_BYTES``.
    """
    rows = connection.execute(
        "SELECT frame_index, data FROM frames WHERE job = (SELECT number FROM jobs WHERE job_id = ?)"
        " AND frame_index > ? AND frame_index <= ? ORDER BY frame_index LIMIT ?",
        (clean_text(job_id), clip_integer(after), clip_integer(last), limit),
    )
    with contextlib.closing(rows):  # a query that is not read to its end holds on to an old state of the database
        return dict(until_full(rows))


def until_full(frames: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Yield indexes with their frames until these are ``PAGE_BYTES`` or more; the frame that crosses that is in."""
    size = 0
    for index, data in frames:
        yield index, data
        size += len(data)
        if size >= PAGE_BYTES:
            return


def frame_count(connection: sqlite3.Connection, job_id: str, before: int) -> int:
    """Return the number of frames with an index below ``before``."""
    (count,) = connection.execute(
        "SELECT count(*) FROM frames WHERE job = (SELECT number FROM jobs WHERE job_id = ?) AND frame_index < ?",
        (clean_text(job_id), before),
    ).fetchone()
    return int(count)


def last_index(connection: sqlite3.Connection, job_id: str) -> int | None:
    """Return the highest index among the frames; None if there are none."""
    (index,) = connection.execute(
        "SELECT max(frame_index) FROM frames WHERE job = (SELECT number FROM jobs WHERE job_id = ?)",
        (clean_text(job_id),),
    ).fetchone()
    return None if index is None else int(index)


def newest_and_frames(
    connection: sqlite3.Connection, job_id: str, after: int, limit: int
) -> tuple[int | None, dict[int, bytes]]:
    """Return the highest index, and the frames up to it as :func:`frames` does: one trip to the database for both."""
    newest = last_index(connection, job_id)
    return newest, {} if newest is None else frames(connection, job_id, after, newest, limit)


def _one(connection: sqlite3.Connection, sql: str, parameter: str) -> JobRecord | None:
    row = connection.execute(sql, (clean_text(parameter),)).fetchone()
    return _record(row) if row else None


def _record(row: Sequence[Any]) -> JobRecord:
    names = (field.name for field in attrs.fields(JobRecord))
    return JobRecord(**dict(zip(names, row, strict=True)))


def clean_text(value: str) -> str:
    """Replace half surrogate pairs, which a URL may contain and SQLite refuses; no stored text contains them."""
    return value.encode("utf-8", "replace").decode()


def clip_integer(value: int) -> int:
    """Clip a number, which in a URL may exceed the 64 bits that SQLite takes."""
    return max(-LARGEST, min(value, LARGEST))


def _limit(value: int) -> int:
    return max(0, min(value, LARGEST - 1))


def _cursor(number: int) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(number)).decode()


def _read_cursor(cursor: str) -> int:
    try:
        decoded = base64.b64decode(cursor, altchars=b"-_", validate=True)
        return clip_integer(msgspec.json.decode(decoded, type=int))
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        fault = FieldError("cursor", "is not from this server: take next_cursor of the page before")
        raise InvalidRequest("The page cannot be found.", [fault]) from error
