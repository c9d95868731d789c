"""A run on a server: its frames are read as they are done, through lost connections."""

from __future__ import annotations

import math
import sys
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar

import attrs
import msgspec
import trio

from kinora.actors.models import ENDED
from kinora.client.errors import ClientError
from kinora.client.rest import KinoraClient
from kinora.client.resumption import BackOff
from kinora.client.starting import wait_for_start
from kinora.media.source_names import without_query
from kinora.python.beside import in_own_loop
from kinora.python.errors import RunError, as_run_error
from kinora.python.kept import KeptFrames
from kinora.python.pictures import FetchedPicture, Pixels
from kinora.python.report import Report
from kinora.python.shown import Shown, check_end
from kinora.python.turns import Turns
from kinora.python.wanted import Wanted
from kinora.results.exporter import ExportedJob
from kinora.results.job import skeleton_of, to_export

T = TypeVar("T")
PAGE_FRAMES = 64
"""The most frames of one answer. Those of a page wait for their turns here, all others at the server."""
WAIT_S = 30
"""The time for which the server holds an answer while there is nothing new."""
SILENCE_S = 30.0
"""The further time that an answer may take; then the connection counts as lost."""
LOST_S = 300.0
"""The time for which a lost server is asked again; then the run fails."""
CANCEL_S = 10.0
"""The time that a cancel may take; a server that cannot be reached so long goes on with the job."""
LOGS_S = 5.0
"""The time that what the plugins printed may take at the end; it is left out if it takes longer."""
EVENT_KEYS = ("plugin", "kind", "message", "data")
"""What a frame says of its events."""
REFUSED_FOR_NOW = 503
"""A server's answer to a new job while its disk is full; and to all else while it starts."""
_LOST = frozenset({None, 502, REFUSED_FOR_NOW, 504})
"""What a request fails with that may succeed a little later: no answer, or one of a proxy before the server."""


