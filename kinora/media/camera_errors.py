"""The reasons for which a camera is lost, or was never there, and errors that HTTP and RTSP share. Light to import."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from kinora.media.source_types import ErrorKind, SourceError, SourceTruncated

SILENCE_S = 8.0
"""A camera that has given pictures is lost once it has sent none for so long."""


class LostReason(StrEnum):
    """Why a camera gives no pictures, in one word."""

    UNREACHABLE = "unreachable"
    """Its host does not exist, or does not answer."""
    REFUSED = "refused"
    """It refuses, or does not speak RTSP or HTTP as it should."""
    AUTH = "auth"
    """It asks for a user and password, or for others."""
    CERTIFICATE = "certificate"
    """It does not prove to be the host that was asked for."""
    NO_VIDEO = "no_video"
    """It has no video."""
    CODEC = "codec"
    """Its video cannot be decoded here."""
    SILENT = "silent"
    """It has sent nothing, or nothing to begin with, for too long."""
    REDIRECTED = "redirected"
    """It sends its clients where they may not go."""
    CLOSED = "closed"
    """It has ended the connection, or broken its rules."""


class CameraError(SourceError):
    """A camera, or what else is read over the network, is lost; ``str()`` is a sentence that says what to do."""

    def __init__(self, reason: LostReason, message: str, kind: ErrorKind | None = None) -> None:
        """``kind`` is that of the reason, unless given."""
        unsupported = reason in (LostReason.NO_VIDEO, LostReason.CODEC)
        super().__init__(kind or ("unsupported" if unsupported else "unreadable"), message)
        self.reason = reason


class CameraLost(SourceTruncated):
    """A camera that gave pictures gives no more.

    Its text is the same at each loss for the same reason: a job counts equal ones together.
    """

    def __init__(self, reason: LostReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    @classmethod
    def by(cls, error: SourceError) -> Self:
        """The loss of a camera by an error while it is read."""
        return cls(error.reason if isinstance(error, CameraError) else LostReason.CODEC, str(error))


def stream_ended(name: str) -> CameraLost:
    """The end of a live stream by its server."""
    return CameraLost(LostReason.CLOSED, f"{name} sends no more: it ended the stream.")


def password_needed(name: str) -> CameraError:
    """The error for a camera that nobody may watch without a password."""
    return CameraError(
        LostReason.AUTH,
        f"{name} asks for a user and password: give its [cameras.NAME] in kinora.toml user and password_file.",
    )


def password_wrong(name: str) -> CameraError:
    """The error for a camera that does not take the user or the password."""
    return CameraError(LostReason.AUTH, f"{name} refuses the user or the password: check both.")


def redirected(name: str, why: str) -> CameraError:
    """The error for a camera that sends its clients elsewhere; ``why`` is a sentence that says why they do not go."""
    return CameraError(LostReason.REDIRECTED, f"{name} leads to another address. {why}")


def not_followed(name: str) -> CameraError:
    """The same error for a placed camera: neither its address nor where it leads may be told to clients."""
    return redirected(name, "It is not allowed: the operator can set the camera's url to where it leads.")
