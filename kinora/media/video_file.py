"""Files that videos are read from: local ones, and ones behind a URL."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Self

import attrs

from kinora.media.remote_file import RemoteFile


@attrs.frozen(kw_only=True)
class VideoFile:
    """A video that can be opened again and again."""

    name: str
    """Its name in messages."""
    head: bytes
    """Its first bytes."""
    open: Callable[[], AbstractContextManager[str | RemoteFile]]
    """Gives a path for FFmpeg, or a file object that it reads from."""
    one_pass: bool = False
    """True if it can only be read from the beginning on."""
    endless: bool = False
    """True if its size is unknown."""

    @classmethod
    def local(cls, path: Path, name: str, head: bytes) -> Self:
        """A local file."""
        return cls(name=name, head=head, open=lambda: nullcontext(str(path)))

    @classmethod
    def remote(cls, file: RemoteFile) -> Self:
        """The file that was opened as ``file``, to be opened again."""
        return cls(
            name=file.name,
            head=file.head,
            open=partial(RemoteFile, file.url, file.hosts),
            one_pass=not file.seekable(),
            endless=file.size is None,
        )
