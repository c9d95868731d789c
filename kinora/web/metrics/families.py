"""Makes families of samples. Names of counters are given without their suffix ``_total``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from kinora.runtime.histogram import SECONDS, Histogram

_BOUNDS = (*(f"{bound:g}" for bound in SECONDS), "+Inf")


def gauge(name: str, text: str, value: float) -> Metric:
    """A gauge without labels."""
    return GaugeMetricFamily(name, text, value=value)


def counter(name: str, text: str, value: float) -> Metric:
    """A counter without labels."""
    return CounterMetricFamily(name, text, value=value)


def histogram(name: str, text: str, value: Histogram) -> Metric:
    """A histogram without labels."""
    return histograms(name, text, [], [([], value)])


def gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    """A gauge with one label."""
    family = GaugeMetricFamily(name, text, labels=[label])
    for word, value in values.items():
        family.add_metric([word], value)
    return family


def counters(name: str, text: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]) -> Metric:
    """A counter with labels."""
    family = CounterMetricFamily(name, text, labels=labels)
    for words, value in values:
        family.add_metric(words, value)
    return family


def histograms(
    name: str, text: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], Histogram]]
) -> Metric:
    """A histogram with labels."""
    family = HistogramMetricFamily(name, text, labels=labels)
    for words, value in values:
        family.add_metric(words, list(zip(_BOUNDS, value.cumulative(), strict=True)), value.sum)
    return family
