"""``/v1/agents/files``: the files that jobs in agents have as sources, of which parts can be asked for."""

from __future__ import annotations

import os
import weakref
from collections.abc import AsyncIterator
from pathlib import Path
from stat import S_ISREG
from types import TracebackType
from typing import Self

import trio
from quart import Blueprint, Response, request
from werkzeug.http import quote_etag

from kinora.actors.errors import NotFound
from kinora.actors.sources.media_folder import look
from kinora.media.files.beneath import open_beneath
from kinora.settings.checks import source_limits
from kinora.system import System
from kinora.web.answers.responses import streamed
from kinora.web.requests.bodies import hold_open
from kinora.web.requests.conditions import is_known, require_match
from kinora.web.requests.incoming import job_id_of
from kinora.web.requests.ranges import status_and_headers, wanted_part

PIECE_BYTES = 256 * 1024
"""The most bytes of a file that are read at a time."""
READS_AT_ONCE = 16
"""The most threads that open and read files for agents; further requests wait for one."""
OPEN_S = 10.0
"""The time to open a file, the wait for a thread included; beyond it the answer is 503."""
READ_S = 10.0
"""The same for each piece of it; beyond it the answer breaks off, and the agent asks again for the rest."""
CACHING = "private, no-store"
CONTENT_TYPE = "application/octet-stream"
"""Of every file: a page that somebody has uploaded must not run as one of this server's."""


class OpenedFile:
    """A regular file that is open for reading. Leaving the block closes it.

    So does its end, since a request may go while a thread opens its file.
    """

    def __init__(self, fd: int) -> None:
        """Take the descriptor over."""
        about = os.fstat(fd)
        self.fd = fd
        self.size = about.st_size
        self.is_regular = S_ISREG(about.st_mode)
        self.tag = f"{about.st_ino:x}-{about.st_size:x}-{about.st_mtime_ns:x}"
        """Differs, with near certainty, once the file was replaced or changed; without quotes."""
        self._close = weakref.finalize(self, os.close, fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()


def agent_file_routes(system: System) -> Blueprint:
    """The one route, ``/v1/agents/files/JOB_ID``."""
    routes = Blueprint("agent files", __name__)
    folders = source_limits(system.settings).folders
    threads = trio.CapacityLimiter(READS_AT_ONCE)

    @routes.get("/v1/agents/files/<job_id>")
    async def agent_file(job_id: str) -> Response:
        location = system.location_in_agent(job_id_of(job_id))
        if location is None:
            raise NotFound("No agent works on such a job now: a file is read by agents that run a job on it.")
        opened = await look(Path(location).parent, lambda: open_file(location, folders), threads, OPEN_S)
        hold_open(opened)
        headers = {"content-type": CONTENT_TYPE, "cache-control": CACHING, "etag": quote_etag(opened.tag)}
        require_match(opened.tag)
        if is_known(opened.tag):
            return Response(b"", 304, headers)
        part = wanted_part(request.method, request.headers, opened.size, opened.tag)
        status, about = status_and_headers(part, opened.size)
        pieces = _pieces(opened.fd, range(opened.size) if part is None else part, threads)
        return streamed(pieces, {**headers, **about}, status)

    return routes


def open_file(location: str, folders: tuple[str, ...]) -> OpenedFile:
    """Open the file at an absolute path, beneath one of the folders if there are any. Blocks.

    Raises:
        NotFound: there is none, such as for the source of a camera, or a folder.
    """
    try:
        if not Path(location).is_absolute():
            raise FileNotFoundError
        opened = OpenedFile(open_beneath(Path(location), folders))
    except OSError as error:
        raise NotFound("The source of this job cannot be read as a file: it is gone, or was never one.") from error
    if not opened.is_regular:
        raise NotFound("The source of this job is not a regular file.")
    return opened


async def _pieces(  # noqa: ASYNC900 - the request holds the file
    fd: int, part: range, threads: trio.CapacityLimiter
) -> AsyncIterator[bytes]:
    """Read a part of the file; it ends early if the file does, or the disk does not answer."""
    at = part.start
    while piece := await _piece(fd, at, min(part.stop - at, PIECE_BYTES), threads):
        at += len(piece)
        yield piece


async def _piece(fd: int, at: int, most: int, threads: trio.CapacityLimiter) -> bytes:
    with trio.move_on_after(READ_S):
        # A thread that the disk holds is left to itself, and keeps its place.
        return await trio.to_thread.run_sync(os.pread, fd, most, at, abandon_on_cancel=True, limiter=threads)
    return b""
