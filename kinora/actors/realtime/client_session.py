"""One connected client: the messages it gets, their order, and when it is disconnected."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, Protocol

import attrs
import structlog
import trio

from kinora.actors.messages import ErrorPayload, GapPayload, Payload, PingPayload, PongPayload, RealtimeMessage
from kinora.actors.realtime.connection_manager import CloseCode, ConnectionManager, ServerFull
from kinora.actors.realtime.filters import Filters, Pace, Ping, Subject, Subscribe, read_client_message
from kinora.runtime.clocks.running_clock import last_jump
from kinora.runtime.events.backlog import JOIN_AT, Backlog, Member
from kinora.runtime.events.broadcast import Batch, batch_of
from kinora.runtime.events.outbox import Dropped, Event, Outbox, OutboxFull, Taken
from kinora.runtime.events.replay_log import Lost, ReplayLog

PING_S = 30
SILENCE_S = 60.0
"""A client that can give signs of life and gives none for this long is disconnected."""
STALL_S = 60.0
"""A client that reads nothing for this long is disconnected."""
CLOSE_GRACE_S = 1.0
"""The time limit for closing the transport; only a client that is far behind needs any."""
GOING_AWAY = (CloseCode.GOING_AWAY, "The server is going away.")
BATCH_BYTES = 8 * 1024
"""The most bytes sent at once to a client that is behind: they are copied for it alone, and cannot be dropped."""
MAX_TOLD = 100
"""The most messages for one client alone that wait beside a backlog; at one more, it takes its events back."""


log = structlog.get_logger()

TransportKind = Literal["websocket", "events"]


class Transport(Protocol):
    """The connection to one client, by WebSocket or by server-sent events.

    A message is text in UTF-8, or a BinaryMessage.
    """

    kind: TransportKind

    @property
    def last_heard(self) -> float:
        """The time of the client's last sign of life, on Trio's clock; ``inf`` if it cannot give any."""

    def send_nowait(self, batch: Sequence[bytes]) -> bool:
        """Write all messages now and return True; if other data still waits, do nothing and return False.

        Clients with equal filters get the same object, so its bytes on the wire can be made once. Never raises.
        """

    def ping(self) -> None:
        """Send a ping of the transport itself, if it has one. Never raises."""

    async def send(self, batch: Sequence[bytes]) -> None:
        """Send messages, and wait until there is room for more. If cancelled, only whole messages were sent.

        Raises:
            trio.BrokenResourceError, trio.ClosedResourceError: the client is gone.
        """

    async def receive(self) -> str | bytes | None:
        """Wait for the client's next message; None when the client is gone. A checkpoint."""

    async def close(self, code: int, reason: str) -> None:
        """Close the connection with a goodbye if the client still listens; without one if cancelled."""


@attrs.frozen
class SessionStatistics:
    """The backlog of one client."""

    transport: TransportKind
    waiting: int
    waiting_bytes: int


