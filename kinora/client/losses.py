"""What the loss of a WebSocket means for a client: another attempt, or the end."""

from __future__ import annotations

from collections.abc import Mapping

from trio_websocket import ConnectionClosed, ConnectionRejected

from kinora.client.errors import ClientError, refused

CONNECT_S = 10.0
"""The time for a connection and its handshake."""
SERVER_ERROR = 500
"""From this status of a refused handshake on, another attempt may succeed."""


def end_of(lost: BaseExceptionGroup[Exception], final: Mapping[int, str]) -> ClientError | None:
    """The reason not to connect again; None if another attempt may succeed.

    ``final`` has the close codes after which none does, and why.
    """
    for error in leaves(lost):
        match error:
            case ClientError():
                return error
            case ConnectionRejected() if error.status_code < SERVER_ERROR:
                return refused(error.status_code, error.body or b"")
            case ConnectionClosed(reason=reason) if reason is not None and reason.code in final:
                return ClientError(": ".join(filter(None, [final[reason.code], reason.reason])))
    return None


def leaves(group: BaseExceptionGroup[Exception]) -> list[Exception]:
    """The errors in a group and in all groups within it."""
    found: list[Exception] = []
    for error in group.exceptions:
        found += leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
