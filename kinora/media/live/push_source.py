"""The pictures that a client pushes, as a source. Each is decoded when the server hands it over."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from types import TracebackType
from typing import Self

import attrs
import numpy as np
from numpy.typing import NDArray

from kinora.media.images.albums import damaged_image, open_album
from kinora.media.images.image_header import is_jpeg, is_png
from kinora.media.images.image_source import ImagePicture, check_size
from kinora.media.live.pushed import PUSHED, PushedPicture, is_pushable, read_picture
from kinora.media.packets.packet_keeper import PacketKeeper
from kinora.media.packets.packet_memory import KeptPacket
from kinora.media.source_types import CHANNELS, ErrorKind, SourceError, SourceLimits, SourceNote, changes_size
from kinora.media.videos.video_reading import JPEGS

NAME = "The pushed stream"
PNG = "png"
"""The codec of videos in which every picture is a PNG."""
DECODE_S = 30.0
"""A picture that takes longer to decode ends this process: the server goes on behind it with another one."""


class PushSource:
    """The pictures that come over a socket, until the server closes its end. They can be read once.

    A picture that cannot be read is left out, and its number stays unused.
    """

    def __init__(self, fd: int, limits: SourceLimits) -> None:
        """Take the socket over, and wait for the first picture that can be read.

        Raises:
            SourceError: there was none.
        """
        self.notes: list[SourceNote] = []
        self._told: set[ErrorKind] = set()
        self._limits = limits
        self._socket = socket.socket(fileno=fd)
        self._file = self._socket.makefile("rb")
        self._decoded = self._decode()
        first = next(self._decoded, None)
        if first is None:
            self._close()
            raise SourceError("unreadable", self._nothing())
        self._first = first
        pushed, pixels = first
        self.keeper = PacketKeeper(_codec_of(pushed.data) or JPEGS)
        """Gets the pictures of the kind of the first one, if clips can be made of them, else those that are JPEGs."""
        self._size = _size(pixels)
        width, height = self._size
        self.info = attrs.evolve(PUSHED, width=width, height=height, max_frame_bytes=width * height * CHANNELS)

    def frames(self, start: int = 0, stride: int = 1) -> Iterator[ImagePicture]:
        """Those of the pictures ``start``, ``start + stride``, … that can be read, from the first one on."""
        zero_us = self._first[0].time_us
        for pushed, pixels in chain([self._first], self._decoded):
            if self.keeper.wants and _codec_of(pushed.data) == self.keeper.codec:
                self.keeper.put(KeptPacket(pushed.data, pushed.time_us, pushed.received_s, is_key=True))
            self._note_size(_size(pixels))
            if pushed.index >= start and (pushed.index - start) % stride == 0:
                yield ImagePicture(
                    pushed.index, (pushed.time_us - zero_us) / 1000, pixels, received_s=pushed.received_s
                )

    def _decode(self) -> Iterator[tuple[PushedPicture, NDArray[np.uint8]]]:
        while (pushed := read_picture(self._file.read)) is not None:
            try:
                with _at_most(DECODE_S):
                    pixels = decode_pushed(pushed, self._limits)
            except SourceError as error:
                self._note_unread(error)
            else:
                yield pushed, pixels

    def _note_unread(self, error: SourceError) -> None:
        """Have the user told, once for each kind of reason."""
        if error.kind not in self._told:
            self._told.add(error.kind)
            self.notes.append(SourceNote(f"Pushed pictures that cannot be read are left out: {error}"))

    def _note_size(self, size: tuple[int, int]) -> None:
        """Have the user told of the first change: there may be one with each picture."""
        if size != self._size and all(note.code != "SOURCE_RESIZED" for note in self.notes):
            self.notes.append(changes_size(NAME, self._size, size))

    def _nothing(self) -> str:
        return self.notes[0].message if self.notes else "No picture was pushed: send JPEG, PNG or WebP pictures."

    def _close(self) -> None:
        self._file.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...  # a thread may be reading still; the end of the process closes the socket


def decode_pushed(pushed: PushedPicture, limits: SourceLimits) -> NDArray[np.uint8]:
    """Decode a picture; of one that moves, its first.

    Raises:
        SourceError: it is of another kind, too large, damaged or incomplete.
    """
    name = f"picture {pushed.index}"
    if not is_pushable(pushed.data):
        raise SourceError("unsupported", f"{name} is neither JPEG, PNG nor WebP; send one of these.")
    album = open_album(name, pushed.data)
    check_size(name, album.sizes[0], limits)
    decoded = next(album.decode([0]))
    if isinstance(decoded, SourceError):
        raise decoded
    if not decoded.whole:
        raise damaged_image(name)
    return decoded.pixels


def _codec_of(data: bytes) -> str | None:
    """FFmpeg's name of a picture's kind; None if no clips are made of it."""
    if is_jpeg(data):
        return JPEGS
    return PNG if is_png(data) else None


def _size(pixels: NDArray[np.uint8]) -> tuple[int, int]:
    return int(pixels.shape[1]), int(pixels.shape[0])


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """End this process, by SIGALRM, if the block takes longer: nothing else ends a call of native code."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
