"""Clips that browsers do not play, encoded as H.264."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange

from kinora.media.packets.packet_memory import KeptPacket
from kinora.media.source_types import SourceError, SourceLimits
from kinora.media.sources import open_again
from kinora.media.videos.clip_encoder import CLIP_PIXELS, encode_clip, encoded_size
from kinora.media.videos.kept_clip import cut_kept
from tests.media.videos import Image, numbered

COLORS = ((0, 0, 255), (0, 255, 0), (255, 0, 0), (0, 0, 0), (255, 255, 255))
LIMITS = SourceLimits()


def colored(number: int, width: int, height: int) -> Image:
    """A picture with a number above the strongest colours."""
    image = numbered(number, width, height)
    for place, color in enumerate(COLORS):
        image[height // 2 :, place * width // len(COLORS) : (place + 1) * width // len(COLORS)] = color
    return image


def clip_at(times_ms: list[int], path: Path, width: int, height: int, codec: str = "mjpeg") -> list[bytes]:
    """Make a clip of pictures at these times, as one is copied of a live source; return them."""
    kind = {"mjpeg": ".jpg", "png": ".png"}[codec]
    sent = [bytes(cv2.imencode(kind, colored(number, width, height))[1]) for number in range(len(times_ms))]
    packets = [KeptPacket(data, 1000 * ms, ms / 1000, is_key=True) for data, ms in zip(sent, times_ms, strict=True)]
    cut = cut_kept(codec, packets, path, at_ms=0, came_s=0, start_ms=0, end_ms=times_ms[-1], limits=LIMITS)
    assert (cut.start_ms, cut.codec) == (0, codec)
    return sent


def encode(folder: Path) -> None:
    """Encode the copied clip."""
    with open_again(str(folder / "copied.mp4"), limits=LIMITS) as source:
        encode_clip(source, folder / "out.mp4")


@pytest.mark.parametrize(("codec", "height"), [("mjpeg", 480), ("mjpeg", 720), ("png", 480)])
def test_an_encoded_clip_shows_what_was_sent(tmp_path: Path, codec: str, height: int) -> None:
    """Each picture in its colours and at its time, however far apart they are; and it says how colours are stored."""
    times_ms = [0, 40, 80, 500, 540, 3540]
    sent = clip_at(times_ms, tmp_path / "copied.mp4", 1280, height, codec)
    encode(tmp_path)
    with av.open(str(tmp_path / "out.mp4")) as container:
        frames = list(container.decode(video=0))
        assert container.streams.video[0].codec_context.name == "h264"
    assert [round((frame.time or 0) * 1000) for frame in frames] == times_ms
    assert {frame.color_range for frame in frames} == {ColorRange.MPEG}
    for frame, data in zip(frames, sent, strict=True):
        seen, wanted = frame.to_ndarray(format="bgr24"), cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert np.abs(seen.astype(int) - wanted).mean() < 3


def test_the_pictures_of_a_long_clip_are_made_smaller() -> None:
    """And too large ones, in the same proportions, so that the work has a bound."""
    assert encoded_size(1280, 720, 450) == (1280, 720)
    assert encoded_size(4000, 3000, 1) == (1662, 1247)
    width, height = encoded_size(1920, 1080, 10_800)
    assert 0.9 * CLIP_PIXELS < width * height * 10_800 <= CLIP_PIXELS
    assert width / height == pytest.approx(16 / 9, rel=0.01)
    assert encoded_size(10_000, 1, 10**9) == (122, 2)


def test_large_pictures_fill_the_smaller_ones(tmp_path: Path) -> None:
    """Nothing of them is left out, and no black is beside them."""
    (jpeg, _) = clip_at([0, 100], tmp_path / "copied.mp4", 4000, 3000)
    encode(tmp_path)
    with av.open(str(tmp_path / "out.mp4")) as container:
        seen = next(container.decode(video=0)).to_ndarray(format="bgr24")
    assert seen.shape == (1246, 1662, 3)
    whole = cv2.resize(np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1)), (1662, 1246))
    assert np.abs(seen.astype(int) - whole).mean() < 3


def test_what_cannot_be_decoded_is_not_encoded(tmp_path: Path) -> None:
    """Nothing is left of it."""
    copied = tmp_path / "copied.mp4"
    for jpeg in clip_at([0, 100], copied, 64, 48):
        copied.write_bytes(copied.read_bytes().replace(jpeg, bytes(len(jpeg))))
    with pytest.raises(SourceError):
        encode(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["copied.mp4"]
