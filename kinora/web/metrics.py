"""``/metrics``: the figures of the process, of every actor and of the server's connections, for Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import get_args

import attrs
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from quart import Blueprint, Response, request

from kinora.actors.client_session import ClientSession
from kinora.actors.connection_manager import ConnectionManager
from kinora.actors.job_manager import JobManager
from kinora.actors.messages import ProgressPayload, Stage
from kinora.actors.store import Store
from kinora.runtime.loop_watch import LoopStatistics
from kinora.runtime.supervisor import SupervisorStatistics
from kinora.runtime.workers import ForkServerStatistics
from kinora.system import System
from kinora.web.server import Server, ServerStatistics

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STAGES = tuple(stage for stage in get_args(Stage) if stage != "deleted")
"""The stages of a job that has not ended."""


def metrics_routes(system: System) -> Blueprint:
    """The one route, ``/metrics``."""
    routes = Blueprint("metrics", __name__)
    process = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=process)

    @routes.get("/metrics")
    async def metrics() -> Response:
        server = request.scope.get("state", {}).get("server")
        figures = Figures(process, system, server if isinstance(server, Server) else None)
        return Response(generate_latest(figures), 200, {"content-type": MEDIA_TYPE})

    return routes


@attrs.frozen
class Figures(Collector):
    """Collects the figures of all parts of the server when a client asks for them."""

    process: Collector
    system: System
    server: Server | None
    """None if the app runs on another ASGI server, whose figures are unknown."""

    def collect(self) -> Iterable[Metric]:
        """The current figures."""
        yield from self.process.collect()
        yield _gauge("kinora_ready", "1 while the server takes new jobs.", not self.system.ready())
        yield from _of_loop(self.system.loop_watch.statistics())
        yield from _of_actors(self.system.statistics())
        yield from _of_jobs(self.system.jobs)
        yield from _of_store(self.system.store)
        yield from _of_workers(self.system.fork_server.statistics())
        yield from _of_realtime(self.system.connections)
        if self.server is not None:
            yield from _of_connections(self.server.statistics())


def _of_loop(figures: LoopStatistics) -> Iterable[Metric]:
    yield _counter("kinora_loop_stalls", "Steps of the event loop longer than 250 ms.", figures.stalls)
    yield _gauge("kinora_loop_longest_stall_seconds", "The longest of those steps so far.", figures.longest_s)


def _of_actors(statistics: SupervisorStatistics) -> Iterable[Metric]:
    up = GaugeMetricFamily("kinora_actor_up", "1 while the actor runs.", labels=["actor"])
    restarts = CounterMetricFamily("kinora_actor_restarts", "Starts after a crash.", labels=["actor"])
    for child in statistics.children:
        up.add_metric([child.name], child.state == "up")
        restarts.add_metric([child.name], child.restarts)
    return up, restarts


def _of_jobs(jobs: JobManager) -> Iterable[Metric]:
    stages = Counter(said.stage for said in jobs.current() if isinstance(said, ProgressPayload))
    family = GaugeMetricFamily("kinora_jobs", "Jobs that have not ended, by their stage.", labels=["stage"])
    for stage in STAGES:
        family.add_metric([stage], stages[stage])
    yield family


def _of_store(store: Store) -> Iterable[Metric]:
    figures = store.statistics()
    yield _counter("kinora_store_frames", "Frames written to the database.", figures.frames)
    yield _counter("kinora_store_transactions", "Transactions of the database.", figures.transactions)
    yield _gauge("kinora_store_waiting_frames", "Frames not yet on disk.", figures.waiting)
    yield _gauge("kinora_store_waiting_frames_peak", "The most frames not yet on disk so far.", figures.peak_waiting)
    yield _gauge("kinora_store_waiting_frames_max", "Frames not yet on disk at which jobs wait.", figures.capacity)
    yield _gauge("kinora_store_failing", "1 while the database cannot be written.", figures.failing is not None)


def _of_workers(figures: ForkServerStatistics) -> Iterable[Metric]:
    yield _gauge("kinora_workers", "Worker processes.", figures.workers)
    yield _counter("kinora_workers_started", "Worker processes started.", figures.started)


def _of_realtime(manager: ConnectionManager | None) -> Iterable[Metric]:
    if manager is None:
        yield _gauge("kinora_realtime_sessions", "Connected realtime clients.", 0)
        return
    figures = manager.statistics()
    sent = figures.broadcast
    yield _gauge("kinora_realtime_sessions", "Connected realtime clients.", figures.connections)
    yield _gauge("kinora_realtime_sessions_max", "The most realtime clients that can connect.", figures.max_connections)
    yield _gauge("kinora_realtime_subscribers", "Realtime clients that get new messages.", sent.subscribers)
    yield _counter("kinora_realtime_messages", "Messages published, each counted once for all clients.", sent.published)
    yield _gauge("kinora_realtime_log_messages", "Messages kept for clients that reconnect.", sent.log_messages)
    yield _gauge("kinora_realtime_log_bytes", "Bytes of the messages kept for clients that reconnect.", sent.log_bytes)
    yield from _of_sessions(manager)


def _of_sessions(manager: ConnectionManager) -> Iterable[Metric]:
    sessions = manager.active_connections.values()
    behind = [session.statistics() for session in sessions if isinstance(session, ClientSession)]
    waiting = sum(one.waiting for one in behind)
    waiting_bytes = sum(one.waiting_bytes for one in behind)
    yield _gauge("kinora_realtime_waiting_messages", "Messages queued for slow clients.", waiting)
    yield _gauge("kinora_realtime_waiting_bytes", "Bytes of the messages queued for slow clients.", waiting_bytes)


def _of_connections(figures: ServerStatistics) -> Iterable[Metric]:
    yield _gauge("kinora_connections", "Open connections.", figures.connections)
    yield _gauge("kinora_connections_peak", "The most connections open at once so far.", figures.peak_connections)
    yield _gauge("kinora_connections_max", "The most connections that can be open at once.", figures.max_connections)
    yield _counter("kinora_connections_refused", "Connections refused because the limit was reached.", figures.refused)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    """A counter; ``name`` is given without its suffix ``_total``."""
    return CounterMetricFamily(name, text, value=value)
