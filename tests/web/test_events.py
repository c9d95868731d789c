"""The events of a job as clients see them: live, by pages, and on the next server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kinora.client import connect
from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from tests.client_kit import Answer, get
from tests.jobs_kit import write_plugin
from tests.web.test_jobs import ended, is_problem, started

REPORTER = """
class Reporter(Plugin):
    metadata = PluginMetadata(name="reporter")

    def prepare(self, context):
        self.context = context
        context.event("ready")

    def process_frame(self, frame):
        if frame.index % 10 == 3:
            self.context.event("fall", "Somebody fell.", {"height": np.float32(0.5)})
        if frame.index == 23:
            return {"events": [{"kind": "crossed", "data": ["in"]}]}

    def finalize(self):
        self.context.event("summary", data={"falls": 3})
"""
KINDS = [("ready", None), ("fall", 3), ("fall", 13), ("fall", 23), ("crossed", 23), ("summary", None)]


async def page(server: RunningServer, job_id: str, query: str = "") -> Answer:
    """A page of the job's events."""
    return await get(f"{server.url}/v1/jobs/{job_id}/events?{query}")


def kinds(events: list[dict[str, Any]]) -> list[tuple[str, int | None]]:
    """Kind and frame of each."""
    return [(event["kind"], event["index"]) for event in events]


@pytest.mark.one_way
async def test_events_are_told_and_kept(settings: Settings, plugins_dir: Path) -> None:
    """Each once, numbered in order; live as on the pages, and after the server has ended."""
    write_plugin(plugins_dir, "reporter", REPORTER)
    async with open_server(settings) as server:
        live = []
        async with connect(server.url) as realtime:
            job_id = await started(server, {"source": "clip.mp4", "plugins": ["reporter", "motion"]})
            async for message in realtime:
                live += [message.payload] if message.type == "event" else []
                if message.type == "complete":
                    break
        assert (await ended(server, job_id))["warnings"] == []
        answer = (await page(server, job_id)).json()
        assert answer == {"events": live, "next": None}
        assert [event["number"] for event in live] == [1, 2, 3, 4, 5, 6]
        assert kinds(live) == KINDS
        assert live[1] == {
            "job_id": job_id,
            "number": 2,
            "plugin": "reporter",
            "kind": "fall",
            "message": "Somebody fell.",
            "data": {"height": 0.5},
            "frame_id": "frame-000003",
            "index": 3,
            "timestamp_ms": 300.0,
        }
        assert (live[0]["data"], live[0]["message"], live[0]["frame_id"], live[0]["timestamp_ms"]) == (
            None,
            "",
            None,
            None,
        )
        await _check_pages(server, job_id)
    async with open_server(settings) as server:
        assert (await page(server, job_id)).json()["events"] == live
        assert is_problem(await page(server, "00000000-0000-4000-8000-000000000000"), 404)


async def _check_pages(server: RunningServer, job_id: str) -> None:
    first = (await page(server, job_id, "limit=2&kind=fall")).json()
    assert (kinds(first["events"]), first["next"]) == (KINDS[1:3], 3)
    rest = (await page(server, job_id, "limit=2&kind=fall&after=3")).json()
    assert (kinds(rest["events"]), rest["next"]) == (KINDS[3:4], None)
    assert (await page(server, job_id, "plugin=motion")).json() == {"events": [], "next": None}
    assert len((await page(server, job_id, "plugin=reporter&kind=&after=&limit=")).json()["events"]) == len(KINDS)
    unknown = await page(server, job_id, "plugin=motoin")
    assert is_problem(unknown, 404)
    assert "there are: reporter, motion; the nearest one is motion" in unknown.json()["detail"]
    for query, parameter in (("limit=0", "limit"), ("limit=1001", "limit"), ("after=-1", "after")):
        assert is_problem(await page(server, job_id, query), 422, parameter)
    assert is_problem(await page(server, job_id, f"kind={'k' * 65}"), 422, "kind")
