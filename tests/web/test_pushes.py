"""Jobs whose pictures a client pushes over a WebSocket."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from trio_websocket import ConnectionClosed

from kinora.actors.sources import push_inlet
from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from tests.access_kit import WRONG_TOKEN, bearer, make_token
from tests.client_kit import get, post
from tests.jobs_kit import until as true_soon
from tests.jobs_kit import write_plugin
from tests.push_kit import (
    SEEN,
    ended,
    extended,
    in_stage,
    picture,
    pushing,
    refusal,
    start,
    told_until_close,
    until,
    with_frames,
)

AUTH = '{"type": "auth", "payload": {"token": "%s"}}'
END = '{"type": "end"}'
SLOW = """
@tool("slow")
def slow(frame):
    time.sleep(0.1)
"""


@pytest.fixture
def settings(settings: Settings, plugins_dir: Path) -> Settings:
    """A server with the plugins of these tests."""
    write_plugin(plugins_dir, "seen", SEEN)
    write_plugin(plugins_dir, "slow", SLOW)
    return settings


def open_files() -> int:
    """The number of this process's descriptors."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def frames_of(server: RunningServer, job_id: str) -> list[dict[str, Any]]:
    """All FrameData of a job."""
    frames: list[dict[str, Any]] = (await extended(server, job_id))["frames"]
    return frames


