"""What can be wrong with a request. Each says to the user, in a sentence, what to do; web and cli word it onwards."""

from __future__ import annotations

from collections.abc import Sequence

import attrs


@attrs.frozen
class FieldError:
    """One thing wrong in the input."""

    path: str
    """Where: ``plugins[1].options.min_size``."""
    message: str


class KinoraError(Exception):
    """A request that cannot be carried out; ``str()`` of it is a sentence for the user."""


class InvalidRequest(KinoraError):
    """The input itself is wrong; trying again as it stands is of no use."""

    def __init__(self, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail, tuple(errors))
        self.detail = detail
        self.errors = tuple(errors)

    def __str__(self) -> str:
        """The sentence, with each place that is wrong."""
        return " ".join([self.detail, "; ".join(f"{e.path}: {e.message}" for e in self.errors)]).strip()


class NotFound(KinoraError):
    """There is no such job, frame or plugin (any more)."""


class Conflict(KinoraError):
    """The thing is there, but not in a state in which this can be done."""


class UnsupportedSource(KinoraError):
    """The source is there, but it is no video or image that can be read."""


class TooLarge(KinoraError):
    """The source is beyond a limit of this server."""


class QueueFull(KinoraError):
    """Too many jobs wait; later there will be room."""

    def __init__(self, detail: str, retry_after_s: int) -> None:
        super().__init__(detail, retry_after_s)
        self.detail = detail
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        """The sentence without the number."""
        return self.detail


class Unavailable(KinoraError):
    """A needed part of the server is down; the request was right."""
