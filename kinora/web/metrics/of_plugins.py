"""The figures of plugins, over all jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client.core import Metric

from kinora.actors.messages import Code
from kinora.actors.plugins.plugin_records import PluginRecord
from kinora.plugins.registry import PluginEntry
from kinora.web.metrics.families import counters, gauges, histograms
from kinora.web.metrics.labels import Labels

KINDS: Mapping[Code, str] = {
    Code.PLUGIN_CRASH: "crash",
    Code.PLUGIN_TIMEOUT: "timeout",
    Code.PLUGIN_ERROR: "error",
    Code.PLUGIN_MEMORY: "memory",
    Code.PLUGIN_BAD_RESULT: "bad_result",
}
"""The kinds of failures."""
_LABEL = ["plugin"]


def of_plugins(found: Sequence[PluginEntry], records: Mapping[str, PluginRecord], labels: Labels) -> Iterable[Metric]:
    """How plugins do. Plugins beyond the bound on labels are added up."""
    broken = sum(entry.broken is not None for entry in found)
    states = {"working": len(found) - broken, "broken": broken}
    yield gauges("kinora_plugins", "Plugins that were found, by whether they can be used.", "state", states)
    merged = {labels.of(entry.name): PluginRecord() for entry in found if entry.broken is None}  # counters begin at 0
    for name, record in records.items():
        _include(merged.setdefault(labels.of(name), PluginRecord()), record)
    yield histograms(
        "kinora_plugin_run_seconds",
        "The time inside the plugin of each frame that it answered.",
        _LABEL,
        [([label], record.run) for label, record in merged.items()],
    )
    yield histograms(
        "kinora_plugin_queue_seconds",
        "The time that each frame waited for the plugin.",
        _LABEL,
        [([label], record.queue) for label, record in merged.items()],
    )
    yield from _of_failures(merged)


def _of_failures(records: Mapping[str, PluginRecord]) -> Iterable[Metric]:
    yield counters(
        "kinora_plugin_failures",
        "Failures: crash, timeout, error, memory, bad_result.",
        ["plugin", "kind"],
        [([label, kind], record.failed[code]) for label, record in records.items() for code, kind in KINDS.items()],
    )
    for name, text, field in (
        ("restarts", "Processes started for one that had died.", "restarts"),
        ("disabled", "Jobs that went on without the plugin, as it had failed too often in a row.", "disabled"),
        ("device_fallbacks", "Times that it went on on the CPU because its device had failed.", "fallbacks"),
    ):
        values = [([label], getattr(record, field)) for label, record in records.items()]
        yield counters(f"kinora_plugin_{name}", text, _LABEL, values)


def _include(total: PluginRecord, record: PluginRecord) -> None:
    total.run.include(record.run)
    total.queue.include(record.queue)
    total.failed.update(record.failed)
    total.restarts += record.restarts
    total.disabled += record.disabled
    total.fallbacks += record.fallbacks
