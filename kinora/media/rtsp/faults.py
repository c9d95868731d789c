"""What is said of cameras that cannot be watched. What a camera says itself is never repeated."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from http.client import responses

from kinora.media.camera_errors import CameraError, LostReason
from kinora.media.network.url_access import SourceUrl

_WORDS = {
    403: "does not let this machine watch it: allow it on the camera",
    404: "has no such stream: check the path of the URL",
    453: "has no bandwidth left: stop another program that watches it",
    461: "does not send over TCP: turn on RTSP over TCP on the camera",
    503: "has no place left: stop another program that watches it",
}
"""RTSP status → what it means, and what to do."""


def not_connected(name: str, url: SourceUrl | None, error: OSError | UnicodeError) -> CameraError:
    """The error for a host that cannot be connected to; without a URL, its address is not told."""
    host = f"of {name}" if url is None else url.host
    if isinstance(error, ssl.SSLCertVerificationError):
        why = f" ({error.verify_message})" if url is not None else ", or is not for its host"
        return CameraError(
            LostReason.CERTIFICATE,
            f"{name} cannot be watched: its certificate is not trusted{why}. Give the server the authority's"
            " certificate by SSL_CERT_FILE.",
        )
    if isinstance(error, ssl.SSLError):
        return CameraError(LostReason.REFUSED, f"{name} does not speak TLS at this port: check it, or use rtsp://.")
    if isinstance(error, ConnectionRefusedError):
        return CameraError(
            LostReason.REFUSED,
            f"Nothing listens at the port {host}: check the port, and that RTSP is on."
            if url is None
            else f"Nothing listens at port {url.port} of {host}: check the port, and that RTSP is on.",
        )
    if isinstance(error, socket.gaierror | UnicodeError):
        return CameraError(LostReason.UNREACHABLE, f"The host {host} is not known: check its name.")
    return CameraError(
        LostReason.UNREACHABLE, f"The host {host} does not answer: check its address, and that it is on."
    )


def not_rtsp(name: str) -> CameraError:
    """The error for a server that sends something else, or breaks the rules."""
    return CameraError(LostReason.REFUSED, f"{name} does not speak RTSP as it should: check the port of the URL.")


def status(name: str, code: int) -> CameraError:
    """The error for an answer that refuses."""
    words = _WORDS.get(code, f"answers {code} {responses.get(code, '')}".rstrip() + ": look into the camera's settings")
    return CameraError(LostReason.REFUSED, f"{name} {words}.")


def no_video(name: str) -> CameraError:
    """The error for a camera of sound only, or of nothing."""
    return CameraError(LostReason.NO_VIDEO, f"{name} offers no video: check the path of the URL.")


def unknown_codec(name: str, codecs: Sequence[str]) -> CameraError:
    """The error for video that is not read here; ``codecs`` are what it announces."""
    return CameraError(
        LostReason.CODEC, f"{name} sends {', '.join(codecs)}: set the camera to plain H.264, H.265 or MJPEG."
    )


def not_decoded(name: str) -> CameraError:
    """The error for video of which no picture can be decoded."""
    return CameraError(
        LostReason.CODEC, f"No picture of {name} can be decoded: set the camera to plain H.264, H.265 or MJPEG."
    )


def no_answer(name: str) -> CameraError:
    """The error for a camera that takes a connection and does not answer a request."""
    return CameraError(LostReason.SILENT, f"{name} does not answer: start the camera anew if that does not pass.")


def silent(name: str, seconds: float) -> CameraError:
    """The error for a camera that sends no video."""
    return CameraError(
        LostReason.SILENT, f"{name} has sent no video for {seconds:.0f} s: start the camera anew if that does not pass."
    )


def no_key_frame(name: str, seconds: float) -> CameraError:
    """The error for a stream that cannot be entered."""
    return CameraError(
        LostReason.SILENT,
        f"{name} has sent no whole key frame for {seconds:.0f} s: have the camera send one every second or two.",
    )


def session_ended(name: str) -> CameraError:
    """The error for a camera that knows nothing of the session any more."""
    return CameraError(LostReason.CLOSED, f"{name} has ended the session: see if it was started anew.")


def closed(name: str) -> CameraError:
    """The error for a camera that ends the connection."""
    return CameraError(LostReason.CLOSED, f"{name} has closed the connection.")
