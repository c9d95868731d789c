"""The client against a real server: it gives all that the server has, also through connections that are cut."""

from __future__ import annotations

from pathlib import Path

import attrs
import msgspec
import pytest
import trio
from trio.testing import MockClock

from kinora.cli.watch import follow
from kinora.client import ClientError, KinoraClient, Message, connect
from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from tests.actors.realtime_kit import progress
from tests.cutting_proxy import cutting_proxy

JOB = {"source": "clip.mp4", "plugins": ["motion"]}


async def messages_of(url: str, job_id: str, last_event_id: str | None) -> list[Message]:
    """Everything a client hears of a job, up to its end."""
    heard: list[Message] = []
    async with connect(url, job_ids=[job_id], last_event_id=last_event_id) as realtime:
        async for message in realtime:
            if message.type not in {"metadata", "pong"}:
                heard.append(message)
            if message.type == "complete":
                return heard
    return heard


async def test_a_submitted_job_is_heard_whole(server: RunningServer) -> None:
    """Submitting and then connecting with the given id loses nothing, from the first stage to the end."""
    submitted = await KinoraClient(server.url).submit(JOB)
    heard = await messages_of(server.url, submitted.job_id, submitted.last_event_id)
    assert [message.payload["index"] for message in heard if message.type == "frame"] == list(range(30))
    assert heard[0].payload["stage"] == "queued"
    assert heard[-1].payload["status"] == "done"


async def test_a_job_is_read_as_it_is(server: RunningServer) -> None:
    """State, extended state, pages of frames and the list of jobs tell of the same job."""
    client = KinoraClient(server.url)
    submitted = await client.submit(JOB)
    await messages_of(server.url, submitted.job_id, submitted.last_event_id)
    state = await client.state(submitted.job_id)
    assert len(state["frames"]) == 30
    extended = await client.extended(submitted.job_id, limit=0)
    assert (extended["status"], extended["progress"], extended["frames"]) == ("done", 100, [])
    assert [frame["index"] for frame in await client.frames(submitted.job_id, after=10, limit=3)] == [11, 12, 13]
    assert [job["job_id"] for job in (await client.jobs(status="done", limit=5))["jobs"]] == [submitted.job_id]


async def test_a_file_is_uploaded_whole(server: RunningServer, media: Path, tmp_path: Path) -> None:
    """A file whose name needs quoting is sent and processed like one of the server's own."""
    clip = (media / "clip.mp4").rename(tmp_path / 'a "quoted" naïve.mp4')
    client = KinoraClient(server.url)
    submitted = await client.upload(clip, {"plugins": ["motion"], "options": {"max_frames": 5}})
    await messages_of(server.url, submitted.job_id, submitted.last_event_id)
    assert (await client.extended(submitted.job_id))["frames_done"] == 5


async def test_a_repeated_submission_is_the_same_job(server: RunningServer) -> None:
    """With one idempotency key there is one job."""
    client = KinoraClient(server.url)
    first = await client.submit(JOB, idempotency_key="once")
    assert (await client.submit(JOB, idempotency_key="once")).job_id == first.job_id


async def test_a_cancelled_job_is_gone_when_the_answer_comes(server: RunningServer) -> None:
    """Cancelling says so, again when repeated."""
    client = KinoraClient(server.url)
    submitted = await client.submit(JOB)
    first = await client.cancel(submitted.job_id)
    assert first["status"] in {"cancelled", "done"}
    assert (await client.cancel(submitted.job_id))["status"] == first["status"]


async def test_a_too_large_file_is_told_as_such(settings: Settings, tmp_path: Path) -> None:
    """The server's sentence about the limit reaches the user although the file was never sent whole."""
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(4 * 2**20))
    async with open_server(attrs.evolve(settings, max_upload_bytes=1000)) as server:
        with pytest.raises(ClientError) as caught:
            await KinoraClient(server.url).upload(large, {"plugins": ["motion"]})
    assert caught.value.status == 413


async def test_without_realtime_the_client_says_so(settings: Settings) -> None:
    """A server without realtime takes jobs, and connecting to it is refused with its sentence."""
    async with open_server(attrs.evolve(settings, realtime=False)) as server:
        await KinoraClient(server.url).submit(JOB)
        with pytest.raises(ClientError) as caught:
            await messages_of(server.url, "any", None)
    assert caught.value.status == 404