class ClientSession:
    """Sends the messages of one manager to one client while ``run`` runs.

    First comes the metadata of each plugin, then the messages since ``last_event_id``. Without that id, or if some of
    those messages are no longer kept, the state of the active jobs comes too. Then come live messages, each once. A
    message for this client alone repeats the id of the message before it, so that the client can always reconnect with
    the last id it saw.
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
        self._backlog: Backlog | None = None
        """Holds the events after those in the outbox, while the client is far behind."""
        self._told: list[Event] = []
        """The messages for this client alone that came while there was a backlog."""
        self._position = 0
        """The number of the last event that was passed to the transport."""
        self._tasks: trio.Nursery | None = None
        """Where the session runs; None before and after that."""
        self._writing = True
        """False while everything has been sent, so that new messages may be sent directly."""
        self._offered = 0
        """The number of events that were kept since the client was sent the last batch of them."""
        self._next_ping = math.inf
        self._stopped = False
        self._goodbye: tuple[CloseCode, str] = GOING_AWAY
        """The code and reason to close with; this one if the session is cancelled from outside."""

    async def run(self) -> None:
        """Serve the client until it goes, is too slow, or ``stop`` is called; then say why and close the transport.

        An error that the transport does not declare is raised in an exception group, after the transport is closed.
        """
        try:
            self._manager.add_connection(self.session_id, self)
            log.debug("client connected", session_id=self.session_id, transport=self._transport.kind)
            await self._serve()
        except ServerFull as error:
            self.stop(CloseCode.SERVER_FULL, str(error))
        finally:
            self._stopped = True
            self._manager.figures.ended[self._goodbye[0]] += 1
            self._log_end()
            if self._manager.active_connections.get(self.session_id) is self:
                self._manager.remove_connection(self.session_id)
            with trio.move_on_after(CLOSE_GRACE_S, shield=True):
                await self._transport.close(*self._goodbye)

    def _log_end(self) -> None:
        """Log why the session has ended, aloud if the client did not want that."""
        code, reason = self._goodbye
        report = log.debug if code in {CloseCode.NORMAL, CloseCode.GOING_AWAY} else log.info
        report("client left", session_id=self.session_id, code=code.name.lower(), reason=reason)

    def stop(self, code: CloseCode, reason: str) -> None:
        """End the session; the code and reason of the first call are sent to the client."""
        if not self._stopped:
            self._goodbye = (code, reason)
            self._stopped = True
            if self._tasks is not None:
                self._tasks.cancel_scope.cancel(reason="session ended")

    def go_away(self) -> None:
        """End the session because the server stops."""
        self.stop(*GOING_AWAY)

    def statistics(self) -> SessionStatistics:
        """Return the current figures. Of the messages in a backlog, those count that will fit into the outbox."""
        waiting, size = len(self._outbox) + len(self._told), self._outbox.bytes + sum(len(e.data) for e in self._told)
        if self._backlog is not None:
            waiting = min(waiting + len(self._backlog), self._outbox.max_messages)
            size = min(size + self._backlog.bytes, self._outbox.max_bytes)
        return SessionStatistics(self._transport.kind, waiting, size)

    async def _serve(self) -> None:
        # No checkpoint between these two: the opening and the later offers together hold every message once.
        self._subscription = self._manager.subscribe(self._offer, self._filters)
        try:
            opening = in_batches(opening_messages(self._manager, self._filters, self._pace, self._last_event_id))
            self._position = self._feed.log.last
            async with trio.open_nursery() as tasks:
                await self._read_and_write(tasks, opening)
        finally:
            if self._backlog is not None:
                self._manager.backlogs.quit(self._backlog, self._subscription)
            self._manager.unsubscribe(self._subscription, self._filters)

    async def _read_and_write(self, tasks: trio.Nursery, opening: Iterator[list[bytes]]) -> None:
        tasks.start_soon(self._write, opening)
        self._next_ping = trio.current_time() + PING_S
        self._manager.heartbeat.join(self, self._due)
        self._tasks = tasks
        if self._stopped:
            tasks.cancel_scope.cancel(reason="session ended")
        try:
            await self._read()
        finally:
            self._tasks = None  # the nursery may be closed to new tasks before the next line of this one runs
            self._manager.heartbeat.leave(self)

    async def _write(self, opening: Iterable[list[bytes]] = ()) -> None:
        """Send all that waits. The task ends when nothing does: most clients keep up, and need none."""
        for batch in opening:
            await self._send(batch)
        while len(self._outbox) or self._backlog is not None:
            async with self._manager.writers:
                batch = self._next_batch()
            if batch:
                await self._send(batch)
        self._writing = False

    def _begin_writing(self) -> None:
        if not self._writing and self._tasks is not None:
            self._writing = True
            self._tasks.start_soon(self._write)

    async def _send(self, batch: Sequence[bytes]) -> None:
        try:
            with trio.move_on_after(STALL_S) as stall:
                await self._transport.send(batch)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.stop(CloseCode.NORMAL, "")
        if stall.cancelled_caught:
            self.stop(CloseCode.TOO_SLOW, f"Nothing was read for {STALL_S:.0f} s: reconnect with last_event_id.")
        if self._stopped:
            await trio.sleep_forever()  # until the session ends: nothing more is sent to a client that has gone

    def _next_batch(self) -> list[bytes]:
        """Return the next messages, with those that a backlog has kept; none if none wait."""
        self._leave_backlog()
        self._offered = 0
        taken = self._outbox.take(BATCH_BYTES)
        batch = [event.data for event in taken.events]
        if taken.dropped is not None:
            self._manager.figures.dropped += taken.dropped.count
            self._manager.figures.gaps["slow"] += 1
            batch.insert(0, self._encoded(self._slow_gap(taken.dropped), self._position))
        if taken.events:
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
        if self._stopped or not batch.events:
            return
        if not self._writing and self._transport.send_nowait(batch.data):
            self._position = batch.events[-1].seq
            return
        self._keep(Taken(batch.events, None))
        self._offered += len(batch.events)
        self._begin_writing()
        if self._takes_too_little:
            member = Member(self._outbox, self._give_up)
            self._backlog = self._manager.backlogs.join(self._subscription, member)

    @property
    def _takes_too_little(self) -> bool:
        """True if a backlog should keep the next events.

        To take them back costs as much as to keep those in the outbox, so at least half of them must have come since
        the client took any.
        """
        may_join = self._backlog is None and self._pace is None
        return may_join and self._offered >= JOIN_AT and 2 * self._offered >= len(self._outbox)

    def _keep(self, waiting: Taken) -> None:
        try:
            self._outbox.put_all(waiting)
        except OutboxFull:
            self._give_up()

    def _give_up(self) -> None:
        self.stop(CloseCode.TOO_SLOW, "Too many messages are waiting: reconnect with last_event_id.")

    def _leave_backlog(self) -> None:
        """Have all events in the outbox, in the order of their numbers, and be offered the next ones."""
        if self._backlog is not None:
            waiting = self._manager.backlogs.leave(self._backlog, self._subscription)
            self._backlog = None
            events = sorted((*waiting.events, *self._told), key=lambda event: event.seq)
            self._told.clear()
            self._keep(Taken(tuple(events), waiting.dropped))

    def _tell(self, payload: Payload) -> None:
        """Send a message to this client alone."""
        self._feed.catch_up(self._subscription)  # published messages come first: this one carries the newest id
        newest = self._feed.log.last
        event = Event(seq=newest, data=self._encoded(payload, newest))
        if self._backlog is not None and len(self._told) < MAX_TOLD:
            self._told.append(event)
        else:
            self._leave_backlog()
            self._offer(batch_of((event,)))

    async def _read(self) -> None:
        while (received := await self._transport.receive()) is not None:
            match read_client_message(received):
                case Subscribe(filters):
                    self._change_filters(filters)
                case Ping(timestamp):
                    self._tell(PongPayload(timestamp=timestamp))
                case ErrorPayload() as refusal:
                    self._tell(refusal)
        self.stop(CloseCode.NORMAL, "")

    def _change_filters(self, filters: Filters) -> None:
        self._feed.catch_up(self._subscription)  # the old filters apply to messages published before
        self._leave_backlog()
        self._manager.unsubscribe(self._subscription, self._filters)
        self._subscription = self._manager.subscribe(self._offer, filters)
        self._filters = filters
        self._pace = _pace_of(filters)

    def look(self) -> float:
        """Send a ping if it is time for one, and end the session if the client is silent; see :class:`Pulse`.

        A jump of the clock counts as a sign of life: meanwhile no ping could be sent, and none be answered.
        """
        now = trio.current_time()
        if now >= self._next_ping:
            self._tell(PingPayload(interval_seconds=PING_S))
            self._transport.ping()
            self._next_ping += PING_S
        if self._silent_at <= now:
            self.stop(CloseCode.TOO_SLOW, f"No sign of life for {SILENCE_S:.0f} s: answer pings, or reconnect.")
        return math.inf if self._stopped else self._due

    @property
    def _silent_at(self) -> float:
        """The time at which the client will have been silent for too long."""
        return max(self._transport.last_heard, last_jump()) + SILENCE_S

    @property
    def _due(self) -> float:
        """The time at which there may be something to do for :meth:`look`."""
        return min(self._next_ping, self._silent_at)


def opening_messages(
    manager: ConnectionManager, filters: Filters, pace: Pace | None, last_event_id: str | None
) -> list[bytes]:
    """Return the messages that a client gets before live ones, encoded and in order, and count the gaps among them.

    An empty ``last_event_id`` counts as none. One that is not ours counts as one from before a restart.

    A message without an id of its own repeats the id before it. Only the last one has the newest id: the client is up
    to date when it has received all of them.
    """
    feed = manager.feed
    seen = feed.log.possible(last_event_id) if last_event_id else None
    missed = None if seen is None else feed.replay(seen)
    wanted = [item for item in missed or () if _is_wanted(item, filters, pace)]
    manager.figures.gaps.update(item.reason for item in wanted if isinstance(item, Lost))
    entries: list[Event | RealtimeMessage] = [_gap(item) if isinstance(item, Lost) else item for item in wanted]
    if missed is None or any(isinstance(item, Lost) for item in wanted):
        state = (RealtimeMessage(payload) for payload in manager.active())
        entries += [message for message in state if filters.wants(Subject.of(message))]
    position = feed.last_id if seen is None else seen
    greeting = manager.greeting(position)
    if not entries and position != feed.last_id:
        greeting = [*greeting[:-1], *manager.greeting(feed.last_id)[-1:]]
    return [*greeting, *_numbered(entries, position, feed.log)]


def in_batches(messages: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Split messages into non-empty lists of at most ``BATCH_BYTES``; a larger message is a list by itself.

    Once exhausted, it holds none of them any more.
    """
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
