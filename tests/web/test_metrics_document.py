"""docs/metrics.md has all metrics that a server serves, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from kinora.actors.webhooks.webhook import Webhook
from kinora.actors.webhooks.webhooks import Webhooks
from kinora.fleet.figures import MAX_NAMES
from kinora.runtime.histogram import SECONDS
from kinora.serve import RunningServer
from kinora.web.metrics.labels import MAX_PLUGINS
from tests.client_kit import get
from tests.fleet_kit import ToldFleet
from tests.web.test_metrics import run_job

DOCUMENT = Path(__file__).parents[2] / "docs/metrics.md"


def row(family: Metric) -> str:
    """The line that the document has of a family."""
    name = family.name + "_total" * (family.type == "counter")
    labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
    return f"| `{name}` | {family.type} | {', '.join(f'`{label}`' for label in labels)} | {family.documentation} |"


async def test_each_metric_is_in_the_document(server: RunningServer) -> None:
    """Name, type, labels and meaning are the same, each metric stands there once, and no other does."""
    server.system.agents = ToldFleet()
    server.system.webhooks = Webhooks({"alarm": Webhook(url="http://10.0.0.5/")}, server.system.store)
    await run_job(server)  # so that each family with labels has a sample
    text = (await get(f"{server.url}/metrics")).body.decode()
    served = [row(family) for family in text_string_to_metric_families(text) if family.name.startswith("kinora_")]
    told = re.findall(r"^\| `kinora_.*$", DOCUMENT.read_text(), re.MULTILINE)
    assert sorted(told) == sorted(served)


def test_the_document_tells_the_buckets_and_the_bound() -> None:
    """The buckets and the numbers of plugins and agents with a label are those of the code."""
    text = DOCUMENT.read_text()
    assert f"{', '.join(f'{bound:g}' for bound in SECONDS)}." in text
    assert f"The first {MAX_PLUGINS} plugins" in text
    assert f"{MAX_NAMES} names of agents" in text
