"""``/v1/jobs/{job_id}/push``: a WebSocket by which a client sends the pictures of a job, one in each binary message.

A picture goes straight from the connection to the job's inlet: while that has no room, nothing more is read.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Literal

import msgspec
import trio
from quart import Blueprint, websocket

from kinora.actors.errors import Conflict
from kinora.actors.jobs.job import Job
from kinora.actors.realtime.connection_manager import CloseCode
from kinora.actors.sources.push_inlet import Pusher, PushInlet
from kinora.media.live.pushed import MAX_PICTURE_BYTES, is_pushable
from kinora.system import System
from kinora.web.connection.connection import Connection
from kinora.web.connection.websocket_stream import Lane
from kinora.web.problems import Problem
from kinora.web.requests.incoming import invalid_parameter, job_id_of

ANSWER_S = 0.1
"""The least time between two answers; what comes meanwhile is told by the next one."""
PING_S = 2.0
"""The interval between two pings, so that a client that sends nothing now is heard of."""
DEAD_S = 60.0
"""A client of which nothing at all was heard for this long is closed."""
STAMP = struct.Struct(">Q")
"""What goes before a picture with ``?timestamps=1``: its time in microseconds."""
END_REASONS = {
    "done": "The job has ended.",
    "cancelled": "The job was cancelled.",
    "failed": "The job has failed: see its error.",
}
NOT_OURS = Problem(HTTPStatus.NOT_IMPLEMENTED, "This server cannot take pushed pictures: start it by `kinora serve`.")


class Ack(msgspec.Struct, tag_field="type", tag="ack"):
    """What the server has got."""

    index: int | None
    """The index of the newest picture; null before the first."""
    dropped: int
    """The pictures of the job that were dropped for newer ones."""


class PushError(msgspec.Struct, tag_field="type", tag="error"):
    """A message that is not taken; the next one may be."""

    message: str
    """A sentence that says what to do."""


class End(msgspec.Struct):
    """There are no more pictures."""

    type: Literal["end"]


def push_routes(system: System) -> Blueprint:
    """The path's WebSocket route."""
    routes = Blueprint("push", __name__)

    @routes.websocket("/v1/jobs/<job_id>/push")
    async def push(job_id: str) -> None:
        stamped = _stamped(websocket.args.get("timestamps", "0"))
        job, inlet = await _target(system, job_id_of(job_id))
        match websocket.scope.get("state"):
            case {"connection": Connection() as connection, "lane": Lane() as lane}:
                await _Push(job, inlet, connection, lane, stamped=stamped).run()
            case _:
                raise NOT_OURS

    return routes


def _stamped(given: str) -> bool:
    if given not in {"0", "1"}:
        raise invalid_parameter("timestamps", "must be 0 or 1")
    return given == "1"


async def _target(system: System, job_id: str) -> tuple[Job, PushInlet]:
    """The job, and where its pictures come in.

    Raises:
        NotFound: there is no such job.
        Conflict: it has ended, or its source is another.
    """
    job = system.jobs.pushed_into(job_id)
    if job is None:
        state = await system.jobs.state(job_id)
        raise Conflict(f"Job {job_id} has ended ({state.status}): start another one with the source push:.")
    if job.inlet is None:
        raise Conflict(f"Job {job_id} has another source: start one with the source push:.")
    return job, job.inlet


