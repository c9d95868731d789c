"""Tracks the connected clients, and sends messages to all of them."""

from __future__ import annotations

import enum
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import attrs
import trio

from kinora.actors.messages import (
    FrameImage,
    MetadataPayload,
    Payload,
    PluginStatusPayload,
    ProgressPayload,
    RealtimeMessage,
)
from kinora.actors.realtime.filters import Filters, Subject
from kinora.actors.realtime.heartbeat import Heartbeat
from kinora.runtime.events.backlog import Backlogs
from kinora.runtime.events.broadcast import Broadcast, BroadcastStatistics, Offer, Subscription

MAX_CONNECTIONS = 10_000
WRITERS_AT_ONCE = 8
"""Clients that are behind and get their next batch in one pass of the scheduler; the others wait in line.

A batch takes some 0.1 ms, and all clients may be behind at once: all other tasks would wait for all of them.
"""
GREETING_S = 1.0
"""For this long, clients that connect without an event in between get the same bytes of the plugins' metadata."""


class CloseCode(enum.IntEnum):
    """The WebSocket close code that says why a connection is closed."""

    NORMAL = 1000
    GOING_AWAY = 1001
    NOT_ALLOWED = 1008
    TOO_BIG = 1009
    TOO_SLOW = 1013
    BAD_SESSION_ID = 4000
    SERVER_FULL = 4001
    TAKEN_OVER = 4002
    ANOTHER_PUSHES = 4003


class Session(Protocol):
    """A connected client, as the manager sees it."""

    def stop(self, code: CloseCode, reason: str) -> None:
        """Make the session end when its task runs next; only the first call counts."""


class ServerFull(Exception):
    """The limit on connected clients is reached."""


@attrs.define(eq=False)
class RealtimeFigures:
    """What sessions count together, since the start."""

    dropped: int = 0
    """The messages that clients who were too slow did not get, and were told of in a gap."""
    gaps: Counter[str] = attrs.field(factory=Counter)
    """The gaps that clients were told of, by their reason."""
    ended: Counter[CloseCode] = attrs.field(factory=Counter)
    """The sessions that have ended, by the code that they were closed with."""


@attrs.frozen
class ConnectionStatistics:
    """Figures of the connections and of the broadcast to them."""

    connections: int
    max_connections: int
    broadcast: BroadcastStatistics


def _nothing() -> Sequence[MetadataPayload]:
    return ()


@attrs.frozen
class _Greeting:
    """The plugins' metadata, encoded for all clients that connect within ``GREETING_S``."""

    plugins: Sequence[MetadataPayload]
    message_id: str
    made_at: float
    messages: Sequence[bytes]


def _no_state() -> Iterable[ProgressPayload | PluginStatusPayload]:
    return ()


