"""Answers with a job's frames: a short one in one piece, a long one a page at a time, so that it needs little memory.

A client that reads slowly makes its answer wait, by the limit of its connection's queue.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

import attrs
import msgspec
import trio
from quart import Response, request

from kinora.actors.job_archive import FrameCut
from kinora.system import System
from kinora.web.csv_rows import csv_head, csv_rows

NDJSON = "application/x-ndjson"
CSV = "text/csv"
_NO_FRAMES = b'"frames":[]'


@attrs.frozen
class Surroundings:
    """What a JSON document has around the frames in its ``frames``."""

    head: bytes
    tail: Callable[[int], bytes]
    """Gives what comes after the frames, from the index of the last one (``after`` if there are none)."""


def around_frames(document: msgspec.Struct) -> Surroundings:
    """The surroundings in ``document``, which has no frames and, before ``frames``, no lists or objects."""
    before, _, after = msgspec.json.encode(document).partition(_NO_FRAMES)
    return Surroundings(before + _NO_FRAMES[:-1], lambda _: b"]" + after)


def frame_page(cut: FrameCut) -> Surroundings:
    """The surroundings in a FramePage with the frames of ``cut``."""

    def tail(last: int) -> bytes:
        return b'],"next_after":%s}' % (b"%d" % last if last < cut.newest else b"null")

    return Surroundings(b'{"frames":[', tail)


def json_frames(system: System, cut: FrameCut, around: Surroundings, **headers: str) -> Response:
    """The answer with the document of ``around`` and the frames of ``cut``."""
    all_headers = {"content-type": "application/json", "cache-control": "no-cache", **headers}
    if not cut.whole:
        return _streamed(_json_pieces(system, cut, around), all_headers)
    body = around.head + _joined(cut.first_page) + around.tail(cut.last)
    return Response(body, 200, all_headers)


async def _json_pieces(  # noqa: ASYNC900 - it holds nothing that must be closed
    system: System, cut: FrameCut, around: Surroundings
) -> AsyncIterator[bytes]:
    opening, last = around.head, cut.after
    async for page in system.jobs.cut_pages(cut):
        yield opening + _joined(page)
        opening, last = b",", page[-1][0]
    yield around.tail(last)


def _joined(page: Sequence[tuple[int, bytes]]) -> bytes:
    return b",".join(frame for _, frame in page)


@attrs.frozen
class FrameLines:
    """A media type in which all frames are sent as lines."""

    media_type: str
    head: bytes
    render: Callable[[list[bytes]], bytes]
    """Makes a page's frames into lines. Called in a thread."""

    def response(self, system: System, cut: FrameCut) -> Response:
        """The answer with the frames of ``cut``."""
        return _streamed(self._pieces(system, cut), {"content-type": self.media_type})

    async def _pieces(  # noqa: ASYNC900 - it holds nothing that must be closed
        self, system: System, cut: FrameCut
    ) -> AsyncIterator[bytes]:
        yield self.head
        async for page in system.jobs.cut_pages(cut):
            yield await trio.to_thread.run_sync(self.render, [frame for _, frame in page])


FRAME_LINES = {
    lines.media_type: lines
    for lines in (
        FrameLines(NDJSON, b"", lambda page: b"\n".join(page) + b"\n"),
        FrameLines(CSV, csv_head(), csv_rows),
    )
}


def _streamed(pieces: AsyncIterator[bytes], headers: dict[str, str]) -> Response:
    """An answer of any length; a HEAD makes none of its pieces."""
    response = Response(_nothing() if request.method == "HEAD" else pieces, 200, headers)
    response.timeout = None
    return response


async def _nothing() -> AsyncIterator[bytes]:  # noqa: ASYNC900 - it holds nothing
    no_pieces: tuple[bytes, ...] = ()
    for piece in no_pieces:
        yield piece
