"""Turns exceptions into one sentence and an exit code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from kinora.actors.errors import InvalidRequest, KinoraError, NotFound, TooLarge, UnsupportedSource
from kinora.actors.store.database import DatabaseUnusable
from kinora.cli.exits import Failed, Misuse
from kinora.cli.flags.flag_names import PLUGIN_PLACE, in_flags
from kinora.client import ClientError
from kinora.client.errors import Unreachable
from kinora.plugins.opencv import opencv_advice
from kinora.runtime.forking.workers import ForkServerGone
from kinora.runtime.supervisor import RestartIntensityExceeded
from kinora.settings import SettingsError

MISUSE_STATUSES = frozenset({400, 404, 413, 415, 422})


RELOAD = "If its file is new or mended, have the server look for it: kinora plugins reload"
"""What helps if a server does not know a plugin, or has it as broken."""

HOW_TO_GET_IN = (
    "give one by --token-file, KINORA_TOKEN or --token; on the server's machine commands find one in its data folder,"
    " by KINORA_DATA_DIR where it is not the default"
)
"""What helps if a server lets a command in only with a token."""


@contextmanager
def naming_flags(plugins: Sequence[str]) -> Iterator[None]:
    """Raise what is wrong with a request as ``Misuse`` that names flags; ``plugins`` are the names of its plugins."""
    try:
        yield
    except InvalidRequest as error:
        raise Misuse(in_flags(error.detail, error.errors, plugins)) from error
    except ClientError as error:
        if not error.places:
            raise
        said = in_flags(error.detail, error.places, plugins)
        if any(PLUGIN_PLACE.fullmatch(place.path) for place in error.places):
            said = f"{said} {RELOAD}" if said.endswith("?") else f"{said}. {RELOAD}"
        raise Misuse(said) from error


def for_user(error: BaseException) -> Exception | None:
    """The exception to raise instead, mostly one with a sentence for the user; None for an unexpected error."""
    match error:
        case click.ClickException() | BrokenPipeError():  # click ends quietly when nobody reads its output
            return error
        case KinoraError() | ClientError() | SettingsError() | DatabaseUnusable():
            return _sentence(error)
        case RestartIntensityExceeded():
            return Failed(_too_often(error))
        case ForkServerGone():
            return Failed(f"Kinora cannot run workers: {error}{opencv_advice(str(error))}.")
        case OSError(filename=str(name), strerror=str(reason)):
            return Failed(f"{name}: {reason}")
        case BaseExceptionGroup():
            found = [for_user(inner) for inner in error.exceptions]
            return found[0] if None not in found else None
        case _:
            return None


def _sentence(error: KinoraError | ClientError | SettingsError | DatabaseUnusable) -> click.ClickException:
    """An expected error as Misuse or Failed."""
    match error:
        case InvalidRequest():
            return Misuse(in_flags(error.detail, error.errors))
        case ClientError(status=401):
            return Failed(f"{error.detail.partition(':')[0]}: {HOW_TO_GET_IN}")
        case Unreachable():
            return Failed(f"{error} by --url")
        case ClientError():
            kind = Misuse if error.status in MISUSE_STATUSES else Failed
            return kind(in_flags(error.detail, error.places))
        case SettingsError() | NotFound() | TooLarge() | UnsupportedSource():
            return Misuse(str(error))
        case _:
            return Failed(str(error))


def _too_often(error: RestartIntensityExceeded) -> str:
    cause: BaseException | None = error.__cause__
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    return f"A part of the server failed again and again ({error}), the last time by {cause!r}: see the log above."
