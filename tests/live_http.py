"""Live streams as go2rtc serves them over HTTP: in chunks without an end, each picture sent when it is made."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import attrs
import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tests.media.videos import Image
from tests.media_server import MediaServer, media_server
from tests.rtsp_clips import FPS, encode

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

KEY_EVERY = 25
BOUNDARY = "frame"
WITHOUT_DELAY = {
    "libx264": {"preset": "ultrafast", "tune": "zerolatency"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"},
}
Wait = Callable[[], bool]
"""Called before each picture but the first; False if none is wanted any more."""


@attrs.frozen
class Served:
    """A kind of stream."""

    path: str
    content_type: str
    pieces: Callable[[Iterable[Image]], Iterator[bytes]]
    """What is sent for each picture."""


class _Sink(io.RawIOBase):
    def __init__(self) -> None:
        super().__init__()
        self._data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        self._data += data
        return memoryview(data).nbytes

    def take(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data


def muxed(container: str, codec: str, options: dict[str, str], images: Iterable[Image]) -> Iterator[bytes]:
    """The pictures in a container, each as soon as that can be."""
    sink, stream = _Sink(), None
    with av.open(sink, "w", format=container, options=options) as output:
        for number, image in enumerate(images):
            stream = stream or _track(cast(VideoStream, output.add_stream(codec, rate=FPS)), image)
            frame = VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            output.mux(stream.encode(frame))
            yield sink.take()


def _track(stream: VideoStream, image: Image) -> VideoStream:
    stream.height, stream.width = image.shape[:2]
    stream.pix_fmt = "yuv420p"
    stream.options = {**WITHOUT_DELAY[stream.codec_context.codec.name], "g": str(KEY_EVERY)}
    return stream


def fragments(images: Iterable[Image]) -> Iterator[bytes]:
    """MP4 of one fragment for each picture."""
    return muxed("mp4", "libx264", {"movflags": "frag_every_frame+empty_moov+default_base_moof"}, images)


def transport(images: Iterable[Image]) -> Iterator[bytes]:
    """MPEG-TS."""
    return muxed("mpegts", "libx264", {"flush_packets": "1"}, images)


def web(images: Iterable[Image]) -> Iterator[bytes]:
    """WebM of VP9."""
    return muxed("webm", "libvpx-vp9", {"live": "1", "cluster_time_limit": "0", "flush_packets": "1"}, images)


def parts(images: Iterable[Image]) -> Iterator[bytes]:
    """JPEGs as the parts of a message."""
    for image in images:
        [picture] = encode("mjpeg", [image]).pictures
        head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture.data)}\r\n\r\n"
        yield head.encode() + picture.data + b"\r\n"


SERVED = (
    Served("api/stream.mp4", 'video/mp4; codecs="avc1.42C00B"', fragments),
    Served("api/stream.ts", "video/mp2t", transport),
    Served("api/stream.mjpeg", f"multipart/x-mixed-replace; boundary={BOUNDARY}", parts),
)
WEB = Served("stream.webm", "video/webm", web)
"""One that go2rtc does not serve."""


def _chunk(data: bytes) -> bytes:
    """As HTTP has it; an empty one would be the end."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


@contextmanager
def live_server(folder: Path, images: Callable[[], Iterable[Image]], wait: Wait) -> Iterator[MediaServer]:
    """A server of each kind of stream, whose connections all begin with the first image."""
    with media_server(folder) as server:

        def paced() -> Iterator[Image]:
            for image in images():
                yield image
                if not wait() or server.closing.is_set():
                    return

        for kind in (*SERVED, WEB):
            server.raw_streams[kind.path] = _Chunks(kind, paced)
            server.fields[kind.path] = {"Content-Type": kind.content_type, "Transfer-Encoding": "chunked"}
        yield server


@attrs.frozen
class _Chunks:
    kind: Served
    images: Callable[[], Iterable[Image]]

    def __iter__(self) -> Iterator[bytes]:
        return map(_chunk, self.kind.pieces(self.images()))
