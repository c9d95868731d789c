"""All results of a job as one file."""

from __future__ import annotations

import io
import json
import uuid
from pathlib import Path
from zipfile import ZipFile

import h11
import pytest
from structlog.testing import capture_logs

from kinora.results.endings import ENDINGS
from kinora.results.formats import FORMATS
from kinora.serve import RunningServer
from tests.client_kit import Exchange, exchange, get
from tests.jobs_kit import run_job, write_plugin
from tests.web.test_negotiation import CSV, JSON, NDJSON

BULKY = """
@tool("bulky")
def bulky(frame):
    box = {"x": 1, "y": 1, "width": 5, "height": 5, "confidence": 0.5, "class": "x" * 100}
    return {"detections": [box] * 1000}
"""
"""Results that no socket takes at once."""


async def test_results_are_one_file_in_each_format_named_after_the_source(server: RunningServer) -> None:
    """A link chooses the format by itself, whatever the browser accepts, and the file is complete."""
    state = await run_job(server.system, "motion")
    job = f"{server.url}/v1/jobs/{state.job_id}"
    page = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    for query, form, content_type in (
        ("", "json", JSON),
        ("?format=json", "json", JSON),
        ("?format=ndjson", "ndjson", NDJSON),
        ("?format=csv", "csv", CSV),
    ):
        answer = await get(f"{job}/export{query}", accept=page)
        assert (answer.status, answer.headers["content-type"]) == (200, content_type), query
        assert answer.headers["content-disposition"] == f'attachment; filename="clip-{state.job_id[:8]}.{form}"'
        if form == "json":
            assert answer.json() == (await get(f"{job}/extended")).json()
        else:
            assert answer.body == (await get(f"{job}/frames", accept=content_type.partition(";")[0])).body
    lines = (await get(f"{job}/export?format=ndjson")).body.splitlines()
    assert [json.loads(line)["index"] for line in lines] == list(range(state.frames_done))


async def test_the_file_of_a_job_that_is_deleted_meanwhile_breaks_off(server: RunningServer, plugins_dir: Path) -> None:
    """So the client knows that it is not whole; the log says why in a line, without a traceback."""
    write_plugin(plugins_dir, "bulky", BULKY)
    await server.system.plugins.reload()
    state = await run_job(server.system, "bulky")
    with capture_logs() as logs:
        async with exchange(f"{server.url}/v1/jobs/{state.job_id}/export?format=csv") as answer:
            assert (await answer.head()).status_code == 200
            await answer.piece()
            await server.system.jobs.delete(state.job_id)
            with pytest.raises(h11.RemoteProtocolError, match="incomplete chunked read"):
                await rest(answer)
    (said,) = [entry for entry in logs if entry["log_level"] in {"warning", "error"}]
    assert (said["event"], "deleted" in said["reason"], "exc_info" in said) == ("an answer has broken off", True, False)


async def rest(answer: Exchange) -> None:
    """Read an answer to its end."""
    while await answer.piece() is not None:
        pass


async def test_an_unknown_format_or_job_is_refused(server: RunningServer) -> None:
    """The formats that there are are named."""
    state = await run_job(server.system, "motion")
    refused = await get(f"{server.url}/v1/jobs/{state.job_id}/export?format=xml")
    assert refused.status == 422
    assert "json, ndjson, csv" in refused.json()["errors"][0]["message"]
    assert (await get(f"{server.url}/v1/jobs/{uuid.uuid4()}/export")).status == 404


async def test_results_are_files_for_other_programs(server: RunningServer) -> None:
    """Each has all detections of the plugins that it names; a plugin that the job lacks is refused by its name."""
    state = await run_job(server.system, "motion", "tracker", source="demo:")
    export = f"{server.url}/v1/jobs/{state.job_id}/export"
    frames = [json.loads(line) for line in (await get(f"{export}?format=ndjson")).body.splitlines()]
    for form, media_type in {name: known.media_type for name, known in FORMATS.items()}.items():
        answer = await get(f"{export}?format={form}&plugins=motion")
        assert (answer.status, answer.headers["content-type"]) == (200, media_type), form
        assert answer.headers["kinora-plugins"] == "motion"
        assert answer.headers["content-disposition"].endswith(f'.{ENDINGS[form]}"')
        if form == "coco":
            found = [each for frame in frames for each in frame["results"].get("motion", {}).get("detections", [])]
            assert len(answer.json()["annotations"]) == len(found) > 0, frames
            assert len(answer.json()["images"]) == len(frames)
        if FORMATS[form].zipped:
            with ZipFile(io.BytesIO(answer.body)) as archive:
                assert archive.testzip() is None
    assert (await get(f"{export}?format=coco")).headers["kinora-plugins"] == "tracker"
    refused = await get(f"{export}?format=coco&plugins=motion,nobody")
    assert refused.status == 404
    assert refused.json()["detail"] == "There is no plugin 'nobody' in this job; there are: motion, tracker."
