"""What clients are told while no process can be started, or one ended: the part that is to blame, and what to do."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable

import attrs
import pytest
import trio

from kinora.actors.pictures import still_decoding
from kinora.actors.sources import source_reader
from kinora.media.messages import DECODER, STILL
from kinora.runtime.forking import workers
from kinora.runtime.linux.processes import children
from kinora.serve import RunningServer
from tests.client_kit import Answer, get, post

ORDER = {"source": "clip.mp4", "plugins": ["motion"]}
WITH_OPTIONS = {"source": "clip.mp4", "plugins": [{"name": "motion", "options": {"odd": 1}}]}
PLENTY_S = 60.0


@pytest.fixture
def quick_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork server that hangs is found after a short time."""
    monkeypatch.setattr(workers, "PING_S", 0.4)


async def done_job(server: RunningServer) -> str:
    """The address of a job that is done."""
    job = f"{server.url}{(await post(f'{server.url}/v1/jobs', ORDER)).headers['location']}"
    while (await get(f"{job}/extended?limit=0", prefer="wait=5")).json()["status"] != "done":  # noqa: ASYNC110 - it waits
        await trio.lowlevel.checkpoint()
    return job


async def test_all_that_needs_a_process_is_503_while_none_can_be_started(
    server: RunningServer, quick_pings: None
) -> None:
    """Nobody is told that their input is wrong, and nobody waits for long. Then it all works again."""
    answers: dict[str, Answer] = {}

    async def note(name: str, ask: Callable[..., Awaitable[Answer]], *what: object) -> None:
        answers[name] = await ask(*what)

    with trio.fail_after(PLENTY_S):
        job = await done_job(server)
        pid = server.system.fork_server.statistics().pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(note, "job", post, f"{server.url}/v1/jobs", ORDER)
            nursery.start_soon(note, "options", post, f"{server.url}/v1/jobs", WITH_OPTIONS)
            nursery.start_soon(note, "reload", post, f"{server.url}/v1/plugins/reload")
            nursery.start_soon(note, "picture", get, f"{job}/frames/3.jpg")
            nursery.start_soon(note, "video", get, f"{job}/annotated.mp4")
        assert {name: answer.status for name, answer in answers.items()} == dict.fromkeys(answers, 503)
        assert all("cannot start a process now: try again" in answer.json()["detail"] for answer in answers.values())
        while (await get(f"{server.url}/v1/ready")).status != 200:  # noqa: ASYNC110 - as a client does
            await trio.lowlevel.checkpoint()
        assert (await post(f"{server.url}/v1/jobs", ORDER)).status == 202
        assert (await get(f"{job}/frames/3.jpg")).status == 200


@pytest.mark.parametrize(("number", "status"), [(signal.SIGSEGV, 415), (signal.SIGKILL, 503)])
async def test_a_source_is_to_blame_only_if_its_decoder_crashed(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, number: int, status: int
) -> None:
    """A decoder that the system killed says nothing about the source."""
    deaf = attrs.evolve(DECODER, target="tests.runtime.targets:mute")
    monkeypatch.setattr(source_reader, "DECODER", deaf)
    answer = await answer_with_worker_ended(server, number, post, f"{server.url}/v1/jobs", ORDER)
    assert (answer.status, signal.Signals(number).name in answer.json()["detail"]) == (status, True)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGSEGV, 404), (signal.SIGKILL, 503)])
async def test_a_picture_is_missing_only_if_its_source_is_to_blame(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, number: int, status: int
) -> None:
    """The same for the process that decodes single frames."""
    job = await done_job(server)
    monkeypatch.setattr(still_decoding, "STILL", attrs.evolve(STILL, target="tests.runtime.targets:mute"))
    answer = await answer_with_worker_ended(server, number, get, f"{job}/frames/3.jpg")
    assert (answer.status, signal.Signals(number).name in answer.json()["detail"]) == (status, True)


async def answer_with_worker_ended(
    server: RunningServer, number: int, ask: Callable[..., Awaitable[Answer]], *what: object
) -> Answer:
    """The answer to a request whose worker gets this signal."""
    answers: list[Answer] = []

    async def note() -> None:
        answers.append(await ask(*what))

    fork_server = server.system.fork_server.statistics().pid
    assert fork_server is not None
    with trio.fail_after(PLENTY_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(note)
            while not (workers := children(fork_server)):  # noqa: ASYNC110 - nothing tells when it is so
                await trio.sleep(0.01)
            for pid in workers:
                os.kill(pid, number)
    return answers[0]
