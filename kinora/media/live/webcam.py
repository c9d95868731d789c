"""Webcams of this machine, which FFmpeg reads through the kernel's V4L2."""

from __future__ import annotations

import errno
import os
import queue
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from types import TracebackType
from typing import Self

import av
from av.container import InputContainer
from av.format import ContainerFormat
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from kinora.media.arrival import clock_s
from kinora.media.camera_errors import SILENCE_S, CameraError, CameraLost, LostReason
from kinora.media.packets.packet_keeper import PacketKeeper
from kinora.media.packets.packet_memory import KeptPacket
from kinora.media.packets.raw_packets import RawPackets, kept_codec
from kinora.media.source_types import CHANNELS, SourceError, SourceInfo, SourceLimits, SourceNote
from kinora.media.videos.clock import ArrivalClock
from kinora.media.videos.video_errors import check_pixels
from kinora.media.videos.video_picture import Converter, VideoPicture

FORMAT = "v4l2"
"""What FFmpeg calls it."""
MAX_PACKETS = 4
"""The pictures between the webcam and their decoding; while they wait, the kernel keeps a few more, then none."""
CLOSE_S = 1.0
"""The wait for the thread that reads; the process ends soon even if the kernel holds the thread."""
_BUSY = frozenset({errno.EBUSY})
_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENXIO})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})


class WebcamSource:
    """The pictures of a webcam, each when it comes. It is opened once: many let in one program at a time."""

    def __init__(self, device: str, name: str, limits: SourceLimits) -> None:
        """Open it, and wait for its first picture. ``device`` is its path; messages call it ``name``.

        Raises:
            SourceError: it cannot be watched; mostly a CameraError.
        """
        self.notes: list[SourceNote] = []
        self._name = name
        self._limits = limits
        self._reading = _Reading(_opened(device, name), name)
        self.keeper = self._reading.keeper
        try:
            self._first = next(self._reading.frames)
            check_pixels(name, self._first.width, self._first.height, limits)
        except BaseException:
            self._reading.close()
            raise
        self.info = SourceInfo(
            kind="stream",
            width=self._first.width,
            height=self._first.height,
            max_frame_bytes=self._first.width * self._first.height * CHANNELS,
            frames_total=None,
            fps=None,
            duration_ms=None,
        )

    def frames(self, start: int = 0, stride: int = 1) -> Iterator[VideoPicture]:
        """Pictures ``start``, ``start + stride``, …, counted from the first call on; they can be read once.

        Raises:
            CameraLost: at the end.
        """
        converter, clock = Converter(), ArrivalClock()
        try:
            for index, frame in enumerate(self._reading.frames):
                check_pixels(self._name, frame.width, frame.height, self._limits)
                at_ms, received_s = clock.read(None), self._reading.came_s
                if index >= start and (index - start) % stride == 0:
                    yield VideoPicture(index, at_ms, frame, converter, received_s)
        except SourceError as error:
            raise CameraLost.by(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reading.close()


def require_device(device: str, name: str) -> None:
    """Check that the device can be opened. It is not opened for that: some begin to work then.

    Raises:
        CameraError: it cannot be; the text says what to do.
    """
    try:
        ContainerFormat(FORMAT, "r")
    except ValueError as error:
        raise CameraError(
            LostReason.CODEC, f"{name} cannot be watched: FFmpeg has no V4L2 here. Install PyAV's wheel for Linux."
        ) from error
    try:
        mode = os.stat(device).st_mode  # noqa: PTH116 - as below
    except OSError as error:
        raise device_fault(name, error) from error
    if not stat.S_ISCHR(mode):
        raise _no_webcam(name)
    if not os.access(device, os.R_OK | os.W_OK):
        raise device_fault(name, PermissionError(errno.EACCES, "no permission"))


def _opened(device: str, name: str) -> InputContainer:
    try:
        container = av.open(device, format=FORMAT)
    except av.FFmpegError as error:
        raise device_fault(name, error) from error
    if not container.streams.video:
        container.close()
        raise _no_webcam(name)
    return container


def device_fault(name: str, error: OSError | av.FFmpegError) -> CameraError:
    """The error for a device that cannot be opened."""
    number = error.errno
    if number in _GONE:
        return CameraError(
            LostReason.UNREACHABLE, f"{name} is not there: plug it in, or see `ls /dev/video*` for another number."
        )
    if number in _FORBIDDEN:
        return CameraError(
            LostReason.REFUSED, f"{name} must not be opened by this user: add the server's user to the group video."
        )
    if number in _BUSY:
        return CameraError(LostReason.REFUSED, f"{name} is in use: stop the other program that watches it.")
    return _no_webcam(name)


def _no_webcam(name: str) -> CameraError:
    return CameraError(
        LostReason.NO_VIDEO, f"{name} gives no video: see `ls /dev/video*` for another number of the same webcam."
    )


class _Reading:
    """Reads a device, which it takes over, in a thread: the kernel may hold who waits for a picture."""

    def __init__(self, container: InputContainer, name: str) -> None:
        self._container = container
        self._name = name
        self._stream: VideoStream = container.streams.video[0]
        self._stream.thread_type = "SLICE"  # threads that decode several pictures at once would each hold one back
        codec = kept_codec(self._stream)
        self.keeper = None if codec is None else PacketKeeper(codec)
        """None if the webcam gives its pictures uncompressed, as most do."""
        self._raw = RawPackets(self._stream)
        self.came_s = 0.0
        """When the last packet was taken."""
        self._packets: queue.Queue[Packet[VideoStream] | None] = queue.Queue(MAX_PACKETS)
        """None stands for the end."""
        self._closing = False
        self._thread = threading.Thread(target=self._read, name="webcam", daemon=True)
        self._thread.start()
        self.frames = chain.from_iterable(self._decoded())
        """Every picture that can be decoded."""

    def close(self) -> None:
        """Close the device, as soon as the kernel lets go of the thread."""
        self._closing = True
        with suppress(queue.Empty):
            self._packets.get_nowait()
        self._thread.join(CLOSE_S)

    def _read(self) -> None:
        try:
            for packet in self._container.demux(self._stream):
                if self._closing or packet.size == 0:
                    break
                self._packets.put(packet)
        except av.FFmpegError:  # it was unplugged
            pass
        finally:
            self._container.close()
            if not self._closing:
                self._packets.put(None)

    def _decoded(self) -> Iterator[list[VideoFrame]]:
        while True:
            try:
                packet = self._packets.get(timeout=SILENCE_S)
            except queue.Empty:
                raise CameraError(
                    LostReason.SILENT, f"{self._name} has given no picture for {SILENCE_S:.0f} s: plug it in anew."
                ) from None
            if packet is None:
                raise CameraError(LostReason.CLOSED, f"{self._name} gives no more pictures: see that it is plugged in.")
            self.came_s = clock_s()
            self._keep(packet)
            with suppress(av.FFmpegError):  # the next picture may be whole
                yield self._stream.codec_context.decode(packet)

    def _keep(self, packet: Packet[VideoStream]) -> None:
        if self.keeper is not None and self.keeper.wants and (data := self._raw.of(packet)) is not None:
            time_us = round(self.came_s * 1_000_000)
            self.keeper.put(KeptPacket(data, time_us, self.came_s, packet.is_keyframe))