async def test_a_pong_tells_that_everything_missed_has_come(server: RunningServer) -> None:
    """On each connection one pong comes after the missed messages, however many."""
    submitted = await KinoraClient(server.url).submit(JOB)
    await messages_of(server.url, submitted.job_id, submitted.last_event_id)
    async with connect(server.url, last_event_id=submitted.last_event_id) as realtime:
        types = [(await anext(realtime)).type]
        while types[-1] != "pong":
            types.append((await anext(realtime)).type)
    assert (types.count("frame"), types[-2]) == (30, "complete")


async def test_a_ping_tells_that_everything_published_before_has_come(server: RunningServer) -> None:
    """Messages published before the client's ping come first, then its pong."""
    assert server.system.connections is not None
    async with connect(server.url, types=["progress"]) as realtime:
        while (await anext(realtime)).type != "pong":
            pass
        for percent in range(3):
            server.system.connections.broadcast(progress(percent))
        await realtime.ping()
        assert [(await anext(realtime)).type for _ in range(4)] == ["progress"] * 3 + ["pong"]


def fill_the_log(server: RunningServer) -> None:
    """Other messages take all the room in the replay log."""
    assert server.system.connections is not None
    for count in range(server.system.connections.feed.log.max_messages):
        server.system.connections.broadcast(progress(count % 100, job_id="another"))


@pytest.mark.parametrize("known", ["before the job", "before a restart", "after its end", "nothing", "forgotten since"])
async def test_watching_a_job_that_has_ended_ends(server: RunningServer, known: str) -> None:
    """A watcher that continues anywhere ends with 0, though the job's ``complete`` will not come any more."""
    submitted = await KinoraClient(server.url).submit(JOB)
    heard = await messages_of(server.url, submitted.job_id, submitted.last_event_id)
    if known == "forgotten since":
        fill_the_log(server)
    positions = {"before a restart": "before-7", "after its end": heard[-1].id, "nothing": None}
    with trio.fail_after(30):
        assert (
            await follow(KinoraClient(server.url), submitted.job_id, positions.get(known, submitted.last_event_id)) == 0
        )


async def test_watching_a_job_that_was_deleted_ends_with_a_sentence(server: RunningServer) -> None:
    """A watcher that comes back after the job was deleted is told that it does not exist."""
    submitted = await KinoraClient(server.url).submit(JOB)
    await messages_of(server.url, submitted.job_id, submitted.last_event_id)
    await server.system.jobs.delete(submitted.job_id)
    with trio.fail_after(30), pytest.raises(ClientError, match="There is no job"):
        await follow(KinoraClient(server.url), submitted.job_id, submitted.last_event_id)


async def test_a_watcher_misses_nothing_that_is_left_of_a_job(
    server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the job has ended before the watcher comes back, it shows the remaining messages, once, up to the end."""
    submitted = await KinoraClient(server.url).submit(JOB)
    heard = await messages_of(server.url, submitted.job_id, submitted.last_event_id)
    assert await follow(KinoraClient(server.url), submitted.job_id, heard[9].id, as_json=True) == 0
    shown = [msgspec.json.decode(line, type=Message) for line in capsys.readouterr().out.splitlines()]
    assert [message for message in shown if message.type != "metadata"] == heard[10:]


@pytest.fixture
def clock() -> MockClock:
    """Time that passes as usual, until a test lets it jump."""
    return MockClock(rate=1.0)


async def test_every_message_comes_once_through_cut_connections(clock: MockClock, server: RunningServer) -> None:
    """Through any cuts the client gets the same messages as over a sound connection, each once."""
    submitted = await KinoraClient(server.url).submit(JOB)
    sound = await messages_of(server.url, submitted.job_id, submitted.last_event_id)
    clock.autojump_threshold = 0.05
    async with cutting_proxy(server.url, [6_000, 9_000]) as url:
        cut = await messages_of(url, submitted.job_id, submitted.last_event_id)
    assert [message.id for message in cut] == [message.id for message in sound]
    assert cut == sound
