"""The figures of realtime clients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import get_args

from prometheus_client.core import Metric

from kinora.actors.messages import GapReason
from kinora.actors.realtime.client_session import ClientSession, SessionStatistics, TransportKind
from kinora.actors.realtime.connection_manager import (
    CloseCode,
    ConnectionManager,
    ConnectionStatistics,
    RealtimeFigures,
)
from kinora.runtime.events.broadcast import BroadcastStatistics
from kinora.web.metrics.families import counter, counters, gauge, gauges

NOTHING = ConnectionStatistics(0, 0, BroadcastStatistics(published=0, subscribers=0, log_messages=0, log_bytes=0))
"""The figures of a server without realtime."""


def of_realtime(manager: ConnectionManager | None) -> Iterable[Metric]:
    """What is sent to the clients, and how far they are behind."""
    figures = NOTHING if manager is None else manager.statistics()
    sent = figures.broadcast
    yield gauge("kinora_realtime_sessions", "Connected realtime clients.", figures.connections)
    yield gauge("kinora_realtime_sessions_max", "The most realtime clients that can connect.", figures.max_connections)
    yield gauge("kinora_realtime_subscribers", "Realtime clients that get new messages.", sent.subscribers)
    yield counter("kinora_realtime_messages", "Messages published, each counted once for all clients.", sent.published)
    yield gauge("kinora_realtime_log_messages", "Messages kept for clients that reconnect.", sent.log_messages)
    yield gauge("kinora_realtime_log_bytes", "Bytes of the messages kept for clients that reconnect.", sent.log_bytes)
    sessions = () if manager is None else manager.active_connections.values()
    yield from _of_sessions([one.statistics() for one in sessions if isinstance(one, ClientSession)])
    yield from _of_losses(RealtimeFigures() if manager is None else manager.figures)


def _of_sessions(behind: Sequence[SessionStatistics]) -> Iterable[Metric]:
    kinds = Counter(one.transport for one in behind)
    by_kind = {kind: kinds[kind] for kind in get_args(TransportKind)}
    waiting = [one.waiting for one in behind]
    waiting_bytes = sum(one.waiting_bytes for one in behind)
    yield gauges(
        "kinora_realtime_sessions_by_transport",
        "Connected realtime clients, by websocket or events.",
        "transport",
        by_kind,
    )
    yield gauge("kinora_realtime_waiting_messages", "Messages queued for slow clients.", sum(waiting))
    yield gauge(
        "kinora_realtime_slowest_waiting_messages", "Messages queued for the slowest client.", max(waiting, default=0)
    )
    yield gauge("kinora_realtime_waiting_bytes", "Bytes of the messages queued for slow clients.", waiting_bytes)


def _of_losses(figures: RealtimeFigures) -> Iterable[Metric]:
    yield counter("kinora_realtime_dropped_messages", "Messages that slow clients did not get.", figures.dropped)
    yield counters(
        "kinora_realtime_gaps",
        "Gaps that clients were told of.",
        ["reason"],
        [([reason], figures.gaps[reason]) for reason in get_args(GapReason)],
    )
    yield counters(
        "kinora_realtime_sessions_ended",
        "Sessions that have ended, by the reason.",
        ["reason"],
        [([code.name.lower()], figures.ended[code]) for code in CloseCode],
    )
