"""How an agent opens the source of an order: by itself, by its server, or as a camera that its server tells of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs

from kinora.actors.sources.cameras import DEVICES, Cameras
from kinora.fleet.camera_answers import opening_of
from kinora.media.camera_errors import CameraError, LostReason
from kinora.media.messages import Open
from kinora.media.network.served import Served
from kinora.media.network.url_access import is_url
from kinora.media.source_names import CAMERA, WEBCAM
from kinora.media.source_types import SourceLimits

FILES = "/v1/agents/files/"
"""The address of the files of a server, each under its job's id."""


@attrs.frozen(kw_only=True)
class FileServer:
    """The server whose files an agent reads, and what it is shown."""

    url: str
    """Its address, perhaps with a path before those of the API."""
    token: str | None = attrs.field(default=None, repr=False)
    ca_file: str | None = None
    """Certificates that are trusted beside the system's."""

    def file_of(self, job_id: str) -> Served:
        """Where it gives the file that a job has as its source."""
        return Served(url=f"{self.url.rstrip('/')}{FILES}{job_id}", token=self.token, ca_file=self.ca_file)


class AgentSources(Cameras):
    """What opens the source of one attempt.

    Args:
        job_id: the job's.
        server: gives its file, if the agent has not the server's disk itself; None if it has.
        ask: returns the server's answer to ``camera``.
    """

    def __init__(self, job_id: str, server: FileServer | None, ask: Callable[[], Awaitable[bytes]]) -> None:
        super().__init__()
        self._served = None if server is None else server.file_of(job_id)
        self._ask = ask

    async def request(self, location: str, shown_as: str, limits: SourceLimits) -> Open:
        """The request that opens the source in a decoder. A camera's address and password are asked for each time.

        A URL is opened as it is, within this machine's limits.

        Raises:
            CameraError: it is a camera that there is not, or whose password cannot be read.
        """
        if location.startswith(CAMERA):
            return opening_of(await self._ask(), location, limits)
        if location.startswith(WEBCAM):
            return Open(location=_device(location), name=location, limits=limits)
        here = is_url(location) or self._served is None
        return Open(location=location, name=shown_as, limits=limits, served=None if here else self._served)


def _device(webcam: str) -> str:
    number = webcam.removeprefix(WEBCAM)
    if not (number.isascii() and number.isdecimal()):
        raise CameraError(LostReason.UNREACHABLE, f"{webcam[:80]} is not a webcam.")
    return f"{WEBCAM}{DEVICES}/video{number}"
