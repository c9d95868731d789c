"""One connected client: what it gets, in which order, and when it is given up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import attrs
import trio

from kinora.actors.connection_manager import CloseCode, ConnectionManager, ServerFull
from kinora.actors.filters import Filters, Pace, Ping, Subject, Subscribe, read_client_message
from kinora.actors.messages import ErrorPayload, GapPayload, Payload, PingPayload, PongPayload, RealtimeMessage
from kinora.runtime.broadcast import Batch, batch_of
from kinora.runtime.outbox import Dropped, Event, Outbox, OutboxFull
from kinora.runtime.replay_log import Lost, ReplayLog

PING_S = 30
SILENCE_S = 60.0
"""A client that can be heard and is not for this long is closed."""
STALL_S = 60.0
"""A client that takes nothing for this long is closed."""
CLOSE_GRACE_S = 1.0
"""What saying goodbye may take; only a client that is far behind needs any time for it."""
BATCH_BYTES = 64 * 1024
"""Sent at once to a client that is behind: what waits longer can still be dropped."""


class Transport(Protocol):
    """The way to one client. WebSocket and server-sent events differ in nothing else.

    A message is text in UTF-8, or a BinaryMessage.
    """

    @property
    def last_heard(self) -> float:
        """When the client last gave a sign of life, in Trio's time; ``inf`` where it cannot give any."""

    def send_nowait(self, batch: Sequence[bytes]) -> bool:
        """Write all messages now, if nothing else waits to be written; else do nothing and return False.

        Clients with equal filters get the same object, so its bytes on the wire can be made once. Never raises.
        """

    def ping(self) -> None:
        """Ask for a sign of life by the transport's own means, if it has any. Never raises."""

    async def send(self, batch: Sequence[bytes]) -> None:
        """Return when there is room for more after these messages; cancelled, it has sent only whole ones.

        Raises:
            trio.BrokenResourceError: the client is gone; so does trio.ClosedResourceError.
        """

    async def receive(self) -> str | bytes | None:
        """The next message of the client, None when it is gone. A checkpoint."""

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye if the client still listens. Cancelled, the connection is closed without."""


@attrs.frozen
class SessionStatistics:
    """How far a client is behind."""

    waiting: int
    waiting_bytes: int


class ClientSession:
    """Brings the messages of one manager to one client, for as long as ``run`` runs.

    First the metadata of each plugin, then what the client missed since ``last_event_id`` or, without one or if not all
    of that is left, how the active jobs stand; then what is published, each message once. A message for this client
    alone repeats the id that the client has everything up to, so it can always come back with the last id it saw.
    """

    def __init__(
        self,
        manager: ConnectionManager,
        transport: Transport,
        *,
        session_id: str,
        filters: Filters | None = None,
        last_event_id: str | None = None,
    ) -> None:
        self.session_id = session_id
        self._manager = manager
        self._feed = manager.feed
        self._transport = transport
        self._last_event_id = last_event_id
        self._outbox = Outbox()
        self._filters = filters or Filters()
        self._pace = _pace_of(self._filters)
        self._position = 0
        """Number of the last event that was handed to the transport."""
        self._news = trio.Event()
        """Set when something is in the outbox."""
        self._up_to_date = False
        """Whether everything so far has been sent, so what comes now may go out directly."""
        self._stopped = trio.Event()
        self._goodbye: tuple[CloseCode, str] = (CloseCode.GOING_AWAY, "The server is going away.")
        """What a session says that is cancelled from outside."""

    async def run(self) -> None:
        """Serve the client until it goes, is given up, or ``stop`` is called; then say why and close the transport.

        An error of the transport beyond those it declares comes out in an exception group, the transport closed.
        """
        try:
            self._manager.add_connection(self.session_id, self)
            await self._serve()
        except ServerFull as error:
            self.stop(CloseCode.SERVER_FULL, str(error))
        finally:
            self._stopped.set()
            if self._manager.active_connections.get(self.session_id) is self:
                self._manager.remove_connection(self.session_id)
            with trio.move_on_after(CLOSE_GRACE_S, shield=True):
                await self._transport.close(*self._goodbye)

    def stop(self, code: CloseCode, reason: str) -> None:
        """End the session; the first call decides what the client is told."""
        if not self._stopped.is_set():
            self._goodbye = (code, reason)
            self._stopped.set()

    def statistics(self) -> SessionStatistics:
        """Figures of this moment."""
        return SessionStatistics(len(self._outbox), self._outbox.bytes)

    async def _serve(self) -> None:
        # No checkpoint between these two: what the opening holds and what is offered later is everything, once.
        self._subscription = self._manager.subscribe(self._offer, self._filters)
        try:
            opening = opening_messages(self._manager, self._filters, self._pace, self._last_event_id)
            self._position = self._feed.log.last
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, opening)
                nursery.start_soon(self._read)
                nursery.start_soon(self._watch)
                await self._stopped.wait()
                nursery.cancel_scope.cancel(reason="session ended")
        finally:
            self._manager.unsubscribe(self._subscription, self._filters)

    async def _write(self, opening: list[bytes]) -> None:
        for batch in in_batches(opening):
            await self._send(batch)
        while True:
            while not len(self._outbox):
                self._news = trio.Event()
                self._up_to_date = True
                await self._news.wait()
                self._up_to_date = False
            await self._send(self._next_batch())

    async def _send(self, batch: Sequence[bytes]) -> None:
        try:
            with trio.move_on_after(STALL_S) as patience:
                await self._transport.send(batch)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.stop(CloseCode.NORMAL, "")
        if patience.cancelled_caught:
            self.stop(CloseCode.TOO_SLOW, f"Nothing was taken for {STALL_S:.0f} s: reconnect with last_event_id.")
        if self._stopped.is_set():
            await trio.sleep_forever()  # until the session ends: a client that has gone is sent nothing more

    def _next_batch(self) -> list[bytes]:
        taken = self._outbox.take(BATCH_BYTES)
        batch = [event.data for event in taken.events]
        if taken.dropped is not None:
            batch.insert(0, self._encoded(self._slow_gap(taken.dropped), self._position))
        self._position = taken.events[-1].seq
        return batch

    def _slow_gap(self, dropped: Dropped) -> GapPayload:
        id_of = self._feed.log.id_of
        return GapPayload(from_=id_of(dropped.first), to=id_of(dropped.last), reason="slow", dropped=dropped.count)

    def _encoded(self, payload: Payload, seq: int) -> bytes:
        return RealtimeMessage(payload).encode(self._feed.log.id_of(seq))

    def _offer(self, batch: Batch) -> None:
        if self._pace is not None:
            batch = batch_of(tuple(filter(self._pace.admits, batch.events)))
        if self._stopped.is_set() or not batch.events:
            return
        if self._up_to_date and not self._news.is_set() and self._transport.send_nowait(batch.data):
            self._position = batch.events[-1].seq
            return
        try:
            for event in batch.events:
                self._outbox.put(event)
        except OutboxFull:
            self.stop(CloseCode.TOO_SLOW, "Too much waits to be taken: reconnect with last_event_id.")
        self._news.set()

    def _tell(self, payload: Payload) -> None:
        """Send something to this client alone."""
        self._feed.catch_up(self._subscription)  # what has been published comes before it: it carries the newest id
        newest = self._feed.log.last
        self._offer(batch_of((Event(seq=newest, data=self._encoded(payload, newest)),)))

    async def _read(self) -> None:
        while (said := await self._transport.receive()) is not None:
            match read_client_message(said):
                case Subscribe(filters):
                    self._change_filters(filters)
                case Ping(timestamp):
                    self._tell(PongPayload(timestamp=timestamp))
                case ErrorPayload() as refusal:
                    self._tell(refusal)
        self.stop(CloseCode.NORMAL, "")

    def _change_filters(self, filters: Filters) -> None:
        self._feed.catch_up(self._subscription)  # the old ones decide on what has been published
        self._manager.unsubscribe(self._subscription, self._filters)
        self._subscription = self._manager.subscribe(self._offer, filters)
        self._filters = filters
        self._pace = _pace_of(filters)

    async def _watch(self) -> None:
        """Send pings, and give up a client that is silent."""
        next_ping = trio.current_time() + PING_S
        while (silent_at := self._transport.last_heard + SILENCE_S) > trio.current_time():
            await trio.sleep_until(min(next_ping, silent_at))
            if trio.current_time() >= next_ping:
                self._tell(PingPayload(interval_seconds=PING_S))
                self._transport.ping()
                next_ping += PING_S
        self.stop(CloseCode.TOO_SLOW, f"No sign of life for {SILENCE_S:.0f} s: answer pings, or reconnect.")


def opening_messages(
    manager: ConnectionManager, filters: Filters, pace: Pace | None, last_event_id: str | None
) -> list[bytes]:
    """What a client gets before anything live, encoded and in order.

    Only with the last of them the client has everything: a message without an id of its own repeats the id before it,
    but the last one has the newest.
    """
    feed = manager.feed
    missed = None if last_event_id is None else feed.replay(last_event_id)
    wanted = [item for item in missed or () if _is_wanted(item, filters, pace)]
    entries: list[Event | RealtimeMessage] = [RealtimeMessage(payload) for payload in manager.plugins()]
    entries += [_gap(item) if isinstance(item, Lost) else item for item in wanted]
    if missed is None or any(isinstance(item, Lost) for item in wanted):
        state = (RealtimeMessage(payload) for payload in manager.active())
        entries += [message for message in state if filters.wants(Subject.of(message))]
    position = feed.last_id if missed is None or last_event_id is None else last_event_id
    return list(_numbered(entries, position, feed.log))


def in_batches(messages: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The messages in lists of ``BATCH_BYTES`` or a single message, none of them empty."""
    batch: list[bytes] = []
    size = 0
    for message in messages:
        if batch and size + len(message) > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += len(message)
    if batch:
        yield batch


def _is_wanted(item: Event | Lost, filters: Filters, pace: Pace | None) -> bool:
    if isinstance(item, Lost):
        return filters.wants_job(item.topic)
    return filters.accepts(item) and (pace is None or pace.admits(item))


def _gap(lost: Lost) -> RealtimeMessage:
    return RealtimeMessage(GapPayload(from_=lost.first, to=lost.last, reason=lost.reason))


def _numbered(entries: Sequence[Event | RealtimeMessage], position: str, log: ReplayLog) -> Iterator[bytes]:
    for number, entry in enumerate(entries, start=1):
        if isinstance(entry, Event):
            position = log.id_of(entry.seq)
            yield entry.data
        else:
            yield entry.encode(log.id_of(log.last) if number == len(entries) else position)


def _pace_of(filters: Filters) -> Pace | None:
    return None if filters.max_fps is None else Pace(filters.max_fps, pictured=filters.wants_pictures)
