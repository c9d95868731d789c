"""SourceReader: the first stage of a job. Its worker process decodes the source straight into the frame ring.

FFmpeg can hang or crash on hostile input, so it never runs in the server. The decoder only ever writes to slots that it
has been told are free: that bounds the memory of a job, and is how back-pressure reaches it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import attrs
import msgspec
import trio

from kinora.actors.ticket import FrameTicket
from kinora.media.source_types import SourceError, SourceInfo, SourceLimits
from kinora.runtime.channel import ProtocolError
from kinora.runtime.frames import FrameRing, slots_for
from kinora.runtime.workers import ForkServer, Worker, WorkerGone

DECODER_TARGET = "kinora.media.programs.decoder:main"
OPEN_TIMEOUT_S = 30.0
FRAME_TIMEOUT_S = 30.0
"""A decoder that has a free slot and gives nothing for so long hangs."""
DECODE_AHEAD_SLOTS = 3
"""Beyond what the stages hold; with fewer than two the decoder waits for a slot where it could decode."""
SLOTS_PER_STAGE = 2
"""One frame in the stage and one in front of it."""
PICTURE_SLOTS = 1
"""The frame that a picture is being made of."""


class SourceBroke(Exception):
    """The source's process hung, crashed or talked rubbish after it had been opened; the text says which."""


@attrs.frozen(kw_only=True)
class SourceSpec:
    """Which frames to read, and from where."""

    location: str
    """An absolute path or a URL."""
    name: str
    """What messages call it."""
    limits: SourceLimits
    start: int
    """The first index wanted."""
    stride: int
    max_frames: int | None
    policy: Literal["wait", "latest"]


