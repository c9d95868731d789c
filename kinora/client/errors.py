"""Errors of calls to a server, each with a sentence for the user."""

from __future__ import annotations

import msgspec


class ClientError(Exception):
    """The call did not succeed; ``str()`` of the error is a sentence for the user.

    ``status`` is the HTTP status of the server's answer, None if there was no answer.
    """

    def __init__(self, sentence: str, status: int | None = None) -> None:
        super().__init__(sentence, status)
        self.sentence = sentence
        self.status = status

    def __str__(self) -> str:
        """The sentence alone."""
        return self.sentence


def unreachable(url: str) -> ClientError:
    """The error if no server answers at ``url``."""
    return ClientError(f"No Kinora server answers at {url}: start one with `kinora serve`, or give another --url")


def refused(status: int, body: bytes) -> ClientError:
    """The error for a problem document (RFC 9457): its sentence, and each wrong place in the input."""
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except msgspec.DecodeError:
        return ClientError(f"The server answered with status {status} and no reason", status)
    places = "; ".join(f"{error.path}: {error.message}" for error in problem.errors)
    return ClientError(
        f"{problem.detail or problem.title or f'Refused with status {status}.'} {places}".rstrip(), status
    )


class _Place(msgspec.Struct):
    path: str
    message: str


class _Problem(msgspec.Struct):
    detail: str = ""
    title: str = ""
    errors: list[_Place] = []
