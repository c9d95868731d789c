"""Errors of calls to a server, each with a sentence for the user."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class WrongPlace(msgspec.Struct, frozen=True):
    """An error in the input."""

    path: str
    """The place in the request, such as ``plugins[1].options.min_size``."""
    message: str


class ClientError(Exception):
    """The call did not succeed; ``str()`` of the error is a sentence for the user.

    ``status`` is the HTTP status of the server's answer, None if there was no answer. ``places`` are the errors in the
    input, if it is them that the server refuses; ``detail`` is the sentence without them.
    """

    def __init__(self, detail: str, status: int | None = None, places: Sequence[WrongPlace] = ()) -> None:
        super().__init__(detail, status, tuple(places))
        self.detail = detail
        self.status = status
        self.places = tuple(places)

    def __str__(self) -> str:
        """The sentence, then each wrong place in the input."""
        return " ".join(filter(None, [self.detail, "; ".join(f"{at.path}: {at.message}" for at in self.places)]))


class Unreachable(ClientError):
    """No server answers."""

    def __init__(self, url: str) -> None:
        super().__init__(f"No Kinora server answers at {url}: start one with `kinora serve`, or give another address")


def refused(status: int, body: bytes) -> ClientError:
    """The error for a problem document (RFC 9457): its sentence, and each wrong place in the input."""
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except msgspec.DecodeError:
        return ClientError(f"The server answered with status {status} and no reason", status)
    detail = problem.detail or problem.title or f"Refused with status {status}."
    return ClientError(detail, status, problem.errors)


class _Problem(msgspec.Struct):
    detail: str = ""
    title: str = ""
    errors: list[WrongPlace] = []
