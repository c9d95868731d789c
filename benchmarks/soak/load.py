"""The clients of the soak, which come and go: jobs, watchers, pollers, clients that hang, tokens."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import attrs
import trio

from kinora.client import ClientError, KinoraClient, connect
from kinora.client.http import fetch, open_stream, server_address

ENDED = frozenset({"done", "failed", "cancelled", "interrupted"})
KEPT_JOBS = 30
"""Ended jobs beyond this number are deleted, the oldest first, so that the store has a size to stay at."""
POLL_S = 0.3
LONGEST_S = 20.0
"""The longest stay of a client."""
KEPT_MESSAGES = "kinora_realtime_log_messages "
"""The figure of ``/metrics``."""
REFUSALS = frozenset({404, 409, 429, 503})
"""Deleted meanwhile, not now, too many, and no room."""
PLUGINS = (["soak-mean"], ["soak-mean", "soak-flaky"], ["motion"], ["soak-mean", "motion", "tracker"])
READS = (
    "/v1/jobs?limit=50",
    "/v1/jobs?status=done&limit=20",
    "/v1/jobs/{job}",
    "/v1/jobs/{job}/extended?limit=5",
    "/v1/jobs/{job}/frames?limit=200",
    "/v1/jobs/{job}/frames/3.jpg?overlay=1",
    "/v1/jobs/{job}/annotated.mp4",
    "/v1/jobs/{job}/log",
    "/v1/health?details=1",
    "/v1/plugins",
    "/v1/media",
    "/metrics",
    "/openapi.json",
    "/",
    "/v1/nothing",
)
Client = Callable[[Random], Awaitable[None]]


@attrs.define
class Load:
    """All clients of one server, and what they counted."""

    url: str
    token: str
    """One that may do all."""
    files: Path
    sources: tuple[str, ...]
    counts: Counter[str] = attrs.field(factory=Counter)
    complaints: list[str] = attrs.field(factory=list)
    _jobs: list[str] = attrs.field(factory=list)
    """Jobs that were begun and not deleted, oldest first."""

    @property
    def api(self) -> KinoraClient:
        """A client that may do all."""
        return KinoraClient(self.url, token=self.token)

    async def kept_messages(self) -> int:
        """The number of messages that the server keeps for clients that come back."""
        figures = (await self._fetch("GET", "/metrics", self.token)).body.decode().splitlines()
        return next(int(float(line.split()[1])) for line in figures if line.startswith(KEPT_MESSAGES))

    async def run(self, seed: str) -> None:
        """Let all clients come and go until cancelled; then none of their connections is open."""
        clients: tuple[Client, ...] = (
            self._run_job,
            self._run_job,
            self._upload,
            self._watch,
            self._watch,
            self._watch_with_pictures,
            self._listen_to_events,
            self._read,
            self._read,
            self._stall,
            self._use_tokens,
            self._knock,
        )
        async with trio.open_nursery() as nursery:
            for number, client in enumerate(clients):
                nursery.start_soon(self._repeat, client, Random(f"{seed} {number}"))  # noqa: S311 - a seed is wanted

    async def _repeat(self, client: Client, random: Random) -> None:
        while True:
            name = client.__name__.strip("_").replace("_", " ")
            try:
                await client(random)
                self.counts[name] += 1
            except ClientError as error:
                self.counts[f"refused: {error.status or 'no answer'}"] += 1
                if error.status not in REFUSALS:
                    self.complaints.append(f"{name}: {error.status} {error}")
            await trio.sleep(random.uniform(0, 1))

    async def _run_job(self, random: Random) -> None:
        """Start a job; let it end, cancel it, or pause it for a while."""
        request = {"source": random.choice(self.sources), "plugins": random.choice(PLUGINS)}
        job_id = (await self.api.submit(request)).job_id
        self._jobs.append(job_id)
        await trio.sleep(random.uniform(0, 3))
        match random.randrange(4):
            case 0:
                await self.api.cancel(job_id)
            case 1:
                await self.api.pause(job_id)
                await trio.sleep(random.uniform(0, 3))
                await self.api.resume(job_id)
        await self._see_through(job_id)

    async def end_jobs(self) -> None:
        """Cancel all jobs that have not ended, paused ones too."""
        for status in ("queued", "running", "paused"):
            for job in (await self.api.jobs(status=status, limit=100))["jobs"]:
                await self.api.cancel(job["job_id"])

    async def _upload(self, random: Random) -> None:
        job_id = (await self.api.upload(self.files / random.choice(self.sources), {"plugins": ["soak-mean"]})).job_id
        self._jobs.append(job_id)
        await self._see_through(job_id)

    async def _see_through(self, job_id: str) -> None:
        """Wait until a job has ended, then delete the oldest jobs."""
        with trio.move_on_after(LONGEST_S):
            while (await self.api.extended(job_id, limit=0))["status"] not in ENDED:  # noqa: ASYNC110 - a client asks
                await trio.sleep(POLL_S)
        while len(self._jobs) > KEPT_JOBS:
            await self.api.delete(self._jobs.pop(0))
            self.counts["deleted"] += 1

    async def _watch(self, random: Random) -> None:
        """Follow all jobs, or one, over a WebSocket."""
        job_ids = [random.choice(self._jobs)] if self._jobs and random.random() < 0.5 else []
        with trio.move_on_after(random.uniform(0, LONGEST_S)):
            async with connect(self.url, token=self.token, job_ids=job_ids) as feed:
                async for _ in feed:
                    self.counts["messages"] += 1

    async def _watch_with_pictures(self, random: Random) -> None:
        """Take frames and pictures over a bare WebSocket, as the page does."""
        await self._stay("/v1/realtime?images=binary&max_fps=10", random, websocket=True, reads=True)

    async def _listen_to_events(self, random: Random) -> None:
        await self._stay("/v1/realtime", random, websocket=False, reads=True)

    async def _stall(self, random: Random) -> None:
        """Open a WebSocket or an event stream, read nothing, and go without a word."""
        await self._stay("/v1/realtime", random, websocket=random.random() < 0.5, reads=False)

    async def _stay(self, target: str, random: Random, *, websocket: bool, reads: bool) -> None:
        address = server_address(self.url)
        headers = {"Host": address.netloc, "Authorization": f"Bearer {self.token}"}
        if websocket:
            headers |= {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
            headers |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        with trio.move_on_after(random.uniform(0, LONGEST_S)):
            try:
                async with await open_stream(address) as stream:
                    await stream.send_all(f"GET {target} HTTP/1.1\r\n{head}\r\n".encode())
                    while reads and (data := await stream.receive_some(65_536)):
                        self.counts["bytes read"] += len(data)
                    if not reads:
                        await trio.sleep_forever()
            except (OSError, trio.BrokenResourceError, ssl.SSLError):
                self.counts["cut off"] += 1

    async def _read(self, random: Random) -> None:
        target = random.choice(READS).format(job=random.choice(self._jobs) if self._jobs else "0")
        await self._fetch("GET", target, self.token)

    async def _knock(self, random: Random) -> None:
        """Ask without a token, with a wrong one, and for what is not there."""
        target = random.choice(READS).format(job="0")
        await self._fetch("GET", target, random.choice((None, "kin_wrong")))

    async def _fetch(self, method: str, target: str, token: str | None) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = await fetch(self.url, method, target, headers=headers)
        self.counts[f"{answer.status // 100}xx"] += 1
        if answer.status >= 500 and answer.status not in REFUSALS:
            self.complaints.append(f"{method} {target}: {answer.status}")
        return answer

    async def _use_tokens(self, random: Random) -> None:
        """Make a token, watch with it, revoke it: the connection must end, and the token no longer work."""
        made = await self.api.make_token(f"soak-{random.randrange(10**9)}", random.choice(("view", "operate")))
        ended = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_until_refused, made["token"], ended)
            await trio.sleep(random.uniform(0, 2))
            await self.api.revoke_token(made["id"])
            with trio.move_on_after(LONGEST_S) as waiting:
                await ended.wait()
            if waiting.cancelled_caught:
                self.complaints.append(f"a revoked token's connection was open {LONGEST_S:g} s later")
            nursery.cancel_scope.cancel()
        if (await self._fetch("GET", "/v1/jobs", made["token"])).status != 401:
            self.complaints.append("a revoked token was let in")

    async def _watch_until_refused(self, token: str, ended: trio.Event) -> None:
        try:
            async with connect(self.url, token=token) as feed:
                async for _ in feed:
                    pass
        except ClientError:
            ended.set()
