"""MP4 fragments, MPEG-TS and JPEGs over HTTP are read as they come, as go2rtc serves them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import numpy as np
import pytest

from kinora.media.source_types import SourceError, SourceLimits
from kinora.media.sources import open_source
from tests.live_http import SERVED, Served, live_server, muxed
from tests.media.videos import Image, numbered, read_number
from tests.media_server import media_server

TO_OPEN, BEHIND = 30, 4
"""The pictures that may be sent before the first one comes, and while one is waited for after that."""
PICTURES = 100
SAFETY_S = 60


def numbers() -> Iterator[Image]:
    """Pictures that show their numbers."""
    return (numbered(number % 256) for number in count())


@pytest.mark.parametrize("kind", SERVED, ids=[kind.path for kind in SERVED])
def test_a_live_stream_is_read_as_it_comes(kind: Served, tmp_path: Path) -> None:
    """No further picture is sent before one that is hardly older has been given: nothing waits for an end."""
    allowed = threading.Semaphore(TO_OPEN)

    with live_server(tmp_path, numbers, lambda: allowed.acquire(timeout=SAFETY_S)) as server:
        limits = SourceLimits(url_hosts=(server.host,))
        with open_source(server.url(f"{kind.path}?src=front"), limits=limits) as source:
            assert (source.info.kind, source.info.frames_total, source.info.duration_ms) == ("stream", None, None)
            got = []
            for picture in islice(source.frames(), PICTURES):
                image = np.empty((picture.height, picture.width, 3), np.uint8)
                picture.write_to(image)
                got.append((picture.index, read_number(image), picture.timestamp_ms))
                if len(got) > TO_OPEN - BEHIND:
                    allowed.release()
        allowed.release(PICTURES)
    assert [one[:2] for one in got] == [(index, index + 1) for index in range(PICTURES)]
    times = [time for _, _, time in got]
    assert times == sorted(times)
    if kind.path != "api/stream.mjpeg":
        assert times == [40.0 * index for index in range(PICTURES)]
    assert server.asked == [f"/{kind.path}?src=front"]


def test_a_live_stream_with_a_damaged_head_has_no_picture(tmp_path: Path) -> None:
    """That is a sentence, also where the packets might have been kept for clips."""
    data = bytearray(b"".join(muxed("flv", "libx264", {}, islice(numbers(), TO_OPEN))))
    data[data.index(b"\x17\0\0\0\0") + 11] = 0xFF  # the length of the first parameter set
    with media_server(tmp_path) as server:
        server.raw_streams["front.flv"] = [bytes(data)]
        server.fields["front.flv"] = {"Content-Type": "video/x-flv"}
        limits = SourceLimits(url_hosts=(server.host,))
        with pytest.raises(SourceError, match="No picture"), open_source(server.url("front.flv"), limits=limits):
            pass
