"""Times as jobs have them: ISO 8601 in UTC with milliseconds, so that their order is that of the text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kinora.media.arrival import clock_s

MILLISECONDS_END = len("2026-11-23T08:00:00.123")


def time_text(time: datetime) -> str:
    """Return the time as ``2026-11-23T08:00:00.123Z``."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc_now() -> str:
    """Return the current time, as :func:`time_text` does."""
    return f"{datetime.now(UTC).isoformat(timespec='milliseconds')[:MILLISECONDS_END]}Z"


def arrival_text(received_s: float) -> str:
    """Return the time that was ``received_s`` by :func:`~kinora.media.arrival.clock_s`, as :func:`time_text` does."""
    return time_text(datetime.now(UTC) - timedelta(seconds=clock_s() - received_s))


def arrival_of(text: str) -> float:
    """Return what :func:`arrival_text` has made ``text`` of, on an earlier server too; now if it is yet to come."""
    return clock_s() - max(0.0, (datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds())


def time_before(now: datetime, seconds: float) -> str:
    """Return the time so many seconds before ``now``; empty, which is before all times, if it has no year."""
    try:
        return time_text(now - timedelta(seconds=seconds))
    except OverflowError:
        return ""
