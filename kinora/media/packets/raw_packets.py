"""A container's packets as they are kept for clips: each key frame says by itself how it is decoded."""

from __future__ import annotations

from av.bitstream import BitStreamFilterContext
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from kinora.media.packets.decoder_packets import packet_of
from kinora.media.packets.packet_memory import CODECS

_WITH_START_CODES = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}


def kept_codec(stream: VideoStream) -> str | None:
    """The codec of the stream if its packets can be kept; else None."""
    name = stream.codec_context.codec.canonical_name
    return name if name in CODECS else None


class RawPackets:
    """Makes raw packets of those of a stream, whose parameter sets its container may have apart."""

    def __init__(self, stream: VideoStream) -> None:
        name = _WITH_START_CODES.get(stream.codec_context.codec.canonical_name)
        self._filter: BitStreamFilterContext | None = None
        self._is_damaged = False
        if name is not None:
            try:
                self._filter = BitStreamFilterContext(name, stream)
            except FFmpegError:  # the decoder tells of it
                self._is_damaged = True

    def of(self, packet: Packet[VideoStream]) -> bytes | None:
        """The data of a packet, which stays as it is; None if it, or the head of the stream, is damaged."""
        if self._is_damaged:
            return None
        data = bytes(packet)
        if self._filter is None:
            return data
        copied = packet_of(data)  # what goes into the filter is gone
        copied.is_keyframe = packet.is_keyframe
        try:
            return b"".join(map(bytes, self._filter.filter(copied)))
        except FFmpegError:  # the decoder tells of it
            return None