class _Push:
    """One client's connection while it pushes."""

    def __init__(self, job: Job, inlet: PushInlet, connection: Connection, lane: Lane, *, stamped: bool) -> None:
        self._job = job
        self._inlet = inlet
        self._connection = connection
        self._lane = lane
        self._stamped = stamped
        self._pusher: Pusher | None = None
        self._fault = ""
        """The sentence about the newest message that was not taken; empty once it was told."""
        self._news = trio.Event()
        self._told: Ack | None = None
        self._next_answer = 0.0

    async def run(self) -> None:
        """Take pictures until the job, the client or the server ends."""
        self._lane.take_messages(self._take, STAMP.size + MAX_PICTURE_BYTES)
        try:
            self._pusher = self._inlet.join(lambda: self._connection.last_heard)
        except Conflict as refusal:
            await websocket.accept()
            await websocket.close(CloseCode.ANOTHER_PUSHES, str(refusal))
            return
        try:
            await websocket.accept()
            await websocket.close(*await self._wait_end(self._pusher))
        finally:
            self._pusher.leave()

    async def _wait_end(self, pusher: Pusher) -> tuple[CloseCode, str]:
        """Answer until there is a reason to close; return that."""
        ends: list[tuple[CloseCode, str]] = []

        async def end_after(wait: Callable[[], Awaitable[object]], code: CloseCode, reason: str) -> None:
            await wait()
            ends.append((code, reason))
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._answer)
            nursery.start_soon(end_after, self._job.ended.wait, CloseCode.NORMAL, "")
            nursery.start_soon(end_after, self._inlet.wait_emptied, CloseCode.NORMAL, "All pictures have come.")
            nursery.start_soon(end_after, pusher.replaced.wait, CloseCode.TAKEN_OVER, "Another client pushes now.")
            going = (self._connection.wait_going_away, CloseCode.GOING_AWAY, "The server is going away.")
            nursery.start_soon(end_after, *going)
            silent = (self._wait_dead, CloseCode.TOO_SLOW, "Nothing was heard of this client for too long.")
            nursery.start_soon(end_after, *silent)
        await trio.sleep_until(self._next_answer)
        await self._tell_ack()
        code, reason = ends[0]
        return code, reason or END_REASONS.get(self._job.status, "The job has ended.")

    async def _answer(self) -> None:
        """Tell what has come, and what was not taken, at most every ``ANSWER_S``."""
        while True:
            fault, self._fault = self._fault, ""
            if fault:
                await self._send(PushError(fault))
            await self._tell_ack()
            self._next_answer = trio.current_time() + ANSWER_S
            await trio.sleep_until(self._next_answer)
            if not self._fault and self._ack() == self._told:
                self._news = trio.Event()
                with trio.move_on_after(PING_S):
                    await self._news.wait()

    async def _tell_ack(self) -> None:
        if (ack := self._ack()) != self._told:
            self._told = ack
            await self._send(ack)

    def _ack(self) -> Ack:
        newest = self._inlet.next_index - 1
        return Ack(newest if newest >= 0 else None, self._job.frames_dropped)

    async def _send(self, message: Ack | PushError) -> None:
        await websocket.send(msgspec.json.encode(message).decode())

    async def _wait_dead(self) -> None:
        """Return once nothing was heard of the client for ``DEAD_S``, though it was pinged."""
        while self._pusher is not None and not self._pusher.unheard(DEAD_S):
            self._lane.ping()
            await trio.sleep(PING_S)

    async def _take(self, message: str | bytes) -> None:
        """Take one message of the client; without effect unless it may push."""
        if self._pusher is None:
            return
        if isinstance(message, str):
            self._obey(message)
        else:
            await self._take_picture(self._pusher, message)
        self._news.set()

    def _obey(self, text: str) -> None:
        try:
            msgspec.json.decode(text, type=End)
        except (msgspec.DecodeError, RecursionError):
            self._fault = 'A text message must be {"type": "end"}; send pictures as binary messages.'
        else:
            self._inlet.end()

    async def _take_picture(self, pusher: Pusher, message: bytes) -> None:
        skip = STAMP.size if self._stamped else 0
        picture = message[skip:]
        if not is_pushable(picture):
            what = "its time in microseconds as 8 bytes, big-endian, and a" if self._stamped else "one"
            self._fault = f"A binary message must be {what} JPEG, PNG or WebP picture."
        elif len(picture) > MAX_PICTURE_BYTES:
            self._fault = f"A picture must have at most {MAX_PICTURE_BYTES // 2**20} MiB."
        else:
            await pusher.push(picture, STAMP.unpack_from(message)[0] if self._stamped else None)
