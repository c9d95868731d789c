"""From an exception to one sentence and an exit code."""

from __future__ import annotations

import click

from kinora.actors.errors import InvalidRequest, KinoraError, NotFound, TooLarge, UnsupportedSource
from kinora.client import ClientError
from kinora.settings import SettingsError

MISUSE_STATUSES = frozenset({400, 404, 413, 415, 422})


class Failed(click.ClickException):
    """It could not be done."""

    exit_code = 1


class Misuse(click.ClickException):
    """The command was given something that cannot be."""

    exit_code = 2


class Interrupted(click.ClickException):
    """A signal came, and everything is cleaned up."""

    exit_code = 130


def worded(error: BaseException) -> Exception | None:
    """What to raise instead: mostly the error in words for the user; None for one that is nobody's to expect."""
    match error:
        case click.ClickException() | BrokenPipeError():  # click ends quietly when nobody reads its output
            return error
        case SettingsError() | InvalidRequest() | NotFound() | TooLarge() | UnsupportedSource():
            return Misuse(str(error))
        case KinoraError():
            return Failed(str(error))
        case ClientError():
            return (Misuse if error.status in MISUSE_STATUSES else Failed)(str(error))
        case OSError(filename=str(name), strerror=str(reason)):
            return Failed(f"{name}: {reason}")
        case BaseExceptionGroup():
            words = [worded(inner) for inner in error.exceptions]
            return words[0] if None not in words else None
        case _:
            return None