@attrs.frozen
class RemoteRun:
    """The work of one run."""

    client: KinoraClient
    wanted: Wanted
    sent: Path | None
    """The file to send, if the server does not have the source."""
    report: Report

    async def run(self, turns: Turns[Shown]) -> None:
        """Submit the job, and read it to its end; cancel it if the run is to stop.

        Raises:
            RunError: the job failed.
            ClientError: the server refuses, or cannot be reached for long.
        """
        await wait_for_start(self.client.url, self.client.ca_file, _tell)
        plugins = await self.client.plugins()  # a server that cannot be reached is told now
        job_id = await self._submit()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_on_stop, turns, nursery.cancel_scope)
            await self._note(job_id, plugins)
            await self._read(job_id, turns)
            nursery.cancel_scope.cancel()
        if turns.stopping.is_set() and self.report.state.get("status") not in ENDED:
            await self._cancel(job_id)
        await self._take_logs(job_id)
        if not turns.stopping.is_set():
            check_end(self.report.state, stopped=False)

    async def _submit(self) -> str:
        """Submit the job, once even if the answer is lost, and return its id."""
        entries = [{"name": plugin.name, **plugin.request} for plugin in self.wanted.plugins]
        request, key = self.wanted.request(entries, self.wanted.source), str(uuid.uuid4())
        if self.sent is None:
            submit = partial(self.client.submit, request, idempotency_key=key)
        else:
            del request["source"]
            submit = partial(self.client.upload, self.sent, request, idempotency_key=key)
        return (await _persist(submit, lost=_LOST - {REFUSED_FOR_NOW}, timeout_s=math.inf)).job_id

    async def _note(self, job_id: str, plugins: Sequence[Mapping[str, Any]]) -> None:
        """Note what exports say of the job."""
        self.report.state = state = await _persist(partial(self.client.extended, job_id, limit=0))
        known = {plugin["name"]: plugin["metadata"] or {} for plugin in plugins}
        pipeline = tuple(state["plugins"])
        skeletons = {name: metadata.get("skeleton") for name, metadata in known.items()}
        self.report.skeletons = {name: pairs for name, pairs in skeletons.items() if pairs}
        trackers = [name for name in pipeline if "tracking" in known.get(name, {}).get("capabilities", ())]
        self.report.exported = ExportedJob(
            job_id=job_id,
            source=without_query(state["source"]),
            created_at=state["created_at"],
            plugins=to_export(pipeline, trackers),
            stride=state["options"].get("stride", 1),
            skeleton=skeleton_of(pipeline, self.report.skeletons),
        )

    async def _read(self, job_id: str, turns: Turns[Shown]) -> None:
        """Give each frame its turn, until the job has ended."""
        after: int | None = None
        while True:
            ask = partial(self.client.extended, job_id, after=after, limit=PAGE_FRAMES, wait_s=WAIT_S)
            state = await _persist(ask)
            frames = state.pop("frames")
            await self._take_events(job_id)
            self.report.state = state
            for frame in frames:
                after = frame["index"]
                picture = FetchedPicture(partial(self._picture, job_id, frame["index"]))
                await turns.give(Shown(msgspec.json.encode(frame), picture, self._events_of(frame["index"])))
            if not frames and state["status"] in ENDED:
                return

    async def _take_events(self, job_id: str) -> None:
        """Read the events up to now: those of a frame are there when the frame is."""
        while True:
            page = await _persist(partial(self.client.events, job_id, after=self.report.last_event))
            self.report.events += page["events"]
            if page["next"] is None:
                return

    def _events_of(self, index: int) -> list[dict[str, Any]]:
        """The events of a frame. Those of the newest frames are last, in the order of the frames."""
        found = takewhile(lambda event: event["index"] is None or event["index"] >= index, reversed(self.report.events))
        told = [{key: event[key] for key in EVENT_KEYS} for event in found if event["index"] == index]
        return told[::-1]

    async def _cancel(self, job_id: str) -> None:
        with trio.move_on_after(CANCEL_S):
            await _persist(partial(self.client.cancel, job_id))
            self.report.state = await _persist(partial(self.client.extended, job_id, limit=0))

    async def _take_logs(self, job_id: str) -> None:
        with trio.move_on_after(LOGS_S), suppress(ClientError):
            for name in self.report.state["plugins"]:
                self.report.logs = {**self.report.logs, name: await self.client.log(job_id, plugin=name)}

    def _picture(self, job_id: str, index: int) -> Pixels:
        import cv2  # noqa: PLC0415 - takes long to import, and few loops on servers look at pictures
        import numpy as np  # noqa: PLC0415

        try:
            data = in_own_loop(partial(self.client.picture, job_id, index))
        except ClientError as error:
            raise as_run_error(error) from None
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise RunError(f"The server gave no picture of frame {index}")
        return picture  # type: ignore[return-value]  # OpenCV's types do not say that it is of uint8

    def annotate(self, _kept: KeptFrames, out: Path) -> None:
        """Have the server make the video, and write it to ``out``.

        Raises:
            RunError: it cannot be made or written.
        """
        if out.suffix != ".mp4":
            raise RunError(f"A server makes videos as .mp4: give a name that ends so, not in {out.suffix}")
        job_id = self.report.state.get("job_id")
        if job_id is None:
            raise RunError("The run has no job: there are no frames to draw in")
        try:
            with out.open("wb") as file:
                in_own_loop(partial(self.client.download_video, job_id, trio.wrap_file(file).write))
        except OSError as error:
            raise RunError(f"{out} cannot be written: {error.strerror or error}") from error
        except ClientError as error:
            out.unlink(missing_ok=True)
            raise as_run_error(error) from None


def _tell(said: str) -> None:
    sys.stderr.write(f"kinora: {said}\n")


async def _cancel_on_stop(turns: Turns[Shown], scope: trio.CancelScope) -> None:
    await turns.stopping.wait()
    scope.cancel(reason="the run is stopped")


async def _persist(
    ask: Callable[[], Awaitable[T]], *, lost: Collection[int | None] = _LOST, timeout_s: float = WAIT_S + SILENCE_S
) -> T:
    """Ask the server, again and again while it cannot be reached: it fails with a status of ``lost``, or is silent.

    Raises:
        ClientError: it refuses, or could not be reached for ``LOST_S``.
    """
    pauses, give_up = BackOff(), trio.current_time() + LOST_S
    while True:
        try:
            with trio.fail_after(timeout_s):
                return await ask()
        except trio.TooSlowError as error:
            failure = ClientError("The server does not answer")
            failure.__cause__ = error
        except ClientError as error:
            if error.status not in lost:
                raise
            failure = error
        if trio.current_time() > give_up:
            raise failure
        await trio.sleep(pauses.next_s())
