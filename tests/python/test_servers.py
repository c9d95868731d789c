"""``kinora.connect``: the same loop over frames, of a job on a server."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

import kinora
from kinora.client import KinoraClient, starting
from kinora.serve import RunningServer
from tests.clips import make_clip
from tests.cutting_proxy import cutting_proxy
from tests.jobs_kit import write_plugin

PLUGIN = """
@tool("box")
def box(frame):
    if frame.index == 4:
        raise ValueError("not this one")
    print("frame", frame.index)
    events = [{"kind": "seen"}] if frame.index in (3, 20) else []
    box = {"x": frame.index, "y": 2, "width": 3, "height": 4, "confidence": 0.5, "class": "box"}
    return {"events": events, "detections": [box]}
"""


@pytest.fixture(autouse=True)
def _box(plugins_dir: Path) -> None:
    write_plugin(plugins_dir, "box", PLUGIN)


async def test_a_run_on_a_server_goes_on_after_cuts(server: RunningServer, tmp_path: Path) -> None:
    """No frame is lost or comes twice, of one job; a Trio program waits for it as for anything else."""
    async with cutting_proxy(server.url, [math.inf, math.inf, 40, math.inf, math.inf, 2_000]) as url:
        run = kinora.connect(url).run("clip.mp4", plugins=["box"])
        seen = [frame async for frame in run]
        assert [frame.index for frame in seen] == list(range(30))
        assert [frame.index for frame in seen if frame.errors] == [4]
        assert seen[2].detections.xyxy.tolist() == [[2, 2, 5, 6]]
        assert [frame.index for frame in seen if [event["kind"] for event in frame.events] == ["seen"]] == [3, 20]
        assert [event["index"] for event in run.events] == [3, 20]
        image = await trio.to_thread.run_sync(lambda: seen[2].image)
        video = await trio.to_thread.run_sync(run.annotate, tmp_path / "out.mp4")
    assert run.logs["box"].splitlines()[-1] == "frame 29"
    assert (image.shape, image.flags.writeable) == ((120, 160, 3), False)
    assert video.stat().st_size > 1000
    assert (run.status, run.warnings) == ("done", ("box: ValueError: not this one (box.py, line 9, in box)",))
    assert [path.name for path in await trio.to_thread.run_sync(run.export, "csv", tmp_path)] == ["results.csv"]
    assert len((await KinoraClient(server.url).jobs())["jobs"]) == 1


async def test_strict_raises_at_the_first_failure_and_cancels_the_job(server: RunningServer, media: Path) -> None:
    """With the plugin, the frame and the reason; here of a file that was sent."""
    make_clip(media / "long.mp4", frames=2_000)
    run = kinora.connect(server.url).run(media / "long.mp4", ["box"], upload=True, strict=True)
    with pytest.raises(kinora.PluginFailed, match=r"box failed on frame 4: ValueError: not this one") as raised:
        await trio.to_thread.run_sync(list, run)
    assert (raised.value.plugin, raised.value.index, run.status) == ("box", 4, "cancelled")
    state = await server.system.jobs.state(str(run.job_id))
    assert (state.uploaded, state.status) == (True, "cancelled")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"source": "clip.mp4", "plugins": ["nosuch"]}, "nosuch"),
    ({"source": "nowhere.mp4", "plugins": ["box"]}, "nowhere.mp4"),
    ({"source": "clip.mp4", "plugins": [lambda frame: None]}, "of this program"),
    ({"source": "nowhere.mp4", "plugins": ["box"], "upload": True}, "no file"),
]


async def test_what_the_server_refuses_is_raised(server: RunningServer) -> None:
    """With its own sentence."""
    for asked, words in REFUSED:
        with pytest.raises(kinora.RunError, match=words):
            await trio.to_thread.run_sync(partial(_listed, server.url, asked))


def _listed(url: str, asked: Mapping[str, Any]) -> list[kinora.RunFrame]:
    return list(kinora.connect(url).run(**asked))


def test_a_server_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """So is an address that is none."""
    monkeypatch.setattr(starting, "START_WAIT_S", 0.01)
    with pytest.raises(kinora.RunError, match=r"No Kinora server answers .* or give another address$"):
        _listed("http://127.0.0.1:1", {"source": "clip.mp4", "plugins": ["motion"]})
    with pytest.raises(kinora.RunError, match="is not a server address"):
        kinora.connect("nowhere")
