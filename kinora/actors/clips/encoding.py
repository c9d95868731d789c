"""Encoding: has clips that browsers do not play encoded, after they were copied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import trio

from kinora.actors.clips import clip_table
from kinora.actors.errors import Unavailable
from kinora.actors.one_shot import OneShotBroke, OneShotFailed, one_shot
from kinora.actors.pictures.annotated_videos import VIDEO_FILE, temporary_folder
from kinora.actors.store.disk_floor import DiskFloor
from kinora.actors.store.store import Store, StoreFailing
from kinora.media.messages import CLIP_CUTTER, ClipEncoded, EncodeClip
from kinora.media.source_types import SourceLimits
from kinora.runtime.actor import ActorGone
from kinora.runtime.files.private_files import FILE_MODE
from kinora.runtime.forking.workers import ForkServer, ForkServerGone

COPIED = frozenset({"h264", "hevc", "vp9", "av1"})
"""The codecs, by FFmpeg's names, of clips that stay as they were copied: browsers play them, H.265 where the machine
can decode it. All others are encoded."""
ENCODED = "h264"
"""The codec that they have then."""
PROGRESS_S = 60.0
"""The longest time between two signs of progress on a clip; after it the clip stays as it was copied."""
RETRY_S = 5.0
"""The pause after a failure that is not the clip's, such as a disk without room."""
MAX_ATTEMPTS = 3
"""The attempts to encode a clip whose process ends for a reason that is not the clip's. Then it stays as it is."""


class Encoding:
    """Has one clip at a time encoded, the newest first, at low priority. What is to be encoded is stored.

    A clip is there, as it was copied, until it is encoded. No job and no other clip waits for it.
    """

    def __init__(
        self,
        store: Store,
        fork_server: ForkServer,
        limits: SourceLimits,
        disk: DiskFloor,
        folder: Path,
        *,
        path: Callable[[str, int], Path],
        report: Callable[[str, int, str], None],
    ) -> None:
        """Clips are encoded in ``folder``, which is on their disk; ``path`` tells where the clip of a job's event is.

        ``report`` gets job, event and reason of each that cannot be encoded.
        """
        self._store = store
        self._fork_server = fork_server
        self._limits = limits
        self._disk = disk
        self._folder = folder
        self._path = path
        self._report = report
        self._work = trio.Event()
        """Set when there may be a clip to encode."""
        self._at_work = "", trio.CancelScope()
        """The job of the clip that is being encoded, or was last, and what ends that."""

    def forget(self, job_id: str) -> None:
        """End the encoding of a clip of a job that was deleted."""
        of_job, scope = self._at_work
        if of_job == job_id:
            scope.cancel(reason="the job was deleted")

    def look_again(self) -> None:
        """Note that there may be a clip to encode."""
        self._work.set()

    async def run(self) -> None:
        """Have clips encoded until cancelled."""
        while True:
            try:
                await self._encode_next()
            except (StoreFailing, ActorGone, Unavailable):  # store and disk tell of it
                await trio.sleep(RETRY_S)

    async def _encode_next(self) -> None:
        """Encode the newest clip that waits for it, or leave it as it was copied; wait for one if there is none."""
        work = self._work = trio.Event()
        found = await self._store.read(clip_table.next_to_encode)
        if found is None:
            await work.wait()
            return
        job_id, event = found
        with trio.CancelScope() as scope:
            self._at_work = job_id, scope
            fault = await self._attempt(job_id, event)
            if fault is not None and await self._store.read(clip_table.has_clip, job_id, event):  # it was not deleted
                self._report(job_id, event, str(fault))
                await self._store.change(clip_table.keep_copied(job_id, event))

    async def _attempt(self, job_id: str, event: int) -> Exception | None:
        """Encode a clip, in several attempts if need be; return why it cannot be, if so."""
        fault: Exception | None = None
        for _ in range(MAX_ATTEMPTS):
            try:
                await self._encode(job_id, event)
            except (OneShotBroke, ForkServerGone) as error:
                fault = error
                await trio.sleep(RETRY_S)
            except (OneShotFailed, OSError) as error:
                return error
            else:
                return None
        return fault

    async def _encode(self, job_id: str, event: int) -> None:
        clip = self._path(job_id, event)
        self._disk.require()
        async with temporary_folder(self._folder) as folder:
            out = folder / VIDEO_FILE
            request = EncodeClip(location=str(clip), out=str(out), limits=self._limits)
            await one_shot(self._fork_server, CLIP_CUTTER, "encode", request, ClipEncoded, timeout_s=PROGRESS_S)
            await out.chmod(FILE_MODE)
            size = (await out.stat()).st_size
            await out.replace(clip)
        await self._store.change(clip_table.keep_encoded(job_id, event, ENCODED, size))
        if not await self._store.read(clip_table.has_clip, job_id, event):  # it went for a newer one meanwhile
            await trio.Path(clip).unlink(missing_ok=True)
