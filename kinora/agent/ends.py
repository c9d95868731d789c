"""The reasons why an agent ends or connects no more."""

from __future__ import annotations

import trio
from trio_websocket import ConnectionClosed, ConnectionRejected

from kinora.client.errors import ClientError, refused
from kinora.client.websocket import SERVER_ERROR, leaves

LATER = frozenset({408, 425, 429})
"""Statuses below ``SERVER_ERROR`` after which another attempt may succeed."""


class Dismissed(Exception):
    """The server wants the agent to end; the text says why."""


def end_of(lost: BaseExceptionGroup[Exception]) -> Exception | None:
    """Return the reason not to connect again; None if another attempt may succeed."""
    for error in leaves(lost):
        match error:
            case ClientError() | Dismissed():
                return error
            case ConnectionRejected(status_code=status) if status < SERVER_ERROR and status not in LATER:
                return refused(status, error.body or b"")
    return None


def why(lost: BaseExceptionGroup[Exception]) -> str:
    """Return the reason, for the log, why a connection was lost."""
    match leaves(lost)[0]:
        case trio.TooSlowError():
            return "the server does not answer"
        case ConnectionRejected(status_code=status):
            return f"the server answers with status {status}"
        case ConnectionClosed(reason=reason):
            return f"the connection was closed: {getattr(reason, 'reason', None) or 'without a reason'}"
        case OSError(strerror=str(reason)):
            return reason
        case error:
            return str(error) or type(error).__name__
