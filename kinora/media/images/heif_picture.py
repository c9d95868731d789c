"""Decodes the still pictures of HEIC, HEIF and AVIF files: tiles are put together, and the whole is turned upright."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import BinaryIO, cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from kinora.media.images.heif import Heif, NotReadable, Size, Still, Tile
from kinora.media.packets.decoder_packets import packet_of
from kinora.media.source_types import CHANNELS

THREADS = 3
"""FFmpeg's threads, which decode several tiles at once."""
_MATRICES = frozenset({1, 4, 5, 6, 7, 9, 10})
"""The colour matrices that FFmpeg can apply; for others the tiles' own counts."""
_LIMITED, _FULL = 1, 2

Pixels = NDArray[np.uint8]


def decode(heif: Heif, still: Still, file: BinaryIO) -> Pixels:
    """The picture, HxWx3 BGR, upright. Its size is not bounded here.

    Raises:
        NotReadable: a tile cannot be decoded.
    """
    width, height = still.size
    whole = np.zeros((height, width, CHANNELS), np.uint8)
    reformatter = VideoReformatter()
    placed = 0
    for number, frame in _frames((heif.tile(item, file) for item in still.tiles), still.tile):
        pixels = _bgr(frame, still, reformatter)
        row, column = divmod(number, still.columns)
        _place(whole, pixels, (column * still.tile[0], row * still.tile[1]), still.tile)
        placed += 1
    if placed < len(still.tiles):
        raise NotReadable("it is damaged or incomplete")
    for kind, content in still.turns:
        whole = _turned(whole, kind, content)
    return np.ascontiguousarray(whole)


def _frames(tiles: Iterable[Tile], size: Size) -> Iterator[tuple[int, VideoFrame]]:
    """The decoded tiles with their numbers; one decoder takes all that it can."""
    for (codec, configuration), same in groupby(enumerate(tiles), lambda pair: (pair[1].codec, pair[1].configuration)):
        decoder = cast(VideoCodecContext, av.CodecContext.create(codec, "r"))
        decoder.options = {"max_pixels": str(4 * max(size[0], 64) * max(size[1], 64))}
        decoder.thread_type, decoder.thread_count = "AUTO", THREADS
        decoder.extradata = configuration or None
        try:
            for number, tile in same:
                packet = packet_of(tile.data)
                packet.pts = packet.dts = number
                yield from _numbered(decoder.decode(packet))
            yield from _numbered(decoder.decode(None))
        except av.FFmpegError as error:
            raise NotReadable("it is damaged or incomplete") from error


def _bgr(frame: VideoFrame, still: Still, reformatter: VideoReformatter) -> Pixels:
    if still.colours is not None and still.colours[0] in _MATRICES:
        frame.colorspace, frame.color_range = still.colours[0], _FULL if still.colours[1] else _LIMITED
    try:
        return np.asarray(reformatter.reformat(frame, format="bgr24").to_ndarray(), np.uint8)
    except (av.FFmpegError, ValueError) as error:
        raise NotReadable("its colours are of an unknown kind") from error


def _numbered(frames: Iterable[VideoFrame]) -> Iterator[tuple[int, VideoFrame]]:
    return ((frame.pts or 0, frame) for frame in frames if not frame.is_corrupt)


def _place(whole: Pixels, pixels: Pixels, corner: Size, tile: Size) -> None:
    left, top = corner
    room = whole[top : top + tile[1], left : left + tile[0]]
    height, width = min(room.shape[0], pixels.shape[0]), min(room.shape[1], pixels.shape[1])
    room[:height, :width] = pixels[:height, :width]


def _turned(pixels: Pixels, kind: bytes, content: bytes) -> Pixels:
    match kind:
        case b"irot":
            return np.rot90(pixels, content[0] & 3)
        case b"imir":
            return pixels[:, ::-1] if content[0] & 1 else pixels[::-1]
    return _cropped(pixels, content)


def _cropped(pixels: Pixels, content: bytes) -> Pixels:
    """What a ``clap`` leaves: a size, and how far its centre is from the picture's, each as a fraction."""
    height, width = pixels.shape[:2]
    across, across_of, down, down_of, x, x_of, y, y_of = struct.unpack(">IIIIiIiI", content[:32])
    if not across_of or not down_of or not x_of or not y_of:
        return pixels
    new_width, new_height = min(width, across // across_of), min(height, down // down_of)
    left = min(max(0, round((width - new_width) / 2 + x / x_of)), width - new_width)
    top = min(max(0, round((height - new_height) / 2 + y / y_of)), height - new_height)
    return pixels[top : top + new_height, left : left + new_width] if new_width and new_height else pixels
