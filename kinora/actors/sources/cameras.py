"""The cameras that the operator has placed: where they are is told to their decoders, and to nobody else."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

import attrs
import trio

from kinora.actors.errors import FieldError, InvalidRequest
from kinora.media.camera_errors import CameraError, LostReason
from kinora.media.live.placed_camera import PlacedCamera
from kinora.media.messages import Open
from kinora.media.network.auth import Credentials
from kinora.media.source_names import CAMERA, WEBCAM, is_watched
from kinora.media.source_types import SourceLimits
from kinora.nearest import no_such

DEVICES = "/dev"
"""The folder of webcams."""
READS_AT_ONCE = 4
"""The most threads that read passwords; further openings wait for one, within ``READ_S``."""
READ_S = 5.0
"""The time to read a password, the wait for a thread included; after it the camera counts as lost."""


async def _nobody_has_it(_source: str) -> None:
    await trio.lowlevel.checkpoint()


def _not_allowed(webcam: str) -> str:
    number = webcam.removeprefix(WEBCAM)
    if not (number.isascii() and number.isdecimal()):
        return f"write {WEBCAM}0 for /dev/video0 of the server's machine"
    setting = f"webcams = [{number[:10]}]"
    return f"webcam {number[:10]} may not be watched here: the server's operator can allow it with {setting}"


class Cameras:
    """The cameras by their names, and the webcams that may be watched."""

    def __init__(self, placed: Mapping[str, PlacedCamera] | None = None, webcams: Sequence[int] = ()) -> None:
        self._placed = placed or {}
        self._webcams = tuple(f"{WEBCAM}{number}" for number in webcams)
        self._given = (placed, webcams)
        self._reads = trio.CapacityLimiter(READS_AT_ONCE)
        self._taken = Counter[str]()
        """Source → its decoders."""
        self.give_way: Callable[[str], Awaitable[None]] = _nobody_has_it
        """Called before a source is opened: returns once nothing but jobs has it open."""

    @property
    def sources(self) -> tuple[str, ...]:
        """All that clients may watch, as they name it."""
        return (*(f"{CAMERA}{name}" for name in self._placed), *self._webcams)

    def untaken(self) -> Cameras:
        """The same cameras, without a count of who has them open."""
        return Cameras(*self._given)

    def is_taken(self, source: str) -> bool:
        """True while a decoder has this source, or is about to open it."""
        return self._taken[source] > 0

    @asynccontextmanager
    async def taken(self, location: str) -> AsyncIterator[None]:
        """Have a source for the block, in which a decoder opens it and ends. Others give way first."""
        if not is_watched(location):
            yield
            return
        self._taken[location] += 1
        try:
            await self.give_way(location)
            yield
        finally:
            self._taken[location] -= 1

    def require(self, source: str) -> None:
        """Check that there is such a camera, or webcam.

        Raises:
            InvalidRequest: there is none, or none that may be watched.
        """
        if source.startswith(WEBCAM):
            if source not in self._webcams:
                raise InvalidRequest("This webcam is not allowed.", [FieldError("source", _not_allowed(source))])
            return
        name = source.removeprefix(CAMERA)
        if name not in self._placed:
            message = no_such("camera", name, self._placed, place="kinora.toml")
            raise InvalidRequest("There is no such camera.", [FieldError("source", message)])

    async def request(self, location: str, shown_as: str, limits: SourceLimits) -> Open:
        """The request that opens a source in a decoder; of a camera, with its address and its password.

        Raises:
            SourceError: it is a camera that there is not, or whose password cannot be read.
        """
        if location in self._webcams:
            device = f"{WEBCAM}{DEVICES}/video{location.removeprefix(WEBCAM)}"
            return Open(location=device, name=location, limits=limits)
        if not location.startswith(CAMERA):
            await trio.lowlevel.checkpoint()
            return Open(location=location, name=shown_as, limits=limits)
        camera = self._placed.get(location.removeprefix(CAMERA))
        if camera is None:
            raise CameraError(LostReason.UNREACHABLE, f"{location} was taken out of kinora.toml.")
        return Open(
            location=camera.url,
            name=location,
            limits=attrs.evolve(limits, url_hosts=(camera.host, *limits.url_hosts)),
            credentials=await self._credentials(camera, location),
        )

    async def _credentials(self, camera: PlacedCamera, name: str) -> Credentials | None:
        """Read the password. A thread that a file system holds is left to itself, and keeps its place."""
        with trio.move_on_after(READ_S):
            read = partial(camera.credentials, name)
            return await trio.to_thread.run_sync(read, abandon_on_cancel=True, limiter=self._reads)
        raise CameraError(LostReason.AUTH, f"The password of {name} cannot be read (its disk does not answer).")
