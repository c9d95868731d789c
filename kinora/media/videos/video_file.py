"""Files that videos are read from: local ones, and ones behind a URL."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Self

import attrs

from kinora.media.network.remote_file import RemoteFile
from kinora.media.network.served_file import ServedFile, ServedSource
from kinora.media.source_types import SourceError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class LocalFile(io.RawIOBase):
    """A file that is open already, read from a position of this object's own; the descriptor stays the caller's."""

    def __init__(self, fd: int, name: str) -> None:
        super().__init__()
        self.name = name
        """FFmpeg tells some formats by the suffix."""
        self._fd = fd
        self._position = 0

    def readable(self) -> bool:
        """True: it is open for reading."""
        return True

    def seekable(self) -> bool:
        """True: it can be read from anywhere."""
        return True

    def tell(self) -> int:
        """The position, in bytes from the beginning."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to any position."""
        base = os.fstat(self._fd).st_size if whence == io.SEEK_END else self._position if whence == io.SEEK_CUR else 0
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read as many bytes as fit and return their number; 0 at the end.

        Raises:
            SourceError: the disk or the network behind it fails.
        """
        try:
            count = os.preadv(self._fd, [buffer], self._position)
        except OSError as error:
            raise SourceError("unreadable", f"The file cannot be read any further: {error.strerror}.") from error
        self._position += count
        return count


@attrs.frozen(kw_only=True)
class VideoFile:
    """A video that can be opened again and again."""

    name: str
    """Its name in messages."""
    head: bytes = b""
    """Its first bytes."""
    open: Callable[[], LocalFile | RemoteFile]
    """Gives a file object that FFmpeg reads from, at its beginning."""
    one_pass: bool = False
    """True if it can only be read from the beginning on."""
    endless: bool = False
    """True if nobody knows how much will come."""
    fd: int | None = None
    """The descriptor of a local file, which belongs to this object."""
    size: int | None = None
    """The bytes of a local file, or of one of our own server's, when it was opened."""

    @classmethod
    def local(cls, fd: int, path: str, name: str) -> Self:
        """A local file, whose head is still to be read. It takes over the descriptor."""
        return cls(name=name, open=partial(LocalFile, fd, path), fd=fd, size=os.fstat(fd).st_size)

    @classmethod
    def served(cls, source: ServedSource) -> Self:
        """A file of our own server, as :meth:`local`. It asks the server for it.

        Raises:
            SourceError: it cannot be read.
        """
        with ServedFile(source) as file:
            return cls(name=source.name, open=file.again, size=file.size)

    @classmethod
    def remote(cls, file: RemoteFile) -> Self:
        """The file that was opened as ``file``, of which no more than the head is used. It takes that over."""
        unused = [file]

        def open_first_or_again() -> RemoteFile:
            return unused.pop() if unused else file.again()

        return cls(
            name=file.name,
            head=file.head,
            open=open_first_or_again,
            one_pass=not file.seekable(),
            endless=file.endless,
        )

    def close(self) -> None:
        """Close what is open all the time."""
        if self.fd is not None:
            os.close(self.fd)
