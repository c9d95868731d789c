"""The table of deliveries: what is stored of each, and its statements and queries, which block."""

from __future__ import annotations

import sqlite3
from typing import Any, Literal

import attrs

from kinora.actors.store.database import LARGEST, Statement

DeliveryStatus = Literal["waiting", "delivered", "given_up"]
KEPT = 1000
"""The deliveries that are kept after their end, of all webhooks together: older ones are forgotten, now and then."""
_WAITING = "status = 'waiting'"


@attrs.frozen(kw_only=True)
class NewDelivery:
    """A message that is to be posted."""

    webhook: str
    key: str
    """Names it among those of its webhook; the same each time that it is made, after a restart of the server too."""
    job_id: str
    type: str
    """The type of the message: ``event``, ``complete`` or ``warning``."""
    kind: str
    event: int | None
    """The number of the event in its job; None for other messages."""
    created_at: str
    body: bytes = attrs.field(repr=False)
    """The message as JSON. It is forgotten when the delivery has ended."""


@attrs.frozen(kw_only=True)
class Delivery(NewDelivery):
    """A delivery as it is stored."""

    number: int
    """Higher than those of all deliveries before it."""
    status: DeliveryStatus
    attempts: int
    tried_at: str | None
    """When the last attempt ended."""
    answer: str
    """What came of that, a sentence without the receiver's address; empty before."""


@attrs.frozen(kw_only=True)
class DeliveryFilter:
    """Says which deliveries are asked for: without more, all."""

    webhook: str | None = None
    status: DeliveryStatus | None = None
    failed: bool = False
    """Only those whose last attempt has failed, and those that were given up."""


_NEW = ", ".join(field.name for field in attrs.fields(NewDelivery))
_ALL = ", ".join(field.name for field in attrs.fields(Delivery))


def add_delivery(new: NewDelivery) -> Statement:
    """Add a delivery that waits; does nothing if it is there already."""
    columns = attrs.astuple(new)
    marks = ", ".join("?" * len(columns))
    return Statement(f"INSERT INTO deliveries ({_NEW}) VALUES ({marks}) ON CONFLICT DO NOTHING", columns)  # noqa: S608


def note_attempt(webhook: str, key: str, tried_at: str, answer: str) -> Statement:
    """Note an attempt, and what came of it."""
    return Statement(
        "UPDATE deliveries SET attempts = attempts + 1, tried_at = ?, answer = ? WHERE webhook = ? AND key = ?",
        (tried_at, answer, webhook, key),
    )


def end_delivery(webhook: str, key: str, status: DeliveryStatus, answer: str) -> Statement:
    """End a delivery, for the reason ``answer``, and forget its body."""
    return Statement(
        "UPDATE deliveries SET answer = ?, status = ?, body = x'' WHERE webhook = ? AND key = ?",
        (answer, status, webhook, key),
    )


def give_up_all(webhook: str, answer: str) -> Statement:
    """End all deliveries of a webhook that wait."""
    return Statement(
        f"UPDATE deliveries SET answer = ?, status = 'given_up', body = x'' WHERE webhook = ? AND {_WAITING}",  # noqa: S608
        (answer, webhook),
    )


def forget_old() -> Statement:
    """Forget the deliveries that ended long ago, so that ``KEPT`` and those that wait are left.

    Those that wait are found by their index: reading the status of each row would read its body.
    """
    return Statement(
        f"DELETE FROM deliveries WHERE number <= (SELECT max(number) FROM deliveries) - {KEPT}"  # noqa: S608
        f" AND number NOT IN (SELECT number FROM deliveries WHERE {_WAITING})"
    )


def waiting(connection: sqlite3.Connection) -> list[Delivery]:
    """Return all deliveries that wait, the oldest first, without their bodies."""
    columns = _ALL.replace("body", "x''")
    rows = connection.execute(f"SELECT {columns} FROM deliveries WHERE {_WAITING} ORDER BY number")  # noqa: S608
    return [_delivery(row) for row in rows]


def body(connection: sqlite3.Connection, webhook: str, key: str) -> bytes | None:
    """Return the body of a delivery that waits; None if it has ended or was never there."""
    row = connection.execute(
        f"SELECT body FROM deliveries WHERE webhook = ? AND key = ? AND {_WAITING}",  # noqa: S608
        (webhook, key),
    ).fetchone()
    return None if row is None else bytes(row[0])


def deliveries(
    connection: sqlite3.Connection, chosen: DeliveryFilter, before: int | None, limit: int
) -> list[Delivery]:
    """Return a page of deliveries without their bodies, the newest first: those numbered below ``before``."""
    columns = _ALL.replace("body", "x''")
    rows = connection.execute(
        f"SELECT {columns} FROM deliveries WHERE number < ?1 AND (?2 IS NULL OR webhook = ?2)"  # noqa: S608
        " AND (?3 IS NULL OR status = ?3) AND (NOT ?4 OR (status != 'delivered' AND answer != ''))"
        " ORDER BY number DESC LIMIT ?5",
        (LARGEST if before is None else before, chosen.webhook, chosen.status, chosen.failed, limit),
    )
    return [_delivery(row) for row in rows]


def webhooks(connection: sqlite3.Connection) -> list[str]:
    """Return the names of all webhooks that there are deliveries of; an index has them."""
    return [name for (name,) in connection.execute("SELECT DISTINCT webhook FROM deliveries ORDER BY webhook")]


def _delivery(row: tuple[Any, ...]) -> Delivery:
    names = (field.name for field in attrs.fields(Delivery))
    return Delivery(**dict(zip(names, row, strict=True)))
