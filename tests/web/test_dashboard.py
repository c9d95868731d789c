"""What deploy/ asks Prometheus for is what a server serves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kinora.actors.webhooks.webhook import Webhook
from kinora.actors.webhooks.webhooks import Webhooks
from kinora.serve import RunningServer
from tests.client_kit import get
from tests.fleet_kit import ToldFleet
from tests.web.test_metrics import run_job

DEPLOY = Path(__file__).parents[2] / "deploy"
OF_PROMETHEUS = {"up", "instance", "job"}
"""What Prometheus adds to what it reads."""
_METRIC = re.compile(r"\b((?:kinora|process|python)_\w+)(?:\{([^}]*)\})?")
_LABELS = re.compile(r"(\w+)\s*[=!]~?\s*\"")


def alerts() -> list[str]:
    """The expressions of the alerts, each on a line of its own."""
    return re.findall(r"^ *expr: (.*)$", (DEPLOY / "prometheus/alerts.yml").read_text(), re.MULTILINE)


def dashboard() -> list[str]:
    """The expressions of all panels."""
    return list(_expressions(json.loads((DEPLOY / "grafana/kinora.json").read_text())))


def _expressions(part: Any) -> Iterator[str]:
    values = part.values() if isinstance(part, dict) else part
    for value in values if isinstance(part, dict | list) else ():
        yield from _expressions(value)
    if isinstance(part, dict) and "expr" in part:
        yield part["expr"]


async def served(server: RunningServer) -> dict[str, set[str]]:
    """Each name of a sample, with its labels, of a server that has run a job."""
    server.system.agents = ToldFleet()
    server.system.webhooks = Webhooks({"alarm": Webhook(url="http://10.0.0.5/")}, server.system.store)
    await run_job(server)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families((await get(f"{server.url}/metrics")).body.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.parametrize("source", [alerts, dashboard])
async def test_each_expression_asks_for_what_is_served(server: RunningServer, source: Any) -> None:
    """Each metric is served under this name, and has the labels that it is chosen or added up by."""
    known = await served(server)
    expressions = source()
    assert len(expressions) >= 20
    for expression in expressions:
        asked = _METRIC.findall(expression)
        assert asked or "up{" in expression, expression
        assert {name for name, _ in asked} <= known.keys(), expression
        for name, labels in asked:
            assert set(_LABELS.findall(labels)) <= known[name] | OF_PROMETHEUS, expression
        grouped = {word for by in re.findall(r"by \(([^)]*)\)", expression) for word in by.split(", ")}
        assert grouped <= OF_PROMETHEUS.union(*(known[name] for name, _ in asked)), expression


async def test_all_that_is_counted_can_be_seen(server: RunningServer) -> None:
    """Each metric of Kinora's is on the dashboard or in an alert, but for those that say what others say as well."""
    known = {re.sub(r"_(bucket|sum|count)$", "", name) for name in await served(server) if name.startswith("kinora_")}
    text = " ".join([*alerts(), *dashboard()])
    unseen = {name for name in known if not re.search(rf"\b{name}(_bucket|_count)?\b", text)}
    assert unseen == {
        "kinora_build_info",
        "kinora_connections_accepted_total",
        "kinora_connections_peak",
        "kinora_degraded",
        "kinora_http_malformed_requests_total",
        "kinora_jobs_running_max",
        "kinora_log_left_out_lines_total",
        "kinora_loop_longest_stall_seconds",
        "kinora_realtime_log_bytes",
        "kinora_realtime_log_messages",
        "kinora_realtime_subscribers",
        "kinora_realtime_waiting_bytes",
        "kinora_store_frames_total",
        "kinora_store_transactions_total",
        "kinora_store_waiting_frames_peak",
        "kinora_worker_processes",
    }


def test_each_alert_is_tried() -> None:
    """``alerts_test.yml``, which promtool runs, has figures for each alert, and counts all of them."""
    tried = (DEPLOY / "prometheus/alerts_test.yml").read_text()
    asked = {name for expression in alerts() for name, _ in _METRIC.findall(expression)}
    assert asked <= set(re.findall(r"series: '(\w+)", tried))
    assert f"exp_samples: [{{value: {len(alerts())}}}]" in tried


def test_each_alert_says_what_to_do() -> None:
    """Each alert has a sentence with what is wrong, and one that says where to look or what to do."""
    text = (DEPLOY / "prometheus/alerts.yml").read_text()
    for alert in re.split(r"^ *- alert: ", text, flags=re.MULTILINE)[1:]:
        for line in (r"labels: \{severity: (page|ticket)\}", 'summary: ".+"', r'description: ".+\."'):
            assert re.search(line, alert), alert
