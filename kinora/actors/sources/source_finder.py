"""Finds the source that a client names, and examines it."""

from __future__ import annotations

from contextlib import AsyncExitStack, suppress
from functools import partial
from itertools import accumulate
from pathlib import Path, PurePath

import attrs
import trio

from kinora.actors.errors import FieldError, InvalidRequest, TooLarge, Unavailable, UnsupportedSource
from kinora.actors.one_shot import OneShotFailed, one_shot
from kinora.actors.sources.cameras import Cameras
from kinora.actors.sources.held_sources import HeldSource, HeldSources
from kinora.actors.sources.media_folder import look
from kinora.actors.sources.source_reader import OpenSource, SourceBroke, find_key_frames, open_source
from kinora.media.live.pushed import PUSHED
from kinora.media.messages import DEMO_CLIP, Made, MakeDemoClip
from kinora.media.network.url_access import is_url
from kinora.media.source_names import PUSH, is_watched
from kinora.media.source_types import SourceError, SourceInfo, SourceLimits
from kinora.nearest import nearest
from kinora.runtime.forking.workers import ForkServer

DEMO_SOURCE = "demo:"
CLOSE = 0.8
"""How alike the name of a missing file and such a word must be, from 0 to 1, for the word to be suggested."""
DEMO_TIMEOUT_S = 120.0
CHECKS_AT_ONCE = 3
"""The most files, and the most URLs and cameras, that are examined at once; further ones wait in order of arrival.

A decoder may need hundreds of megabytes for one check. The two have places of their own: hosts that do not answer hold
up no file. The JobManager bounds the number that waits.
"""
LOOKS_AT_ONCE = 8
"""The most threads that look for a source in the media folder; further requests wait for one."""
LOOK_TIMEOUT_S = 10.0
"""The time for that, the wait for a thread included; beyond it a request is refused with 503."""


@attrs.frozen
class Examined:
    """The facts of a source, and the source itself if it is live and is still open."""

    info: SourceInfo
    held: HeldSource | None
    key_frames: tuple[int, ...] = ()
    """Where it may be cut, if that was asked for."""


class SourceFinder:
    """Finds sources in the places where they may be, and opens each in a process of its own."""

    def __init__(
        self,
        fork_server: ForkServer,
        held: HeldSources,
        *,
        media_dir: Path,
        data_dir: Path,
        uploads: Path,
        limits: SourceLimits,
        cameras: Cameras,
    ) -> None:
        self.limits = limits
        self.cameras = cameras
        self._held = held
        self._fork_server = fork_server
        self._media_dir = media_dir
        self._data_dir = data_dir
        self._uploads = uploads
        self._making_demo = trio.Lock()
        self._looks = trio.CapacityLimiter(LOOKS_AT_ONCE)
        self._demo: Path | None = None
        """The demo clip, once it was made or found."""
        self._file_checks = trio.CapacityLimiter(CHECKS_AT_ONCE)
        self._url_checks = trio.CapacityLimiter(CHECKS_AT_ONCE)

    async def locate(self, source: str) -> str:
        """Return the location of a source: an absolute path; a URL, a camera's name or ``push:`` is returned as it is.

        Raises:
            InvalidRequest: it does not exist, or is not where sources may be.
            Unavailable: the media folder does not answer, or the demo clip could not be made.
        """
        if source == DEMO_SOURCE:
            return await self._demo_clip()
        if is_url(source) or source == PUSH:
            return source
        if is_watched(source):
            self.cameras.require(source)
            return source
        find = partial(find_in_folder, source, self._media_dir, follow_links=not self.limits.folders)
        return str(await look(self._media_dir, find, self._looks, LOOK_TIMEOUT_S))

    def upload(self, stored: str) -> Path:
        """Return the path of an upload from what the store has of it: its name, or from earlier versions its path.

        So the data folder may be moved.
        """
        return self._uploads / Path(stored).name

    async def examine(self, location: str, shown_as: str, *, key_frames: bool = False) -> Examined:
        """Open the source and return its facts; messages call it ``shown_as``. All but a live stream is closed again.

        ``key_frames``: also ask where it may be cut.

        Waits for its turn: see ``CHECKS_AT_ONCE``.

        Raises:
            InvalidRequest: it cannot be read.
            UnsupportedSource: it is neither a video nor an image.
            TooLarge: its pictures exceed the limit.
            Unavailable: it could not be examined, for a reason that is not the source's.
        """
        if location == PUSH:
            await trio.lowlevel.checkpoint()
            return Examined(PUSHED, None)
        places = self._url_checks if is_url(location) or is_watched(location) else self._file_checks
        try:
            async with places, AsyncExitStack() as resources:
                opening = open_source(
                    self._fork_server, "probe", location, shown_as, limits=self.limits, cameras=self.cameras
                )
                source = await resources.enter_async_context(opening)
                held = self._hold(source, resources) if source.info.kind == "stream" else None
                return Examined(source.info, held, await find_key_frames(source) if key_frames else ())
        except SourceError as error:
            if error.kind == "too_large":
                raise TooLarge(error.message) from error
            if error.kind == "unreadable":
                raise InvalidRequest("The source cannot be read.", [FieldError("source", error.message)]) from error
            raise UnsupportedSource(error.message) from error
        except SourceBroke as error:
            raise Unavailable(f"The source could not be examined: {error}. Try again.") from error

    def _hold(self, source: OpenSource, resources: AsyncExitStack) -> HeldSource | None:
        kept = resources.pop_all()
        held = self._held.hold(source, kept)
        if held is None:
            resources.push_async_exit(kept)
        return held

    async def _demo_clip(self) -> str:
        """Return the path of the demo clip, which is made for the first job that asks for it, or if it has gone."""
        if self._demo is None or not self._demo.exists():
            async with self._making_demo:
                if self._demo is None or not self._demo.exists():
                    self._demo = await self._make_demo_clip()
        return str(self._demo)

    async def _make_demo_clip(self) -> Path:
        request = MakeDemoClip(str(self._data_dir))
        try:
            made = await one_shot(self._fork_server, DEMO_CLIP, "demo clip", request, Made, timeout_s=DEMO_TIMEOUT_S)
        except OneShotFailed as error:
            raise Unavailable(f"The demo clip could not be made: {error}") from error
        return Path(made.path)


def find_in_folder(source: str, folder: Path, *, follow_links: bool = False) -> Path:
    """Return the file or folder that ``source`` names below ``folder``, with all links resolved. Blocks.

    Raises:
        InvalidRequest: it does not exist, or lies outside; with ``follow_links``, a link may lead there.
    """
    root = folder.resolve()
    try:
        found = (root / source).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        found = None
    if found is not None and (found.is_relative_to(root) or (follow_links and _is_named_below(source))):
        return found
    raise InvalidRequest("The source is not in the media folder.", [FieldError("source", _why_not(source, root))])


def _is_named_below(source: str) -> bool:
    path = PurePath(source)
    return not path.is_absolute() and ".." not in path.parts


def _why_not(source: str, root: Path) -> str:
    """Say why a source is not found; of what is outside nothing is said."""
    named = f"{source[:200]!r}"
    if _is_named_below(source):
        steps = accumulate(PurePath(source).parts, lambda path, part: f"{path}/{part}")
        with suppress(OSError, ValueError):
            if any((root / step).is_symlink() for step in steps):
                return (
                    f"{named} is a link that leads out of the media folder or nowhere: put what it links to into {root}"
                )
    return f"{named} is not a file or folder below {root}{nearest(source[:200], (DEMO_SOURCE, PUSH), close=CLOSE)}"
