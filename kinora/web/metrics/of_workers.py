"""The figures of worker processes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from kinora.runtime.forking.worker_usage import ProcessUsage, WorkerKind
from kinora.runtime.forking.workers import ForkServerStatistics
from kinora.web.metrics.families import counter, gauge
from kinora.web.metrics.labels import Labels

_LABELS = ["program", "plugin"]


def of_workers(
    figures: ForkServerStatistics, usage: Mapping[WorkerKind, ProcessUsage], labels: Labels
) -> Iterable[Metric]:
    """How many there are, and what they use by what they run."""
    yield gauge("kinora_workers", "Worker processes.", figures.workers)
    yield counter("kinora_workers_started", "Worker processes started.", figures.started)
    merged: dict[tuple[str, str], ProcessUsage] = {}
    for kind, used in usage.items():
        key = (kind.program, labels.of(kind.plugin))
        merged[key] = merged.get(key, ProcessUsage()) + used
    memory = GaugeMetricFamily(
        "kinora_worker_memory_bytes", "Resident memory of workers, shared pages divided among them.", labels=_LABELS
    )
    processes = GaugeMetricFamily("kinora_worker_processes", "Workers by what they run.", labels=_LABELS)
    cpu = CounterMetricFamily(
        "kinora_worker_cpu_seconds", "Processor time of workers, also of those that have ended.", labels=_LABELS
    )
    for key, used in merged.items():
        memory.add_metric(key, used.memory_bytes)
        processes.add_metric(key, used.processes)
        cpu.add_metric(key, used.cpu_s)
    yield from (memory, processes, cpu)
