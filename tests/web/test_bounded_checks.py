"""Many submissions at once, to a real server: few sources are examined at a time, and a full queue is told at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import attrs
import pytest
import trio

from kinora.actors.jobs import job_manager
from kinora.actors.sources import source_finder
from kinora.actors.sources.source_finder import CHECKS_AT_ONCE
from kinora.actors.sources.source_reader import OpenSource, open_source
from kinora.serve import open_server
from kinora.settings import Settings
from tests.client_kit import Answer, post

ORDER: dict[str, Any] = {"source": "clip.mp4", "plugins": ["motion"], "options": {"max_frames": 1}}
SAFETY_S = 120.0
"""Far more than the burst takes on a busy machine."""


class Checks:
    """Holds every check of a source until :attr:`go`, and counts those that run at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = trio.Event()
        self.running = self.most = 0
        monkeypatch.setattr(source_finder, "open_source", self._open)

    @asynccontextmanager
    async def _open(self, *args: Any, **limits: Any) -> AsyncIterator[OpenSource]:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            async with open_source(*args, **limits) as source:
                await self.go.wait()
                yield source
        finally:
            self.running -= 1


class Burst:
    """Many posts of the same order at once."""

    def __init__(self, url: str, order: dict[str, Any] = ORDER) -> None:
        self.answers: list[Answer] = []
        self._url = url
        self._order = order
        self._answered = trio.Event()

    async def send(self, posts: int) -> None:
        """Send them, and return once each has its answer."""
        async with trio.open_nursery() as nursery:
            for _ in range(posts):
                nursery.start_soon(self._post)

    async def answered(self, number: int) -> None:
        """Wait until so many have their answers."""
        while len(self.answers) < number:
            await self._answered.wait()

    @property
    def statuses(self) -> Counter[int]:
        """Status → the number of answers with it."""
        return Counter(answer.status for answer in self.answers)

    async def _post(self) -> None:
        self.answers.append(await post(f"{self._url}/v1/jobs", self._order))
        self._answered.set()
        self._answered = trio.Event()


async def test_a_full_queue_is_told_before_any_source_is_examined(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Submissions under way count: 30 posts to a queue of 20 give ten 429 while the first checks still run."""
    checks = Checks(monkeypatch)
    async with open_server(attrs.evolve(settings, max_queued=20)) as server, trio.open_nursery() as nursery:
        burst = Burst(server.url)
        with trio.fail_after(SAFETY_S):
            nursery.start_soon(burst.send, 30)
            await burst.answered(10)
            assert burst.statuses == {429: 10}
            assert all(int(answer.headers["retry-after"]) > 0 for answer in burst.answers)
            assert server.system.fork_server.statistics().workers <= CHECKS_AT_ONCE
            checks.go.set()
            await burst.answered(30)
    assert burst.statuses == {429: 10, 202: 20}
    assert checks.most == CHECKS_AT_ONCE


async def test_a_bounded_number_of_submissions_waits_for_a_check(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the queue may be, further submissions are refused while too many are under way."""
    monkeypatch.setattr(job_manager, "MAX_SUBMITTING", 4)
    checks = Checks(monkeypatch)
    async with open_server(settings) as server, trio.open_nursery() as nursery:
        burst = Burst(server.url)
        with trio.fail_after(SAFETY_S):
            nursery.start_soon(burst.send, 7)
            await burst.answered(3)
            assert burst.statuses == {429: 3}
            checks.go.set()
            await burst.answered(7)
        assert burst.statuses == {429: 3, 202: 4}
        assert (await post(f"{server.url}/v1/jobs", ORDER)).status == 202


async def test_a_refused_source_gives_its_place_back(settings: Settings) -> None:
    """A queue of one takes a good source after any number of bad ones, and after clients that went away."""
    (settings.media_dir / "words.mp4").write_text("just words")
    async with open_server(attrs.evolve(settings, max_queued=1)) as server:
        with trio.fail_after(SAFETY_S):
            for _ in range(3):
                assert (await post(f"{server.url}/v1/jobs", ORDER | {"source": "words.mp4"})).status == 415
            for _ in range(3):
                with trio.move_on_after(0.01):
                    await post(f"{server.url}/v1/jobs", ORDER)
            answer = await post(f"{server.url}/v1/jobs", ORDER)
            while answer.status == 429:
                answer = await post(f"{server.url}/v1/jobs", ORDER)
    assert answer.status == 202


async def test_checks_of_slow_hosts_do_not_hold_up_files(settings: Settings) -> None:
    """A file is examined while every place for URLs waits for a host that does not answer."""
    async with AsyncExitStack() as stack:
        (silent,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await stack.enter_async_context(silent)
        host, port = silent.socket.getsockname()
        order = ORDER | {"source": f"http://{host}:{port}/clip.mp4"}
        server = await stack.enter_async_context(open_server(attrs.evolve(settings, url_hosts=(host,))))
        nursery = await stack.enter_async_context(trio.open_nursery())
        with trio.fail_after(SAFETY_S):
            nursery.start_soon(Burst(server.url, order).send, CHECKS_AT_ONCE + 2)
            for _ in range(CHECKS_AT_ONCE):
                await stack.enter_async_context(await silent.accept())
            assert (await post(f"{server.url}/v1/jobs", ORDER)).status == 202
        nursery.cancel_scope.cancel()
