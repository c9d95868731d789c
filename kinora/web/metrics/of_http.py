"""The figures of requests, uploads and connections."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import Metric

from kinora.web.connection.server import ServerStatistics
from kinora.web.metrics.families import counter, counters, gauge, histograms
from kinora.web.middleware.http_figures import HttpFigures, UploadFigures


def of_http(figures: HttpFigures) -> Iterable[Metric]:
    """How requests were answered."""
    yield counters(
        "kinora_http_requests",
        "Requests by method, route and status of the answer.",
        ["method", "route", "status"],
        [([method, route, str(status)], count) for (method, route, status), count in figures.answered.items()],
    )
    yield histograms(
        "kinora_http_request_seconds",
        "The time until the answer began, without requests that asked the server to wait.",
        ["method", "route"],
        figures.latency.items(),
    )
    yield counter("kinora_http_failures", "Requests that failed because of an error in the server.", figures.failed)
    yield gauge(
        "kinora_http_requests_in_progress", "Requests under way, realtime clients included.", figures.in_progress
    )


def of_uploads(figures: UploadFigures) -> Iterable[Metric]:
    """What came as uploads."""
    yield counters(
        "kinora_uploads",
        "Uploads by outcome.",
        ["outcome"],
        [(["received"], figures.received), (["failed"], figures.failed)],
    )
    yield counter("kinora_upload_bytes", "Bytes of uploads written to disk.", figures.bytes)


def of_connections(figures: ServerStatistics) -> Iterable[Metric]:
    """The connections of our own server."""
    yield gauge("kinora_connections", "Open connections.", figures.connections)
    yield gauge("kinora_connections_peak", "The most connections open at once so far.", figures.peak_connections)
    yield gauge("kinora_connections_max", "The most connections that can be open at once.", figures.max_connections)
    yield counter("kinora_connections_accepted", "Connections accepted.", figures.accepted)
    yield counter("kinora_connections_refused", "Connections refused because the limit was reached.", figures.refused)
    yield counter("kinora_http_malformed_requests", "Requests that are not HTTP, or too large.", figures.malformed)
    yield counter("kinora_sent_bytes", "Bytes sent to clients of all kinds.", figures.sent_bytes)
    yield counter("kinora_received_bytes", "Bytes received from clients.", figures.received_bytes)
