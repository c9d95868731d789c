"""The way of pushed pictures into one job: from the client that sends them to the decoder.

One client pushes at a time. If its connection breaks, it has a while to come back, and the job goes on.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

import attrs
import trio

from kinora.actors.errors import Conflict
from kinora.actors.sources.push_times import PushTimes
from kinora.actors.sources.source_reader import SourceEnded
from kinora.media.arrival import clock_s
from kinora.media.live.pushed import PushedPicture
from kinora.media.source_types import SourceError

SILENT_S = 5.0
"""A client that pushes, and of which nothing at all was heard for this long, makes room for another one."""
BUSY = "Another client pushes into this job: end that first; it is let go once nothing was heard of it for 5 s."


@attrs.frozen
class Waiting:
    """Nobody has pushed a picture yet."""


@attrs.frozen
class Begun:
    """The first picture is there."""


@attrs.frozen
class Gone:
    """The client that pushed has gone without an end."""


@attrs.frozen
class Back:
    """The first picture after that is there."""

    outage_s: float
    index: int


PushNews = Waiting | Begun | Gone | Back
Tell = Callable[[PushNews], Awaitable[None]]


class Pusher:
    """One client while it pushes; :meth:`PushInlet.join` makes it."""

    def __init__(self, inlet: PushInlet, last_heard: Callable[[], float]) -> None:
        self.replaced = trio.Event()
        """Set once another client has taken its place."""
        self._inlet = inlet
        self._last_heard = last_heard
        self._held_back = False

    def unheard(self, seconds: float) -> bool:
        """True if nothing at all was heard of it for so long, though it was listened to."""
        return not self._held_back and trio.current_time() - self._last_heard() >= seconds

    async def push(self, data: bytes, timestamp_us: int | None) -> None:
        """Take in a picture. If every picture counts, wait until the one before is on its way to the decoder.

        Without effect once the job takes no more pictures, or none of this client.
        """
        self._held_back = True
        try:
            await self._inlet.take_in(self, data, timestamp_us)
        finally:
            self._held_back = False

    def leave(self) -> None:
        """Make room for another client, or for the same once more."""
        self._inlet.leave(self)


class PushInlet:
    """Holds at most one picture beside the one that is being handed to the decoder.

    With ``newest_wins`` a newer picture takes its place, and its number stays unused; otherwise the client waits.
    """

    def __init__(self, *, grace_s: float, newest_wins: bool, first_index: int = 0) -> None:
        """``grace_s`` is the time without a client after which the source ends."""
        self.next_index = first_index
        """The number of pictures so far, those of an earlier server included."""
        self.cut_off: str | None = None
        """Why the source ended without a client's end; None while it goes on, and if a client has ended it."""
        self._first_index = first_index
        self._grace_s = grace_s
        self._newest_wins = newest_wins
        self._times = PushTimes()
        self._pusher: Pusher | None = None
        self._waiting: PushedPicture | None = None
        self._ended = False
        self._emptied = trio.Event()
        self._pipe: trio.SocketStream | None = None
        """The server's end of the socket to the decoder in use."""
        self._changed = trio.Event()

    # The client's side

    def join(self, last_heard: Callable[[], float]) -> Pusher:
        """Have a client push; ``last_heard`` gives the time at which its last byte came.

        Raises:
            Conflict: another one does, or the stream has ended.
        """
        if self._ended:
            raise Conflict("The pushed stream has ended: start another job.")
        if self._pusher is not None:
            if not self._pusher.unheard(SILENT_S):
                raise Conflict(BUSY)
            self._pusher.replaced.set()
        self._pusher = Pusher(self, last_heard)
        self._times.begin_anew()
        self._note_change()
        return self._pusher

    def leave(self, pusher: Pusher) -> None:
        """Forget a client, unless another one has taken its place."""
        if self._pusher is pusher:
            self._pusher = None
            self._note_change()

    async def take_in(self, pusher: Pusher, data: bytes, timestamp_us: int | None) -> None:
        """See :meth:`Pusher.push`."""
        await trio.lowlevel.checkpoint()
        if not self._newest_wins:
            await self._until(lambda: self._waiting is None or self._ended or self._pusher is not pusher)
        if self._ended or self._pusher is not pusher:
            return
        time_us = self._times.place(timestamp_us, round(trio.current_time() * 1e6))
        self._waiting = PushedPicture(index=self.next_index, time_us=time_us, received_s=clock_s(), data=data)
        self.next_index += 1
        self._note_change()

    def end(self) -> None:
        """End the source behind the pictures that it has."""
        self._ended = True
        self._note_change()

    async def wait_news(self, seen: int) -> None:
        """Wait until there are other than ``seen`` pictures."""
        await self._until(lambda: self.next_index != seen)

    async def wait_emptied(self) -> None:
        """Wait until the source has ended, and its last picture is with the decoder."""
        await self._emptied.wait()

    # The job's side

    async def wait_picture(self) -> None:
        """Wait for a picture.

        Raises:
            SourceEnded: there will be none any more.
            SourceError: the same, and there never was one.
        """
        await self._until(lambda: self._waiting is not None or self._ended)
        if self._waiting is None and self.next_index:
            raise SourceEnded
        if self._waiting is None:
            raise SourceError("unreadable", self._nothing())

    def connect(self) -> socket.socket:
        """Return the decoder's end of a new socket; pictures go there from now on. The caller closes it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._drop_pipe()
        self._pipe = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
        self._note_change()
        return theirs

    async def run(self, tell: Tell) -> None:
        """Hand pictures on, end the source once no client has pushed for too long, and tell the job of all that.

        Runs until cancelled; nothing is left open then.
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._feed)
                await self._follow(tell)
        finally:
            self._drop_pipe()

    async def _feed(self) -> None:
        while True:
            await self._until(lambda: self._pipe is not None and (self._waiting is not None or self._ended))
            picture, self._waiting = self._waiting, None
            self._note_change()
            if picture is None:
                self._drop_pipe()
                self._emptied.set()
            elif self._pipe is not None:
                await self._hand_on(picture, self._pipe)

    async def _hand_on(self, picture: PushedPicture, pipe: trio.SocketStream) -> None:
        """Write a picture for the decoder. If that has gone the picture goes with it: it may be the reason."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await pipe.send_all(picture.head())
            await pipe.send_all(picture.data)
            return
        if self._pipe is pipe:
            self._drop_pipe()

    async def _follow(self, tell: Tell) -> None:
        """Tell the job who comes and goes; end the source once nobody came for too long."""
        seen, lost_at = self._first_index, math.nan
        if self.next_index == seen:
            await tell(Waiting())
        while await self._wait_pusher(seen):
            await self._wait_other(seen)
            if self.next_index != seen:
                outage_s = trio.current_time() - lost_at
                await tell(Begun() if math.isnan(outage_s) else Back(outage_s, seen))
                await self._until(lambda: self._pusher is None or self._ended)
                seen = self.next_index
                if not self._ended:
                    lost_at = trio.current_time()
                    await tell(Gone())
        self.end()
        await trio.sleep_forever()

    async def _wait_pusher(self, seen: int) -> bool:
        """Wait until a client pushes, or has pushed; return False if the source has ended, or none came in time."""
        with trio.move_on_after(self._grace_s) as grace:
            await self._until(lambda: self._pusher is not None or self._ended or self.next_index != seen)
        if grace.cancelled_caught and self.next_index:
            self.cut_off = (
                f"No client has pushed pictures for {self._grace_s:g} s, so the job ended with those that it had:"
                " push_grace_s sets how long it waits."
            )
        return not (self._ended or grace.cancelled_caught)

    async def _wait_other(self, seen: int) -> None:
        """Wait for a picture beyond ``seen``, or until the client that could push it has gone."""
        await self._until(lambda: self.next_index != seen or self._pusher is None or self._ended)

    def _nothing(self) -> str:
        if self._pusher is None:
            return (
                f"Nobody has pushed a picture within {self._grace_s:g} s: begin with `kinora push` once it has started."
            )
        return "The push has ended without a picture: send JPEG, PNG or WebP pictures before the end."

    def _drop_pipe(self) -> None:
        if self._pipe is not None:
            self._pipe.socket.close()
            self._pipe = None

    async def _until(self, true: Callable[[], bool]) -> None:
        """Wait for a change after which ``true`` is so; no checkpoint if it is so already."""
        while not true():
            await self._changed.wait()

    def _note_change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
