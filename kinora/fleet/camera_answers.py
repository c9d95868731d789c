"""What an agent is told of a camera each time that it opens it: its address and its password, or why there is none."""

from __future__ import annotations

import attrs
import msgspec

from kinora.actors.sources.cameras import Cameras
from kinora.media.camera_errors import CameraError, LostReason
from kinora.media.messages import Open, Refused
from kinora.media.network.url_access import SourceUrl
from kinora.media.source_names import CAMERA
from kinora.media.source_types import SourceLimits

_decode = msgspec.msgpack.Decoder(Open | Refused).decode
_ENDED = "The server has ended the job."


async def camera_answer(cameras: Cameras, location: str) -> bytes:
    """Return the answer to ``camera``: MessagePack, empty if the source is not a camera of the operator's.

    It takes as long as reading the password, which is bounded.
    """
    if not location.startswith(CAMERA):
        return b""
    answer: Open | Refused
    try:
        answer = await cameras.request(location, location, SourceLimits())
    except CameraError as error:
        answer = Refused(error.kind, str(error), error.reason)
    return msgspec.msgpack.encode(answer)


def opening_of(answer: bytes, name: str, limits: SourceLimits) -> Open:
    """Return the request that opens a camera in a decoder, by the server's answer and the limits of this machine.

    Raises:
        CameraError: the server has none to give, or has sent what is not an answer.
    """
    if not answer:
        raise CameraError(LostReason.UNREACHABLE, _ENDED)
    try:
        told = _decode(answer)
    except (msgspec.DecodeError, RecursionError) as error:
        raise CameraError(LostReason.REFUSED, "The server has sent what is not an address.") from error
    if isinstance(told, Refused):
        raise CameraError(told.reason or LostReason.UNREACHABLE, told.message, told.kind)
    host = SourceUrl.parse(told.location).host
    return Open(
        location=told.location,
        name=name,
        limits=attrs.evolve(limits, url_hosts=(host, *limits.url_hosts)),
        credentials=told.credentials,
    )
