"""One pass over the pictures of a video."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from typing import cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from kinora.media.arrival import Arrivals, clock_s
from kinora.media.images.image_header import may_have_many_scans
from kinora.media.packets.packet_keeper import PacketKeeper
from kinora.media.packets.packet_memory import KeptPacket
from kinora.media.packets.raw_packets import RawPackets
from kinora.media.source_types import SourceLimits, many_scans
from kinora.media.videos.broken_streams import Beginning, HeldBack, JoinedPieces
from kinora.media.videos.seeking import Place
from kinora.media.videos.video_errors import check_pixels, encrypted

JPEGS = "mjpeg"
"""The codec of videos in which every picture is a JPEG."""
TS = "mpegts"
UNTIMED = frozenset({"avi", "mxf"})
"""Containers in which pictures are stored at their times, one after the other, but have none of their own."""
MAX_STORED = 64
"""The most packets that a decoder holds back before their pictures come; beyond it the oldest are forgotten."""


class Reading:
    """One pass over the pictures of an opened file. It remembers in ``damaged`` if part of the file was unreadable.

    A JPEG of too many scans, a picture over the limit or an encrypted one ends it with a SourceError that calls the
    file ``name``.
    """

    def __init__(
        self,
        name: str,
        limits: SourceLimits,
        container: InputContainer,
        stream: VideoStream,
        keeper: PacketKeeper | None = None,
    ) -> None:
        """``keeper`` gets the packets of a live stream."""
        self.arrivals = Arrivals()
        """When the packets came whose pictures are still to come, if there is a keeper."""
        self._keeper = keeper
        self._raw = None if keeper is None else RawPackets(stream)
        self._name = name
        self._limits = limits
        self._container = container
        self._stream = stream
        self._jpegs = stream.codec_context.name == JPEGS
        self._joins = JoinedPieces(stream) if container.format.name == TS else None
        self._beginning: Beginning | None = Beginning()
        self._stored = deque[int](maxlen=MAX_STORED) if container.format.name in UNTIMED else None
        self.damaged = False
        self.left_out = 0
        """The pictures at the beginning that cannot be decoded, once there is a frame: they refer to earlier ones."""
        self.first_dts: int | None = None
        """Where the first packet is stored, in ticks of the stream."""
        self.last_dts: int | None = None
        """Where the packet that was read last is stored, in ticks of the stream."""
        self.frames = self._decode()
        """Every frame that can be decoded; packets that cannot are skipped."""

    def skip_to(self, place: Place) -> VideoFrame | None:
        """Go to a place in the file and return its picture; None if the picture is not found there."""
        with contextlib.suppress(av.FFmpegError):
            self._container.seek(place.time, stream=self._stream)
            for frame in self.frames:
                number = place.numbers.get(frame.pts) if frame.pts is not None else None
                if number == place.wanted:
                    self.damaged = False  # only pictures before this one lacked their reference frames
                    return frame
                if number is None or number > place.wanted:  # the file's index is wrong
                    break
        return None

    def _decode(self) -> Iterator[VideoFrame]:
        held_back = HeldBack()
        for packet in self._packets():
            frames = self._decode_packet(packet)
            held_back.add(packet, len(frames))
            for frame in frames:
                self._check_size(frame)
                if self._stored:
                    frame.pts = self._stored.popleft()
                self.damaged |= frame.is_corrupt
                if self._beginning is not None:
                    self.left_out, self._beginning = self._beginning.left_out(frame), None
                yield frame
        self.damaged |= held_back.lost(self.left_out)
        if self._joins is not None:
            self.damaged |= self._joins.lost

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """Every packet that is worth decoding, and an empty one at the end."""
        try:
            for packet in self._container.demux(self._stream):
                if self._is_whole(packet):
                    self._check(packet)
                    self._keep(packet)
                    yield packet
        except av.FFmpegError:
            self.damaged = True
            yield _end_mark(self._stream)

    def _keep(self, packet: Packet[VideoStream]) -> None:
        """Have a packet kept if clips are wanted; one that has no time is timed by its arrival."""
        if self._keeper is None or self._raw is None or not packet.size:
            return
        came_s = clock_s()
        self.arrivals.note(packet.pts, came_s)
        if self._keeper.wants and (data := self._raw.of(packet)) is not None:
            seconds = came_s if packet.pts is None else packet.pts * (self._stream.time_base or 0)
            self._keeper.put(KeptPacket(data, round(seconds * 1_000_000), came_s, packet.is_keyframe))

    def _is_whole(self, packet: Packet[VideoStream]) -> bool:
        """False for an incomplete packet, which would spoil pictures before it."""
        if packet.dts is not None:
            self.first_dts, self.last_dts = packet.dts if self.first_dts is None else self.first_dts, packet.dts
        if self._joins is not None:
            self._joins.add(packet)
            return True
        self.damaged |= packet.is_corrupt
        return not packet.is_corrupt

    def _check(self, packet: Packet[VideoStream]) -> None:
        if packet.has_sidedata("encryption_info"):
            raise encrypted(self._name)
        if self._jpegs and may_have_many_scans(bytes(packet)):
            raise many_scans(f"A picture of {self._name}")
        if self._beginning is not None:
            self._beginning.add(packet)

    def _decode_packet(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        if self._stored is not None and packet.size and packet.dts is not None:
            self._stored.append(packet.dts)
        try:
            return packet.decode()
        except av.FFmpegError:
            if self._stored:
                self._stored.pop()
            self._check_size(self._stream.codec_context)
            self.damaged |= self._beginning is None or self._beginning.at_key
            return []

    def _check_size(self, sized: VideoFrame | VideoCodecContext) -> None:
        check_pixels(self._name, sized.width, sized.height, self._limits)


def _end_mark(stream: VideoStream) -> Packet[VideoStream]:
    packet = cast("Packet[VideoStream]", Packet())
    packet.stream = stream
    return packet
