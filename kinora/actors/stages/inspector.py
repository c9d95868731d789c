"""The plugin inspector: the metadata of a job's plugins, their timings, and the checks against their budgets."""

from __future__ import annotations

import math
import time
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Mapping

import attrs
import structlog

from kinora.actors.errors import NotFound
from kinora.actors.messages import Health
from kinora.actors.models import JobState, TimingSummary
from kinora.plugins.api import PluginMetadata

RECENT = 1000
"""The number of latest frames that percentiles are taken of."""

log = structlog.get_logger()


class Timings:
    """Durations in milliseconds, and their summary."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._ordered: list[float] = []
        """The same, from the shortest to the longest: kept so, as a summary is asked for again and again."""
        self._count = 0
        self._total = 0.0
        self._longest = 0.0
        self._restored: TimingSummary | None = None

    def add(self, ms: float) -> None:
        """Add a duration."""
        if len(self._recent) == RECENT:
            del self._ordered[bisect_left(self._ordered, self._recent.popleft())]
        self._recent.append(ms)
        insort(self._ordered, ms)
        self._count += 1
        self._total += ms
        self._longest = max(self._longest, ms)

    def restore(self, summary: TimingSummary, count: int) -> None:
        """Go on after so many durations with this summary; percentiles are of the new ones, once there are any."""
        self._count, self._total, self._longest = count, summary.mean * count, summary.max
        self._restored = summary

    def summary(self) -> TimingSummary | None:
        """Return the summary so far, with one decimal; None if there are no durations."""
        if not self._recent:
            return self._restored
        return TimingSummary(
            last=round(self._recent[-1], 1),
            mean=round(self._total / self._count, 1),
            p50=round(_percentile(self._ordered, 0.50), 1),
            p95=round(_percentile(self._ordered, 0.95), 1),
            max=round(self._longest, 1),
        )


def _percentile(ordered: list[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed."""
    return ordered[math.ceil(share * len(ordered)) - 1]


@attrs.define(eq=False)
class _Inspected:
    metadata: PluginMetadata
    run: Timings = attrs.field(factory=Timings)
    queue: Timings = attrs.field(factory=Timings)
    total_ms: float = 0.0
    started: dict[int, float] = attrs.field(factory=dict)
    """Worker → the time since which it has been at work."""
    health: Health = "ok"


