"""Reads footage from a real RTSP server, GStreamer's, and compares each picture with those of the file.

    apt-get install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
    python -m benchmarks.rtsp_servers [--footage ../shared/data/people.mp4] [--seconds 20]

The footage is encoded anew as H.264 and as H.265, with B-frames and without, and asked for by a user with a password.
Exits with 1 if a picture is missing, comes twice, out of order, or is not the file's to the last bit. The server falls
silent behind the last picture, so those that the decoder holds back for B-frames do not come.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from statistics import median

import attrs
import av
import numpy as np
from av.video.stream import VideoStream

from kinora.media.camera_errors import CameraLost
from kinora.media.network.auth import Credentials
from kinora.media.rtsp.source import RtspSource
from kinora.media.source_types import SourceLimits
from kinora.media.sources import open_source
from tests.media.videos import Image

PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).with_name("gst_camera.py")
FOOTAGE = Path(__file__).parents[1] / "../shared/data/people.mp4"
CREDENTIALS = Credentials("viewer", "s3cret-of-the-benchmark")


@attrs.frozen
class Kind:
    """One way to encode the footage."""

    name: str
    codec: str
    """As GStreamer calls it."""
    encoder: str
    b_frames: int


KINDS = (
    Kind("h264", "h264", "libx264", 0),
    Kind("h264-b", "h264", "libx264", 2),
    Kind("h265", "h265", "libx265", 0),
    Kind("h265-b", "h265", "libx265", 2),
)


@attrs.frozen
class Outcome:
    """What came of one stream."""

    sent: int
    got: int
    first_s: float
    """From the beginning to the first picture."""
    late_ms: float
    """How much later than by the times of the pictures they came, at the median."""
    faults: Sequence[str]


def encode(footage: Path, kind: Kind, seconds: float, path: Path) -> None:
    """Write the first seconds of the footage."""
    with av.open(footage) as source, av.open(path, "w") as output:
        track = source.streams.video[0]
        stream = output.add_stream(kind.encoder, rate=track.average_rate)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = track.width, track.height, "yuv420p"
        stream.options = {"preset": "veryfast", "bf": str(kind.b_frames), "g": "20"}
        if kind.codec == "h265":
            stream.options = {"preset": "veryfast", "x265-params": f"bframes={kind.b_frames}:keyint=20:log-level=none"}
        for frame in islice(source.decode(video=0), round(seconds * float(track.average_rate or 25))):
            plain = frame.reformat(format="yuv420p")
            output.mux(stream.encode(plain))
        output.mux(stream.encode(None))


def pictures(path: Path) -> Iterator[Image]:
    """Those of a file, as Kinora reads it."""
    with open_source(str(path), limits=SourceLimits()) as source:
        for picture in source.frames():
            image = np.empty((picture.height, picture.width, 3), np.uint8)
            picture.write_to(image)
            yield image


@contextmanager
def gst_server(videos: dict[Kind, Path]) -> Iterator[int]:
    """GStreamer's server; gives its port."""
    mounts = [f"{kind.name}={kind.codec}:{path}" for kind, path in videos.items()]
    password = ["--password", f"{CREDENTIALS.user}:{CREDENTIALS.password}"]
    with subprocess.Popen([PYTHON, str(SERVER), *mounts, *password], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            if not (port := process.stdout.readline()):
                raise SystemExit("GStreamer's RTSP server does not start: install it, see --help.")
            yield int(port)
        finally:
            process.kill()


def watch(url: str, host: str, path: Path, held_back: int) -> Outcome:
    """Compare what comes with the file; a decoder holds up to ``held_back`` pictures back, which the end costs."""
    expected = list(pictures(path))
    faults, delays, got, began = list[str](), list[float](), 1, time.monotonic()
    with RtspSource(url, SourceLimits(url_hosts=(host,)), CREDENTIALS) as source:
        first_s = time.monotonic() - began
        try:
            for picture in source.frames():
                image = np.empty((picture.height, picture.width, 3), np.uint8)
                picture.write_to(image)
                delays.append((time.monotonic() - began - first_s) * 1000 - picture.timestamp_ms)
                if got >= len(expected):
                    faults.append(f"picture {got} comes behind the last of the file")
                elif not np.array_equal(image, expected[got]):
                    faults.append(f"picture {got} is not that of the file")
                got += 1
        except CameraLost:  # the end of the file
            pass
        faults += [note.message for note in source.notes]
    if got < len(expected) - held_back:
        faults.append(f"{len(expected) - got} of {len(expected)} pictures have not come")
    earliest = min(delays, default=0.0)
    return Outcome(len(expected), got, first_s, median(delays) - earliest, faults)


def main() -> None:
    """Read the command line, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--footage", type=Path, default=FOOTAGE)
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    wrong = list[str]()
    head = ("stream", "sent", "read, each once and exact", "first picture, s", "later than the earliest, median, ms")
    print(f"| {' | '.join(head)} |\n{'|---' * len(head)}|")
    with tempfile.TemporaryDirectory(prefix="kinora-rtsp-") as folder:
        videos = {kind: Path(folder) / f"{kind.name}.mp4" for kind in KINDS}
        for kind, path in videos.items():
            encode(arguments.footage, kind, arguments.seconds, path)
        with gst_server(videos) as port:
            for kind, path in videos.items():
                host = f"127.0.0.1:{port}"
                found = watch(f"rtsp://{host}/{kind.name}", host, path, kind.b_frames)
                cells = (kind.name, found.sent, found.got, f"{found.first_s:.2f}", f"{found.late_ms:.1f}")
                print(f"| {' | '.join(map(str, cells))} |", flush=True)
                wrong += [f"{kind.name}: {fault}" for fault in found.faults]
    print(f"\n{len(wrong)} things that must not be")
    for line in wrong[:20]:
        print(f"  {line}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
