"""Answers with a job's frames: a short one in one piece, a long one a page at a time, so that it needs little memory.

A client that reads slowly makes its answer wait, by the limit of its connection's queue.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing

import attrs
import msgspec
import trio
from quart import Response, request

from kinora.actors.jobs.job_archive import FrameCut
from kinora.results.csv_rows import csv_head, csv_rows
from kinora.system import System
from kinora.web.answers.long_answers import LongAnswers
from kinora.web.answers.responses import streamed
from kinora.web.requests.bodies import hold_open
from kinora.web.requests.incoming import sender

JSON = "application/json"
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


def whole_body(cut: FrameCut, around: Surroundings) -> bytes:
    """The document of ``around`` with the frames of ``cut``, all of which are on its first page."""
    return around.head + _joined(cut.first_page) + around.tail(cut.last)


class FrameAnswers:
    """Makes the answers with frames. A long one holds its place among those that are sent until it has ended."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._long = LongAnswers()

    def json(self, cut: FrameCut, around: Surroundings, headers: dict[str, str]) -> Response:
        """The answer with the document of ``around`` and the frames of ``cut``.

        Raises:
            Busy: it is long, and too many long ones are sent.
        """
        all_headers = {"content-type": JSON, "cache-control": "no-cache", **headers}
        if not cut.whole:
            return self._streamed(_json_pieces(self._system, cut, around), cut, all_headers)
        return Response(whole_body(cut, around), 200, all_headers)

    def lines(self, form: FrameLines, cut: FrameCut, headers: dict[str, str]) -> Response:
        """The answer with the frames of ``cut`` as lines. Raises as ``json``."""
        all_headers = {"content-type": form.content_type, "cache-control": "no-cache", **headers}
        return self._streamed(form.pieces(self._system, cut), cut, all_headers)

    def pieces(self, pieces: AsyncIterator[bytes], cut: FrameCut, headers: dict[str, str]) -> Response:
        """The answer with ``pieces``, which are made of the frames of ``cut``. Raises as ``json``."""
        return self._streamed(pieces, cut, {"cache-control": "no-cache", **headers})

    def _streamed(self, pieces: AsyncIterator[bytes], cut: FrameCut, headers: dict[str, str]) -> Response:
        if request.method != "HEAD" and not cut.whole:
            hold_open(self._long.admit(sender()))
        return streamed(pieces, headers)


async def _json_pieces(  # noqa: ASYNC900 - it holds nothing that must be closed
    system: System, cut: FrameCut, around: Surroundings
) -> AsyncIterator[bytes]:
    opening, last = around.head, cut.after
    async with aclosing(system.jobs.cut_pages(cut)) as pages:
        async for page in pages:
            yield opening + _joined(page)  # noqa: ASYNC119 - the answer's end closes it
            opening, last = b",", page[-1][0]
    yield around.tail(last)


def _joined(page: Sequence[tuple[int, bytes]]) -> bytes:
    return b",".join(frame for _, frame in page)


@attrs.frozen
class FrameLines:
    """A media type in which all frames are sent as lines."""

    media_type: str
    content_type: str
    extension: str
    """The ending of the name of a file with such lines."""
    head: bytes
    render: Callable[[list[bytes]], bytes]
    """Makes a page's frames into lines. Called in a thread."""

    async def pieces(  # noqa: ASYNC900 - it holds nothing that must be closed
        self, system: System, cut: FrameCut
    ) -> AsyncIterator[bytes]:
        """Yield the head and the lines of each page of ``cut``."""
        yield self.head
        async with aclosing(system.jobs.cut_pages(cut)) as pages:
            async for page in pages:
                lines = await trio.to_thread.run_sync(self.render, [frame for _, frame in page])
                yield lines  # noqa: ASYNC119 - the answer's end closes it


FRAME_LINES = {
    lines.media_type: lines
    for lines in (
        FrameLines(NDJSON, NDJSON, "ndjson", b"", lambda page: b"\n".join(page) + b"\n"),
        FrameLines(CSV, f"{CSV}; charset=utf-8; header=present", "csv", csv_head(), csv_rows),
    )
}
FRAME_TYPES = (JSON, *FRAME_LINES)
"""The media types of frames; the first is the one that a client without a wish gets."""