class PluginInspector:
    """Watches the plugins of one job. Every method raises NotFound for any other plugin."""

    def __init__(
        self, job_id: str, plugins: Mapping[str, PluginMetadata], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.job_id = job_id
        self._plugins = {name: _Inspected(metadata) for name, metadata in plugins.items()}
        self._clock = clock
        """Seconds, monotonic."""

    def inspect(self, plugin_name: str) -> PluginMetadata:
        """Return the plugin's metadata."""
        return self._of(plugin_name).metadata

    def restore(self, state: JobState) -> None:
        """Go on with the timings of an earlier server; budgets are watched anew."""
        for name, plugin in self._plugins.items():
            stage = state.plugins.get(name)
            plugin.total_ms = (state.plugin_timings or {}).get(name, 0.0)
            if stage is not None and stage.run_ms is not None:
                plugin.run.restore(stage.run_ms, stage.frames)
            if stage is not None and stage.queue_ms is not None:
                plugin.queue.restore(stage.queue_ms, stage.frames)

    def start_timing(self, plugin_name: str, worker: int = 0) -> None:
        """Note that the plugin starts work now, in one of its workers; an earlier start without a stop is forgotten."""
        self._of(plugin_name).started[worker] = self._clock()

    def stop_timing(
        self, plugin_name: str, run_ms: float | None = None, *, frame: bool = True, worker: int = 0
    ) -> float:
        """Note that the plugin has done its work, and return the milliseconds that it took.

        ``run_ms`` is the worker's own measurement, without the transport of messages; if given, it is used.
        ``frame=False`` is for ``prepare`` and ``finalize``, which count in the total only.

        Raises:
            RuntimeError: there is neither ``run_ms`` nor a start.
        """
        plugin = self._of(plugin_name)
        started = plugin.started.pop(worker, None)
        if run_ms is None:
            if started is None:
                raise RuntimeError(f"start_timing({plugin_name!r}) must come before stop_timing")
            run_ms = (self._clock() - started) * 1000
        plugin.total_ms += run_ms
        if frame:
            plugin.run.add(run_ms)
        return run_ms

    def collect_timings(self) -> dict[str, float]:
        """Return plugin → total milliseconds inside it, with one decimal, in the order of the pipeline."""
        return {name: round(plugin.total_ms, 1) for name, plugin in self._plugins.items()}

    def add_queue(self, plugin_name: str, ms: float) -> None:
        """Note how long a frame waited before the plugin took it."""
        self._of(plugin_name).queue.add(ms)

    def run_ms(self, plugin_name: str) -> TimingSummary | None:
        """Return the time inside the plugin per frame; None before its first frame."""
        return self._of(plugin_name).run.summary()

    def queue_ms(self, plugin_name: str) -> TimingSummary | None:
        """Return the time that frames waited for the plugin; None before its first frame."""
        return self._of(plugin_name).queue.summary()

    def over_budget(self, plugin_name: str, ms: float) -> bool:
        """Return whether this frame is the first over the plugin's budget; the plugin is ``degraded`` from then on."""
        plugin = self._of(plugin_name)
        budget = plugin.metadata.latency_budget_ms
        if budget is None or ms <= budget or plugin.health == "degraded":
            return False
        plugin.health = "degraded"
        return True

    def health(self, plugin_name: str) -> Health:
        """Return ``ok``, or ``degraded`` once a frame was over the budget."""
        return self._of(plugin_name).health

    def _of(self, plugin_name: str) -> _Inspected:
        try:
            return self._plugins[plugin_name]
        except KeyError:
            known = ", ".join(self._plugins)
            raise NotFound(f"{plugin_name} is not a plugin of this job; its plugins are: {known}") from None


class NullInspector:
    """Stands in for an inspector that is unavailable: it knows no metadata, measures nothing and has no budgets."""

    def inspect(self, plugin_name: str) -> None:
        """Return None: the metadata is unknown."""

    def restore(self, state: JobState) -> None:
        """Do nothing."""

    def start_timing(self, plugin_name: str, worker: int = 0) -> None:
        """Do nothing."""

    def stop_timing(
        self,
        plugin_name: str,  # noqa: ARG002 - the inspector's signature, here and below
        run_ms: float | None = None,  # noqa: ARG002
        *,
        frame: bool = True,  # noqa: ARG002
        worker: int = 0,  # noqa: ARG002
    ) -> float:
        """Return 0."""
        return 0.0

    def collect_timings(self) -> None:
        """Return None: the timings are unknown."""

    def add_queue(self, plugin_name: str, ms: float) -> None:
        """Do nothing."""

    def run_ms(self, plugin_name: str) -> None:
        """Return None."""

    def queue_ms(self, plugin_name: str) -> None:
        """Return None."""

    def over_budget(self, plugin_name: str, ms: float) -> bool:  # noqa: ARG002 - the inspector's signature
        """Return False."""
        return False


Inspector = PluginInspector | NullInspector


class InspectorService:
    """Gives each job its inspector. If one cannot be made, the job runs without: its timings are null."""

    def __init__(self) -> None:
        self.fault: str | None = None
        """The reason why the last job has no inspector; None if it has one."""

    def open_job(self, job_id: str, plugins: Mapping[str, PluginMetadata]) -> Inspector:
        """Make the inspector of a new job with these plugins, in the order of its pipeline. Never raises."""
        try:
            inspector = PluginInspector(job_id, plugins)
        except Exception as error:
            log.exception("a job runs without its inspector", job_id=job_id)
            self.fault = f"{type(error).__name__}: {error}"
            return NullInspector()
        self.fault = None
        return inspector