class ConnectionManager:
    """Tracks the sessions and gives each message its id. Sessions get messages while ``run`` runs.

    Publishing never waits, even with many or slow clients.
    """

    def __init__(self, *, max_connections: int = MAX_CONNECTIONS, feed: Broadcast | None = None) -> None:
        self.max_connections = max_connections
        self.feed = Broadcast() if feed is None else feed
        """The broadcast that sessions subscribe to; the source of each of its events is a Subject."""
        self.backlogs = Backlogs(self.feed)
        """The events of sessions whose clients read nothing."""
        self.writers = trio.CapacityLimiter(WRITERS_AT_ONCE)
        """Held by each session that makes a batch for a client that is behind."""
        self.heartbeat = Heartbeat()
        """Pings the clients."""
        self.active_connections: dict[str, Session] = {}
        """By session id."""
        self.figures = RealtimeFigures()
        self.plugins: Callable[[], Sequence[MetadataPayload]] = _nothing
        """Returns the metadata of each plugin, a client's first messages; the same object while nothing changes."""
        self._greeting = _Greeting((), "", -math.inf, ())
        self.active: Callable[[], Iterable[ProgressPayload | PluginStatusPayload]] = _no_state
        """Returns the state of the jobs that have not ended."""
        self.watching_changed = trio.Event()
        """Set, and replaced by a new event, when a session starts or stops wanting pictures."""
        self._picture_filters: Counter[Filters] = Counter()
        """Filters → the number of sessions that want pictures by them."""

    @property
    def last_id(self) -> str:
        """The id of the newest message: a client that connects with it misses nothing published later."""
        return self.feed.last_id

    def add_connection(self, session_id: str, session: Session) -> None:
        """Add a session; an older one with the same id is told to end.

        Raises:
            ServerFull: the limit is reached, and the session was not added.
        """
        older = self.active_connections.get(session_id)
        if older is None and len(self.active_connections) >= self.max_connections:
            raise ServerFull(f"This server serves {self.max_connections} connections at once: try again later.")
        self.active_connections[session_id] = session
        if older is not None:
            older.stop(CloseCode.TAKEN_OVER, "Another connection took over this session_id.")

    def remove_connection(self, session_id: str) -> None:
        """Remove a session, and end it if it has not ended yet; do nothing if there is none."""
        if (session := self.active_connections.pop(session_id, None)) is not None:
            session.stop(CloseCode.NORMAL, "")

    def is_connected(self, session_id: str) -> bool:
        """Return whether there is a session with this id."""
        return session_id in self.active_connections

    def greeting(self, message_id: str) -> Sequence[bytes]:
        """Return the metadata of each plugin, as encoded messages with this id."""
        plugins, now, last = self.plugins(), trio.current_time(), self._greeting
        fresh = now < last.made_at + GREETING_S
        if not (fresh and plugins is last.plugins and message_id == last.message_id):
            messages = [RealtimeMessage(payload).encode(message_id) for payload in plugins]
            self._greeting = _Greeting(plugins, message_id, now, messages)
        return self._greeting.messages

    def broadcast(self, message: RealtimeMessage) -> str:
        """Send a message to all clients that want it, keep it for those that reconnect, and return its id."""
        payload = message.payload
        event = self.feed.publish(
            message.encode,
            overflow=payload.overflow,
            key=message.replaces,
            topic=payload.job_id,
            source=Subject.of(message),
        )
        return self.feed.log.id_of(event.seq)

    def publish(self, payload: Payload) -> str:
        """Broadcast a payload as a message with the current time, and return its id."""
        return self.broadcast(RealtimeMessage(payload))

    def subscribe(self, offer: Offer, filters: Filters) -> Subscription:
        """Offer a session the events that its filters accept; see :meth:`Broadcast.subscribe`."""
        if filters.wants_pictures:
            self._count_pictures(filters, 1)
        return self.feed.subscribe(offer, filters)

    def unsubscribe(self, subscription: Subscription, filters: Filters) -> None:
        """End a subscription. To be called once for each."""
        if filters.wants_pictures:
            self._count_pictures(filters, -1)
        self.feed.unsubscribe(subscription)

    def _count_pictures(self, filters: Filters, change: int) -> None:
        self._picture_filters[filters] += change
        if not self._picture_filters[filters]:
            del self._picture_filters[filters]
        self.watching_changed.set()
        self.watching_changed = trio.Event()

    def picture_fps(self, job_id: str) -> float:
        """Return the highest picture rate wanted for this job, per second: ``inf`` for every frame, 0 for none."""
        wanted = [filters.max_fps or math.inf for filters in self._picture_filters if filters.wants_job(job_id)]
        return max(wanted, default=0.0)

    def show(self, image: FrameImage) -> None:
        """Send a picture to the clients that want pictures; it is not kept."""
        subject = Subject.of_picture(image)
        key = (image.job_id, subject.type, None)
        self.feed.show(image.encode(), key=key, topic=image.job_id, source=subject)

    def forget(self, job_id: str) -> None:
        """Stop replaying messages of this job."""
        self.feed.forget(job_id)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Deliver messages to the sessions, and ping them, until cancelled.

        Sessions and undelivered messages outlast it.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.heartbeat.run)
            await nursery.start(self.feed.run)
            task_status.started()

    def statistics(self) -> ConnectionStatistics:
        """Return the current figures."""
        return ConnectionStatistics(len(self.active_connections), self.max_connections, self.feed.statistics())
