"""The figures of the server as a whole, its event loop and its actors."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from kinora import __version__
from kinora.log import BUDGET
from kinora.runtime.loop_watch import LoopStatistics
from kinora.runtime.supervisor import SupervisorStatistics
from kinora.system import System
from kinora.web.metrics.families import counter, gauge, gauges, histogram


def of_server(system: System) -> Iterable[Metric]:
    """What it is, and if it works."""
    yield gauges("kinora_build_info", "1, with the version of Kinora.", "version", {__version__: 1})
    yield gauge("kinora_ready", "1 while the server takes new jobs.", not system.ready())
    yield gauge("kinora_degraded", "1 while an optional part is down, such as timings.", bool(system.degraded()))


def of_log() -> Iterable[Metric]:
    """What the log leaves out."""
    yield counter("kinora_log_left_out_lines", "Log lines left out as too many of a kind came.", BUDGET.left_out)


def of_loop(figures: LoopStatistics) -> Iterable[Metric]:
    """How long the event loop makes others wait."""
    yield histogram("kinora_loop_lag_seconds", "The wait for the event loop, measured every 100 ms.", figures.lag)
    yield counter("kinora_loop_stalls", "Steps of the event loop longer than 250 ms.", figures.stalls)
    yield gauge("kinora_loop_longest_stall_seconds", "The longest of those steps so far.", figures.longest_s)


def of_actors(statistics: SupervisorStatistics) -> Iterable[Metric]:
    """Which actors run."""
    up = GaugeMetricFamily("kinora_actor_up", "1 while the actor runs.", labels=["actor"])
    restarts = CounterMetricFamily("kinora_actor_restarts", "Starts after a crash.", labels=["actor"])
    for child in statistics.children:
        up.add_metric([child.name], child.state == "up")
        restarts.add_metric([child.name], child.restarts)
    return up, restarts
