"""Pictures on demand for many clients at once: fair turns, a bounded queue, and no work that nobody waits for."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from kinora.actors.one_shot import OneShotTimedOut
from kinora.actors.pictures import still_decoding
from kinora.actors.pictures.stills import Stills
from kinora.media.messages import Jpeg
from kinora.serve import RunningServer
from tests.client_kit import Answer, exchange, get, request
from tests.jobs_kit import run_job


class Decoder:
    """Stands in for the process that makes a picture; a test says when it goes on, and sees what it was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.begun = trio.Event(), list[int]()
        self.asked, self.stopped = trio.Semaphore(0), trio.Semaphore(0)
        """Released for each request that has come to the pictures' turns, and for each decoding that was stopped."""
        monkeypatch.setattr(still_decoding, "one_shot", self._decode)
        make = Stills.make

        async def watched(made: Stills, client: Hashable, *about: Any) -> bytes:
            self.asked.release()
            return await make(made, client, *about)

        monkeypatch.setattr(Stills, "make", watched)

    async def _decode(self, *about: Any, **_: Any) -> Jpeg:
        self.begun.append(about[3].index)
        try:
            await self.go.wait()
            await trio.lowlevel.checkpoint()
        except trio.Cancelled:
            self.stopped.release()
            raise
        return Jpeg(data=b"%d" % about[3].index)


async def test_a_client_does_not_wait_for_all_that_another_asks_for(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client beyond its limit gets a 503 that says when to come again; another's turn comes at once.

    Equal requests are decoded once.
    """
    job = await run_job(server.system, "motion")
    decoder = Decoder(monkeypatch)
    answers: list[Answer] = []

    async def ask(index: int, user_agent: str) -> None:
        url = f"{server.url}/v1/jobs/{job.job_id}/frames/{index}.jpg"
        answers.append(await get(url, user_agent=user_agent))

    async with trio.open_nursery() as nursery:
        for index in (*range(28), 0, 0, 0, 0):
            nursery.start_soon(ask, index, "much")
            await decoder.asked.acquire()
        await wait_all_tasks_blocked()
        await ask(28, "much")
        assert (answers[0].status, answers[0].headers["retry-after"]) == (503, "2")
        await decoder.asked.acquire()
        nursery.start_soon(ask, 29, "once")
        await decoder.asked.acquire()
        await wait_all_tasks_blocked()
        decoder.go.set()
    assert [answer.status for answer in answers[1:]] == [200] * 33
    assert set(decoder.begun[:4]) == {0, 1, 2, 29}
    assert len(decoder.begun) == 29
    await ask(29, "later")
    assert len(decoder.begun) == 29


async def test_a_picture_for_which_nobody_waits_is_not_decoded(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When its client has gone, the decoding ends at once."""
    job = await run_job(server.system, "motion")
    decoder = Decoder(monkeypatch)
    async with exchange(f"{server.url}/v1/jobs/{job.job_id}/frames/3.jpg"):
        await decoder.asked.acquire()
        await wait_all_tasks_blocked()
        assert decoder.begun == [3]
    await decoder.stopped.acquire()


async def test_a_picture_that_takes_too_long_is_not_said_to_be_missing(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is 503; and a picture that was made is gone with its job."""
    job = await run_job(server.system, "motion")
    url = f"{server.url}/v1/jobs/{job.job_id}"
    assert (await get(f"{url}/frames/3.jpg")).status == 200

    async def late(*_: object, **__: object) -> Jpeg:
        await trio.lowlevel.checkpoint()
        raise OneShotTimedOut("no answer within 30 s")

    monkeypatch.setattr(still_decoding, "one_shot", late)
    assert (await get(f"{url}/frames/3.jpg")).status == 200
    answer = await get(f"{url}/frames/4.jpg")
    assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
    assert (await request(url, "DELETE")).status == 204
    assert (await get(f"{url}/frames/3.jpg")).status == 404
