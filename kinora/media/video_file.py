"""What a video is read from: a file here, or one behind a URL."""

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
    """As messages call it."""
    head: bytes
    """How it begins."""
    open: Callable[[], AbstractContextManager[str | RemoteFile]]
    """A path for FFmpeg, or what gives it the bytes."""
    one_pass: bool = False
    """Whether it can only be read from the beginning on."""
    endless: bool = False
    """Whether nobody says how long it is."""

    @classmethod
    def local(cls, path: Path, name: str, head: bytes) -> Self:
        """A file of this machine."""
        return cls(name=name, head=head, open=lambda: nullcontext(str(path)))

    @classmethod
    def remote(cls, file: RemoteFile) -> Self:
        """What was opened as ``file``, to be opened anew."""
        return cls(
            name=file.name,
            head=file.head,
            open=partial(RemoteFile, file.url, file.hosts),
            one_pass=not file.seekable(),
            endless=file.size is None,
        )
