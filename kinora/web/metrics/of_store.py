"""The figures of the store and of its disk."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, Metric

from kinora.actors.store.store import StoreStatistics
from kinora.web.metrics.families import counter, gauge, histogram


def of_store(figures: StoreStatistics) -> Iterable[Metric]:
    """What is written, and what waits for that."""
    yield counter("kinora_store_frames", "Frames written to the database.", figures.frames)
    yield counter("kinora_store_transactions", "Transactions of the database.", figures.transactions)
    yield counter("kinora_store_failed_transactions", "Transactions that have failed.", figures.failed)
    yield histogram("kinora_store_write_seconds", "The time of each transaction.", figures.latency)
    yield gauge(
        "kinora_store_lag_seconds", "How long the oldest frame that is not on disk has waited.", figures.oldest_s
    )
    yield gauge("kinora_store_waiting_frames", "Frames not yet on disk.", figures.waiting)
    yield gauge("kinora_store_waiting_frames_peak", "The most frames not yet on disk so far.", figures.peak_waiting)
    yield gauge("kinora_store_waiting_frames_max", "Frames not yet on disk at which jobs wait.", figures.capacity)
    yield gauge("kinora_store_failing", "1 while the database cannot be written.", figures.failing is not None)


def of_disk(figures: StoreStatistics) -> Iterable[Metric]:
    """The room on the disk of the data folder."""
    free = GaugeMetricFamily("kinora_disk_free_bytes", "Free room on the disk of the data folder; absent if unknown.")
    if figures.disk_free is not None:
        free.add_metric([], figures.disk_free)
    yield free
    yield gauge("kinora_disk_floor_bytes", "Free room below which no new jobs are taken.", figures.disk_floor)
