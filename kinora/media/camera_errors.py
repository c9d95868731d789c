"""The reasons for which a camera is lost, or was never there. Light to import, so that the server can use it."""

from __future__ import annotations

from enum import StrEnum

from kinora.media.source_types import ErrorKind, SourceError, SourceTruncated


class LostReason(StrEnum):
    """Why a camera gives no pictures, in one word."""

    UNREACHABLE = "unreachable"
    """Its host does not exist, or does not answer."""
    REFUSED = "refused"
    """It refuses, or does not speak RTSP as it should."""
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
    """A camera is lost; ``str()`` of the error is a sentence that says what to do."""

    def __init__(self, reason: LostReason, message: str) -> None:
        unsupported = reason in (LostReason.NO_VIDEO, LostReason.CODEC)
        kind: ErrorKind = "unsupported" if unsupported else "unreadable"
        super().__init__(kind, message)
        self.reason = reason


class CameraLost(SourceTruncated):
    """A camera that gave pictures gives no more; its reason is that of the error behind it."""

    def __init__(self, reason: LostReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
