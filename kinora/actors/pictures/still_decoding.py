"""Decodes one picture of a source in a process of its own, and says what came of it as clients are told."""

from __future__ import annotations

from kinora.actors.errors import NotFound, Unavailable
from kinora.actors.one_shot import OneShotBroke, OneShotFailed, OneShotTimedOut, one_shot
from kinora.media.messages import STILL, Jpeg, MakeStill
from kinora.runtime.forking.workers import ForkServer

TIMEOUT_S = 30.0
"""The time for one picture: a camera has 20 s for its first key frame."""


async def decode_still(fork_server: ForkServer, request: MakeStill, *, name: str, what: str) -> bytes:
    """Return the picture as JPEG, made by a process of this name; ``what`` it is stands in sentences.

    Raises:
        NotFound: the source cannot be read, or has no such frame.
        Unavailable: it took too long, or failed for a reason that is not the source's.
    """
    try:
        made = await one_shot(fork_server, STILL, name, request, Jpeg, timeout_s=TIMEOUT_S)
    except OneShotTimedOut as error:
        raise Unavailable(f"The {what} could not be decoded in time: {error}; try again later.") from error
    except OneShotBroke as error:
        raise Unavailable(f"The {what} could not be decoded: {error}; try again.") from error
    except OneShotFailed as error:
        raise NotFound(str(error)) from error
    return made.data