async def test_every_picture_is_processed(server: RunningServer) -> None:
    """JPEG, PNG and WebP, of several sizes, in order, up to the end; all are acknowledged."""
    job_id = await start(server, "seen", policy="wait")
    await in_stage(server, job_id, "waiting")
    sizes = [(160, 120), (320, 240), (64, 48)]
    async with pushing(server, job_id) as opened:
        for number in range(30):
            kind = (".jpg", ".png", ".webp")[number % 3]
            await opened.send_message(picture(number, kind, *sizes[number // 10]))
        await opened.send_message(END)
        told, code, reason = await told_until_close(opened)
    state = await ended(server, job_id)
    assert (state["status"], state["frames_done"], state["frames_dropped"]) == ("done", 30, 0)
    frames = await frames_of(server, job_id)
    assert [frame["index"] for frame in frames] == list(range(30))
    assert [frame["results"]["seen"]["number"] for frame in frames] == list(range(30))
    assert [frame["width"] for frame in frames] == [sizes[number // 10][0] for number in range(30)]
    times = [frame["timestamp_ms"] for frame in frames]
    assert times[0] == 0
    assert times == sorted(times)
    assert all(frame["received_at"].endswith("Z") for frame in frames)
    assert told[-1] == {"type": "ack", "index": 29, "dropped": 0}
    assert (code, reason) == (1000, "All pictures have come.")
    assert [warning.partition("changes")[0] for warning in state["warnings"]] == ["source: The pushed stream "]


async def test_a_picture_may_carry_its_time(server: RunningServer) -> None:
    """In microseconds of any clock; a clock that is set back goes on at the time of the picture before."""
    job_id = await start(server, "seen", policy="wait")
    async with pushing(server, job_id, "?timestamps=1") as opened:
        for number, at_us in enumerate((7_000_000, 7_040_000, 9_000_500, 1_000_000, 1_040_000, 2**64 - 1)):
            await opened.send_message(at_us.to_bytes(8) + picture(number))
        await opened.send_message(END)
        await told_until_close(opened)
    await ended(server, job_id)
    frames = await frames_of(server, job_id)
    assert [frame["timestamp_ms"] for frame in frames][:5] == [0, 40, 2000.5, 2000.5, 2040.5]
    assert [frame["results"]["seen"]["number"] for frame in frames] == list(range(6))


async def test_what_is_no_picture_ends_nothing(server: RunningServer) -> None:
    """It is told by an error, or by a warning of the job where only decoding tells; others are processed."""
    job_id = await start(server, "seen", policy="wait")
    whole = picture(1)
    bomb = picture(1, ".png").replace((160).to_bytes(4) + (120).to_bytes(4), (60_000).to_bytes(4) * 2)
    async with pushing(server, job_id) as opened:
        nested = '{"type": "end", "x": ' + "[" * 60_000
        for wrong in (b"", b"no picture", "text", "[" * 60_000, nested, "{}", b"\x00" * 9):
            await opened.send_message(wrong)
            told = json.loads(await opened.get_message())
            while told["type"] != "error":
                told = json.loads(await opened.get_message())
            assert "must be" in told["message"]
        for torn in (whole[:400], b"\xff\xd8\xff" + b"rubbish" * 9, bomb, picture(1, ".png")[:-40], whole[:-2][:2000]):
            await opened.send_message(torn)
        await opened.send_message(picture(77))
        await opened.send_message(END)
        await told_until_close(opened)
    state = await ended(server, job_id)
    assert (state["status"], state["frames_done"]) == ("done", 1)
    assert [frame["results"]["seen"]["number"] for frame in state["frames"]] == [77]
    assert "left out" in str(state["warnings"])


async def test_a_picture_that_is_too_large_closes_the_connection_only(server: RunningServer) -> None:
    """With 1009; the client may come back and go on."""
    job_id = await start(server, "seen", policy="wait")
    async with pushing(server, job_id) as opened:
        await opened.send_message(picture(0))
        await opened.send_message(picture(1) + bytes(16 * 2**20 - 8))
        assert (await told_until_close(opened))[1] == 1009
    async with pushing(server, job_id) as opened:
        await opened.send_message(picture(2) + bytes(15 * 2**20))
        await opened.send_message(END)
        await told_until_close(opened)
    state = await ended(server, job_id)
    assert [frame["results"]["seen"]["number"] for frame in state["frames"]] == [0, 2]


async def test_a_client_that_is_cut_off_may_come_back(server: RunningServer) -> None:
    """The job waits meanwhile and says so; its numbers and its time go on, and no picture comes twice."""
    job_id = await start(server, "seen", policy="wait")
    async with pushing(server, job_id) as opened:
        for number in range(3):
            await opened.send_message(picture(number))
        await with_frames(server, job_id, 3)
    state = await in_stage(server, job_id, "reconnecting")
    assert state["status"] == "running"
    async with pushing(server, job_id) as opened:
        assert json.loads(await opened.get_message()) == {"type": "ack", "index": 2, "dropped": 0}
        await opened.send_message(picture(3))
        await in_stage(server, job_id, "running")
        await opened.send_message(END)
        await told_until_close(opened)
    state = await ended(server, job_id)
    assert [frame["results"]["seen"]["number"] for frame in state["frames"]] == [0, 1, 2, 3]
    times = [frame["timestamp_ms"] for frame in state["frames"]]
    assert times == sorted(times)
    lost, back = state["warnings"]
    assert "closed: " in lost
    assert "came back" in back


async def test_a_job_whose_client_does_not_come_back_is_done(settings: Settings) -> None:
    """With what there was."""
    async with open_server(attrs.evolve(settings, push_grace_s=0.3)) as server:
        job_id = await start(server, "seen", policy="wait")
        async with pushing(server, job_id) as opened:
            await opened.send_message(picture(0))
            await with_frames(server, job_id, 1)
        state = await ended(server, job_id)
        assert (state["status"], state["frames_done"]) == ("done", 1)
        assert [group["code"] for group in state["warning_groups"]] == ["SOURCE_TRUNCATED", "SOURCE_LOST"]
        assert "No client has pushed pictures for 0.3 s" in state["warnings"][0]
        assert await refusal(server, job_id) == 409


async def test_a_job_to_which_nobody_pushes_fails(settings: Settings) -> None:
    """With a sentence that says what was missing."""
    async with open_server(attrs.evolve(settings, push_grace_s=0.2)) as server:
        state = await ended(server, await start(server, "seen"))
        assert state["status"] == "failed"
        assert "Nobody has pushed a picture within 0.2 s" in state["error"]
        job_id = await start(server, "seen")
        async with pushing(server, job_id) as opened:
            await opened.send_message(END)
            await told_until_close(opened)
        state = await ended(server, job_id)
        assert (state["status"], "without a picture" in state["error"]) == ("failed", True)


async def test_a_slow_job_drops_and_says_so(server: RunningServer) -> None:
    """The newest picture is taken; the acknowledgements count those that were dropped, ten times a second at most."""
    job_id = await start(server, "slow")
    async with pushing(server, job_id) as opened:
        began = trio.current_time()
        for number in range(100):
            await opened.send_message(picture(number))
            await trio.sleep(0.01)
        await opened.send_message(END)
        told, _, _ = await told_until_close(opened)
        took_s = trio.current_time() - began
    state = await ended(server, job_id)
    assert state["frames_dropped"] > 50
    assert state["frames_done"] + state["frames_dropped"] == 100
    assert told[-1]["index"] == 99
    assert 0 < told[-1]["dropped"] <= state["frames_dropped"]
    assert len(told) <= 10 * took_s + 1


async def test_one_client_pushes_at_a_time(server: RunningServer) -> None:
    """A second is told so, unless nothing was heard of the first for a while: then it takes its place."""
    job_id = await start(server, "seen", policy="wait")
    async with pushing(server, job_id) as first:
        await first.send_message(picture(0))
        async with pushing(server, job_id) as second:
            _, code, reason = await told_until_close(second)
            assert (code, reason.startswith("Another client pushes")) == (4003, True)
        await first.send_message(END)
        await told_until_close(first)
    assert (await ended(server, job_id))["frames_done"] == 1


async def test_a_client_that_is_silent_makes_room(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose connection is half dead is closed with 4002, and what it still sends is not taken."""
    monkeypatch.setattr(push_inlet, "SILENT_S", 0.0)
    job_id = await start(server, "seen", policy="wait")
    async with pushing(server, job_id) as first, pushing(server, job_id) as second:
        assert (await told_until_close(first))[1] == 4002
        await second.send_message(picture(5))
        await second.send_message(END)
        await told_until_close(second)
    assert [frame["results"]["seen"]["number"] for frame in (await ended(server, job_id))["frames"]] == [5]


async def test_only_an_operator_may_push(settings: Settings) -> None:
    """By its header, or by its first message, behind which pictures may follow at once."""
    async with open_server(attrs.evolve(settings, token=True)) as server:
        viewer = (await make_token(server, "wall"))["token"]
        job_id = await start(server, "seen", policy="wait")
        assert await refusal(server, job_id, **bearer(viewer)) == 403
        assert await refusal(server, job_id, **bearer(WRONG_TOKEN)) == 401
        for token, said in ((viewer, "operate"), (WRONG_TOKEN, "token")):
            async with pushing(server, job_id) as opened:
                await opened.send_message(AUTH % token)
                told, code, reason = await told_until_close(opened)
                assert (told, code, said in reason) == ([], 1008, True)
        async with pushing(server, job_id) as opened:
            await opened.send_message(AUTH % server.token)
            await opened.send_message(picture(1) + bytes(2**20))
            await opened.send_message(END)
            assert (await told_until_close(opened))[1] == 1000
        assert (await ended(server, job_id))["frames_done"] == 1


async def test_the_stop_of_the_server_closes_the_connection(settings: Settings) -> None:
    """With 1001, also while a client is held back."""
    async with trio.open_nursery() as nursery:
        stopping = trio.Event()

        async def serve(*, task_status: trio.TaskStatus[RunningServer] = trio.TASK_STATUS_IGNORED) -> None:
            async with open_server(settings) as server:
                task_status.started(server)
                await stopping.wait()

        server = await nursery.start(serve)
        async with pushing(server, await start(server, "slow", policy="wait")) as opened:
            for _ in range(20):
                await opened.send_message(picture(0))
            stopping.set()
            assert (await told_until_close(opened))[1] == 1001


@pytest.mark.parametrize("queued", [False, True])
async def test_a_cancel_closes_the_connection(settings: Settings, queued: bool) -> None:
    """With a reason, also while a client is held back."""
    async with open_server(attrs.evolve(settings, max_jobs=1)) as server:
        if queued:
            before = await start(server, "seen")
        job_id = await start(server, "slow", policy="wait")
        async with pushing(server, job_id) as opened, trio.open_nursery() as nursery:

            async def push_on() -> None:
                with suppress(ConnectionClosed):
                    while True:
                        await opened.send_message(picture(1, ".png", 640, 480))

            nursery.start_soon(push_on)
            await trio.sleep(0.2)
            await post(f"{server.url}/v1/jobs/{job_id}/cancel", {})
            _, code, reason = await told_until_close(opened)
            nursery.cancel_scope.cancel()
        assert (code, reason) == (1000, "The job was cancelled.")
        if queued:
            await post(f"{server.url}/v1/jobs/{before}/cancel", {})


async def test_a_paused_job_lets_pictures_go(server: RunningServer) -> None:
    """What is processed afterwards is the present."""
    job_id = await start(server, "seen")
    async with pushing(server, job_id) as opened:
        await opened.send_message(picture(0))
        await with_frames(server, job_id, 1)
        await post(f"{server.url}/v1/jobs/{job_id}/pause", {})
        for _ in range(5):
            await opened.send_message(picture(1))
            await trio.sleep(0.05)
        await post(f"{server.url}/v1/jobs/{job_id}/resume", {})
        while (await extended(server, job_id))["frames_done"] < 2:
            await opened.send_message(picture(2))
            await trio.sleep(0.05)
        await opened.send_message(END)
        await told_until_close(opened)
    frames = (await ended(server, job_id))["frames"]
    assert [frame["results"]["seen"]["number"] for frame in frames][:2] == [0, 2]


async def test_other_jobs_take_no_pictures(server: RunningServer) -> None:
    """Those that do not exist are 404; those of another source, and those that have ended, 409."""
    answer = await post(f"{server.url}/v1/jobs", {"source": "clip.mp4", "plugins": ["slow"]})
    job_id = answer.json()["job_id"]
    assert (await get(f"{server.url}/v1/jobs/{job_id}/push")).status in {400, 404, 405}
    assert await refusal(server, job_id) == 409
    assert await refusal(server, "nothing") == 404
    assert await refusal(server, job_id, "?timestamps=yes") == 422
    assert await refusal(server, job_id, origin="http://elsewhere.example") == 403


async def test_a_decoder_that_dies_is_replaced(server: RunningServer) -> None:
    """The client pushes on; indexes and times go on, and no picture comes twice."""
    job_id = await start(server, "seen", policy="wait")
    async with pushing(server, job_id) as opened:
        for number in range(3):
            await opened.send_message(picture(number))
        await with_frames(server, job_id, 3)
        workers = server.system.fork_server._workers.values()
        os.kill(next(worker.pid for worker in workers if worker.name == f"{job_id}/decoder"), signal.SIGKILL)
        await in_stage(server, job_id, "reconnecting")
        for number in range(3, 6):
            await opened.send_message(picture(number))
        await opened.send_message(END)
        await told_until_close(opened)
    frames = (await ended(server, job_id))["frames"]
    shown = [frame["results"]["seen"]["number"] for frame in frames]
    assert shown == [frame["index"] for frame in frames]
    assert shown in ([*range(6)], [0, 1, 2, 4, 5])  # the first may have been on its way to the dead one
    times = [frame["timestamp_ms"] for frame in frames]
    assert times == sorted(times)


async def test_a_job_that_is_resumed_after_a_restart_goes_on(settings: Settings) -> None:
    """Behind its last picture; without a client it is done with what there was."""
    async with open_server(settings) as server:
        job_id = await start(server, "seen", policy="wait")
        async with pushing(server, job_id) as opened:
            await opened.send_message(picture(0))
            await with_frames(server, job_id, 1)
    async with open_server(attrs.evolve(settings, push_grace_s=0.5)) as server:
        await until(server, job_id, lambda state: state["status"] == "interrupted")
        assert (await post(f"{server.url}/v1/jobs/{job_id}/resume", {})).status == 200
        async with pushing(server, job_id) as opened:
            assert json.loads(await opened.get_message()) == {"type": "ack", "index": 0, "dropped": 0}
            await opened.send_message(picture(1))
            await with_frames(server, job_id, 2)
        state = await ended(server, job_id)
        assert state["status"] == "done"
        assert [frame["results"]["seen"]["number"] for frame in state["frames"]] == [0, 1]
        assert [frame["index"] for frame in state["frames"]] == [0, 1]


async def test_nothing_is_left_of_many_connections(server: RunningServer) -> None:
    """Neither a process nor a socket."""
    before = open_files()
    job_id = await start(server, "seen", policy="wait")
    for number in range(20):
        async with pushing(server, job_id) as opened:
            await opened.send_message(picture(number))
            await with_frames(server, job_id, number + 1)
    async with pushing(server, job_id) as opened:
        await opened.send_message(END)
        await told_until_close(opened)
    assert (await ended(server, job_id))["frames_done"] == 20
    await true_soon(lambda: not server.system.fork_server.statistics().workers)
    await true_soon(lambda: open_files() == before)
