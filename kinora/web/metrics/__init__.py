"""``/metrics``: the figures of the process, of every actor and of the server's connections, for Prometheus.

docs/metrics.md lists them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs
import trio
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from quart import Blueprint, Response, request

from kinora.runtime.forking.worker_usage import ProcessUsage, WorkerKind
from kinora.system import System
from kinora.web.connection.server import Server
from kinora.web.metrics.labels import MAX_PLUGINS, Labels
from kinora.web.metrics.of_agents import of_agents
from kinora.web.metrics.of_events import of_clips, of_webhooks
from kinora.web.metrics.of_http import of_connections, of_http, of_uploads
from kinora.web.metrics.of_jobs import of_jobs
from kinora.web.metrics.of_plugins import of_plugins
from kinora.web.metrics.of_realtime import of_realtime
from kinora.web.metrics.of_store import of_disk, of_store
from kinora.web.metrics.of_system import of_actors, of_log, of_loop, of_server
from kinora.web.metrics.of_workers import of_workers
from kinora.web.middleware.http_figures import HttpFigures

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SCRAPES_AT_ONCE = 2
"""The answers that are collected and written at once; further ones wait for their turn."""


def metrics_routes(system: System, http: HttpFigures) -> Blueprint:
    """The one route, ``/metrics``."""
    routes = Blueprint("metrics", __name__)
    process = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=process)
    plugins = Labels(MAX_PLUGINS)
    limiter = trio.CapacityLimiter(SCRAPES_AT_ONCE)

    @routes.get("/metrics")
    async def metrics() -> Response:
        server = request.scope.get("state", {}).get("server")
        async with limiter:
            usage = await system.fork_server.usage()
            sources = _Sources(system, http, plugins, usage, server if isinstance(server, Server) else None)
            text = await trio.to_thread.run_sync(_written, process, list(sources.collect()))
        return Response(text, 200, {"content-type": MEDIA_TYPE})

    return routes


def _written(process: Collector, figures: Sequence[Metric]) -> bytes:
    """The figures as text, those of the process first. Blocks."""
    return generate_latest(_Collected([*process.collect(), *figures]))


@attrs.frozen
class _Collected(Collector):
    """Figures that have been collected."""

    metrics: Sequence[Metric]

    def collect(self) -> Iterable[Metric]:
        return self.metrics


@attrs.frozen
class _Sources:
    """What the figures are of."""

    system: System
    http: HttpFigures
    plugins: Labels
    usage: Mapping[WorkerKind, ProcessUsage]
    server: Server | None
    """None if the app runs on another ASGI server, whose figures are unknown."""

    def collect(self) -> Iterable[Metric]:
        """The current figures."""
        system = self.system
        yield from of_server(system)
        yield from of_log()
        yield from of_loop(system.loop_watch.statistics())
        yield from of_actors(system.statistics())
        yield from of_jobs(system.jobs, system.job_figures)
        yield from of_plugins(system.plugins.all(), system.plugin_records.all(), self.plugins)
        yield from of_workers(system.fork_server.statistics(), self.usage, self.plugins)
        yield from of_agents(system.agents)
        yield from of_webhooks(system.webhooks.states())
        yield from of_clips(system.clips)
        yield from of_store(system.store.statistics())
        yield from of_disk(system.store.statistics())
        yield from of_realtime(system.connections)
        yield from of_http(self.http)
        yield from of_uploads(self.http.uploads)
        if self.server is not None:
            yield from of_connections(self.server.statistics())