class SourceReader:
    """Reads the frames of one source for one job."""

    def __init__(self, spec: SourceSpec, fork_server: ForkServer, name: str, grace_s: float) -> None:
        self.dropped = 0
        """Frames that were overtaken by newer ones, with the policy ``latest``."""
        self.truncated: str | None = None
        """Why the source broke off, if it did; known when :meth:`run` has returned."""
        self.stuck: int | None = None
        """The pid of a process that could not be killed."""
        self._spec = spec
        self._fork_server = fork_server
        self._name = name
        self._grace_s = grace_s
        self._worker: Worker | None = None
        self._ring: FrameRing | None = None
        self._freed = trio.Event()
        self._newest = -1
        self._owed = 0
        """Slots that the decoder has been given and not filled yet."""

    async def open(self) -> SourceInfo:
        """Start the decoder and have it open the source; whoever calls this calls :meth:`close` in the end.

        Raises:
            SourceError: the source cannot be read; the text says what to do.
        """
        try:
            with trio.fail_after(OPEN_TIMEOUT_S):
                self._worker = await self._fork_server.fork(DECODER_TARGET, self._name)
                return await probe(self._worker, self._spec.location, self._spec.name, self._spec.limits)
        except trio.TooSlowError:
            raise SourceError("unreadable", f"The source did not open within {OPEN_TIMEOUT_S:.0f} s.") from None

    async def map(self, info: SourceInfo, stages: int, ring_bytes: int) -> FrameRing:
        """Make the ring, have the decoder map it, and seal it against everybody else.

        Raises:
            SourceBroke: the decoder is gone.
        """
        wanted = stages * SLOTS_PER_STAGE + DECODE_AHEAD_SLOTS + PICTURE_SLOTS
        ring = self._ring = FrameRing(slots_for(info.max_frame_bytes, wanted, ring_bytes), info.max_frame_bytes)
        spec = self._spec
        await self._send(
            {
                "op": "map",
                "slots": ring.slots,
                "slot_bytes": ring.slot_bytes,
                "start": spec.start,
                "stride": spec.stride,
                "max_frames": spec.max_frames,
            },
            [ring.fd],
        )
        with trio.move_on_after(OPEN_TIMEOUT_S):
            if (await self._receive()).get("op") == "mapped":
                ring.seal()
                return ring
        raise SourceBroke("the decoder did not map the frame ring")

    async def run(
        self,
        out: trio.MemorySendChannel[FrameTicket],
        waiting: trio.MemoryReceiveChannel[FrameTicket],
        gate: Callable[[], trio.Event],
        note_dropped: Callable[[], None],
        tap: Callable[[FrameTicket], None],
    ) -> None:
        """Put each frame in front of the first stage, until the source ends.

        ``waiting`` is the other end of ``out``: with the policy ``latest`` the frame in it makes room for a newer one.
        ``gate`` gives an event that is set unless the job is paused; ``note_dropped`` is called for each frame lost,
        ``tap`` for each frame before it goes on.

        Raises:
            ExceptionGroup: of SourceBroke: the decoder hung or is gone. The frames before that have been passed on.
        """
        async with trio.open_nursery() as nursery:
            with out, waiting:
                nursery.start_soon(self._give_slots)
                while (message := await self._next()).get("op") == "frame":
                    self._owed -= 1
                    await gate().wait()
                    ticket = _ticket(message)
                    self._newest = ticket.index
                    tap(ticket)
                    if not await self._pass_on(ticket, out, waiting):
                        note_dropped()
                self.truncated = _end_of(message)
            nursery.cancel_scope.cancel()

    def has_read(self, index: int) -> bool:
        """Whether the frame of this index has come from the source."""
        return index in range(self._spec.start, self._newest + 1, self._spec.stride)

    def release(self, slot: int) -> None:
        """One who used the frame in a slot is done with it; after the last one the decoder may write there again."""
        assert self._ring is not None  # noqa: S101 - there is a slot only when there is a ring
        self._ring.release(slot)
        self._freed.set()

    async def close(self) -> None:
        """Stop the decoder and give up the ring; bounded, and completed even if cancelled."""
        worker, self._worker = self._worker, None
        if worker is not None and not await worker.stop(self._grace_s):
            self.stuck = worker.pid
        if self._ring is not None:
            self._ring.close()

    async def _give_slots(self) -> None:
        """A task of its own: the decoder may be too busy to take a slot while the pipeline waits for its frames."""
        assert self._ring is not None  # noqa: S101 - map() comes before run()
        while True:
            while (slot := self._ring.lease()) is not None:
                self._owed += 1
                await self._send({"op": "slot", "slot": slot})
            await self._freed.wait()
            self._freed = trio.Event()

    async def _next(self) -> dict[str, object]:
        """The decoder's next message. It may take its time only while it has no slot to write to."""
        while True:
            owed = self._owed
            with trio.move_on_after(FRAME_TIMEOUT_S):
                return await self._receive()
            if owed:
                raise SourceBroke(f"the decoder gave nothing for {FRAME_TIMEOUT_S:.0f} s")

    async def _pass_on(
        self,
        ticket: FrameTicket,
        out: trio.MemorySendChannel[FrameTicket],
        waiting: trio.MemoryReceiveChannel[FrameTicket],
    ) -> bool:
        """Put a frame in front of the first stage; False if another had to go for it."""
        if self._spec.policy == "wait":
            await out.send(ticket)
            return True
        try:
            out.send_nowait(ticket)
        except trio.WouldBlock:
            self.release(waiting.receive_nowait().slot)
            self.dropped += 1
            out.send_nowait(ticket)
            return False
        return True

    async def _send(self, message: dict[str, object], fds: list[int] | None = None) -> None:
        assert self._worker is not None  # noqa: S101 - open() comes first
        try:
            await self._worker.send(msgspec.msgpack.encode(message), fds or ())
        except WorkerGone as error:
            raise SourceBroke(f"the decoder is gone: {error}") from error

    async def _receive(self) -> dict[str, object]:
        assert self._worker is not None  # noqa: S101 - open() comes first
        try:
            return msgspec.msgpack.decode(await self._worker.receive(), type=dict[str, object])
        except (WorkerGone, ProtocolError, msgspec.DecodeError) as error:
            raise SourceBroke(f"the decoder is gone: {error}") from error


async def probe(decoder: Worker, location: str, name: str, limits: SourceLimits) -> SourceInfo:
    """Have a decoder open a source and say what it is; messages call it by ``name``.

    Raises:
        SourceError: it cannot be read, or the decoder crashed over it; the text says what to do.
    """
    request = {"op": "open", "location": location, "name": name, "limits": attrs.asdict(limits)}
    try:
        await decoder.send(msgspec.msgpack.encode(request))
        answer = msgspec.msgpack.decode(await decoder.receive(), type=dict[str, object])
        if answer.pop("op") == "info":
            return msgspec.convert(answer, SourceInfo)
    except (WorkerGone, ProtocolError, msgspec.DecodeError) as error:
        raise SourceError("unsupported", f"The source cannot be decoded: {error}. Try to convert it.") from error
    raise SourceError(
        msgspec.convert(answer["kind"], Literal["unsupported", "too_large", "unreadable"]), str(answer["message"])
    )


def _ticket(message: dict[str, object]) -> FrameTicket:
    try:
        return msgspec.convert({name: value for name, value in message.items() if name != "op"}, FrameTicket)
    except msgspec.ValidationError as error:
        raise SourceBroke("the decoder sent a frame without its particulars") from error


def _end_of(message: dict[str, object]) -> str | None:
    if message.get("op") != "end":
        raise SourceBroke("the decoder sent something that is no frame")
    return str(message.get("message") or "the source ended early") if message.get("truncated") else None
