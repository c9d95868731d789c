"""The reasons to refuse a request. The text of each tells the user what to do; web and cli show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from kinora.nearest import no_such
from kinora.plugins.option_errors import MAX_ERRORS


@attrs.frozen
class FieldError:
    """One error in the input."""

    path: str
    """The place of the error, such as ``plugins[1].options.min_size``."""
    message: str


class KinoraError(Exception):
    """A request cannot be carried out; ``str()`` of the error is a sentence for the user."""


class InvalidRequest(KinoraError):
    """The input is wrong; sending the same again fails again.

    At most ``MAX_ERRORS`` errors are kept, and ``detail`` says so if there are more. ``total`` is their number if it is
    more than that of ``errors``.
    """

    def __init__(self, detail: str, errors: Sequence[FieldError] = (), total: int = 0) -> None:
        listed, total = tuple(errors[:MAX_ERRORS]), max(total, len(errors))
        if total > len(listed):
            detail += f" Only {len(listed)} of at least {total:,} errors are listed."
        super().__init__(detail, listed)
        self.detail = detail
        self.errors = listed

    def __str__(self) -> str:
        """Return the sentence, then each error with its place."""
        return " ".join([self.detail, "; ".join(f"{e.path}: {e.message}" for e in self.errors)]).strip()


class NotFound(KinoraError):
    """The job, frame or plugin does not exist, or no longer does."""


def require_plugin(name: str, plugins: Iterable[str]) -> None:
    """Check that a job has a plugin; ``plugins`` are the names of those that it has.

    Raises:
        NotFound: it has not.
    """
    names = list(plugins)
    if name not in names:
        raise NotFound(f"{no_such('plugin', name, names, place='this job')}.")


class Conflict(KinoraError):
    """The request does not fit the present state, such as that of the job."""


class UnsupportedSource(KinoraError):
    """The source exists, but is not a video or image that can be read."""


class TooLarge(KinoraError):
    """The source exceeds a limit of this server."""


class TryLater(KinoraError):
    """The server has too much to do now; ``retry_after_s`` is the time after which to try again."""

    def __init__(self, detail: str, retry_after_s: int) -> None:
        super().__init__(detail, retry_after_s)
        self.detail = detail
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        """Return the sentence without the number."""
        return self.detail


class QueueFull(TryLater):
    """Too many jobs wait."""


class InProgress(TryLater, Conflict):
    """The same request is being carried out already."""


class Busy(TryLater):
    """Too many requests of this kind wait."""


class Unavailable(KinoraError):
    """The request was right, but a part of the server that it needs is down."""
