"""Cameras that the operator has placed: clients know their names alone, neither their addresses nor their passwords."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import attrs

from kinora.media.camera_errors import CameraError, LostReason
from kinora.media.network.auth import Credentials
from kinora.media.network.url_access import SourceUrl
from kinora.media.source_types import SourceError

MAX_PASSWORD_BYTES = 4096
"""A larger file is not one of a password, and is refused."""
_USER = re.compile(r"[ -9;-~]{1,255}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _address(_camera: object, _field: object, value: str) -> None:
    if re.match(r"[^/]*//[^/]*@", value):
        raise ValueError("leave user and password out of the URL: give them as user and password_file")
    try:
        SourceUrl.parse(value)
    except SourceError as error:
        raise ValueError(str(error)) from error


def _user(_camera: object, _field: object, value: str | None) -> None:
    if value is not None and not _USER.fullmatch(value):
        raise ValueError("must be the name of a user in ASCII, without a colon")


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()


@attrs.frozen(kw_only=True)
class PlacedCamera:
    """A camera that clients name as ``camera:NAME``."""

    url: str = attrs.field(repr=False, validator=_address)
    """Its address: ``rtsp://``, ``rtsps://``, ``http://`` or ``https://``, without user and password."""
    user: str | None = attrs.field(default=None, repr=False, validator=_user)
    """The user that it asks for."""
    password_file: Path | None = attrs.field(default=None, converter=_absolute)
    """The file whose only line is that user's password. It is read each time that the camera is opened."""

    def __attrs_post_init__(self) -> None:
        """Check what belongs together."""
        if (self.user is None) is not (self.password_file is None):
            raise ValueError("user and password_file belong together: give both, or none")

    @property
    def host(self) -> str:
        """The host of its address, which is allowed for it alone."""
        return SourceUrl.parse(self.url).host

    def credentials(self, name: str) -> Credentials | None:
        """Read the password; None if the camera asks for none. Blocks, for as long as the file's disk does not answer.

        Raises:
            CameraError: it cannot be read; the text calls the camera ``name``.
        """
        if self.user is None or self.password_file is None:
            return None
        try:
            return Credentials(self.user, read_password(self.password_file))
        except (OSError, ValueError) as error:
            said = f"{unreadable(name)} ({why_unreadable(error)}): the operator can mend its file."
            raise CameraError(LostReason.AUTH, said) from error


def unreadable(name: str) -> str:
    """The begin of the sentence that says of a camera that its password cannot be read."""
    return f"The password of {name} cannot be read"


def why_unreadable(error: OSError | ValueError) -> str:
    """The reason in words, without the file's path."""
    return str(error.strerror if isinstance(error, OSError) else error)


def read_password(path: Path) -> str:
    """The only line of the file. Blocks, but not for a writer at the other end of a pipe.

    Raises:
        OSError: the file cannot be read.
        ValueError: what it holds is no password; the text says why.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("not a regular file")
        data = file.read(MAX_PASSWORD_BYTES + 1)
    if len(data) > MAX_PASSWORD_BYTES:
        raise ValueError("too large for a password")
    try:
        password = data.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8") from error
    if _CONTROL.search(password):
        raise ValueError("more than one line")
    return password


def others_can_read(path: Path) -> bool:
    """True if all users of the machine may read the file; False too if it is not there. Blocks."""
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False
