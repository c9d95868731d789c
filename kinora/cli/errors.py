"""Turns exceptions into one sentence and an exit code."""

from __future__ import annotations

import click

from kinora.actors.database import DatabaseUnusable
from kinora.actors.errors import InvalidRequest, KinoraError, NotFound, TooLarge, UnsupportedSource
from kinora.client import ClientError
from kinora.runtime.supervisor import RestartIntensityExceeded
from kinora.settings import SettingsError

MISUSE_STATUSES = frozenset({400, 404, 413, 415, 422})


class Failed(click.ClickException):
    """The command could not do its work."""

    exit_code = 1


class Misuse(click.ClickException):
    """The command was given wrong arguments or wrong input."""

    exit_code = 2


class Interrupted(click.ClickException):
    """A signal ended the command, which has cleaned up."""

    exit_code = 130


def for_user(error: BaseException) -> Exception | None:
    """The exception to raise instead, mostly one with a sentence for the user; None for an unexpected error."""
    match error:
        case click.ClickException() | BrokenPipeError():  # click ends quietly when nobody reads its output
            return error
        case SettingsError() | InvalidRequest() | NotFound() | TooLarge() | UnsupportedSource():
            return Misuse(str(error))
        case KinoraError() | DatabaseUnusable():
            return Failed(str(error))
        case RestartIntensityExceeded():
            return Failed(_too_often(error))
        case ClientError():
            return (Misuse if error.status in MISUSE_STATUSES else Failed)(str(error))
        case OSError(filename=str(name), strerror=str(reason)):
            return Failed(f"{name}: {reason}")
        case BaseExceptionGroup():
            found = [for_user(inner) for inner in error.exceptions]
            return found[0] if None not in found else None
        case _:
            return None


def _too_often(error: RestartIntensityExceeded) -> str:
    cause: BaseException | None = error.__cause__
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    return f"A part of the server failed again and again ({error}), the last time by {cause!r}: see the log above."
