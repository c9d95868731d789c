"""The clients: some submit jobs, one follows the feed, some read; all write down what they saw in the book."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import attrs
import trio

from benchmarks.chaos.book import Book, Order
from benchmarks.chaos.final import Final
from kinora.client import ClientError, KinoraClient, Submitted, connect
from kinora.client.http import fetch

ENDED = frozenset({"done", "failed", "cancelled", "interrupted"})
TRUE_REFUSALS = frozenset({409, 429, 503})
"""In progress, full, and not now: what a server under faults may say to a request that has nothing wrong."""
FEED = ("progress", "warning", "error", "complete")
CUT_S = 1.0
"""A submission with a key is cut off after at most this time, the first time."""
AGAIN_S = 0.5
SEE_THROUGH_S = 30.0
"""The longest time that a client waits for its job before it sends another."""
UNDISTURBED_S = 300.0
"""The same before there are faults: what such a job finds is what all others are compared with."""
REST_S = 2.0
ANSWER_S = 60.0
"""A request that is not answered in this time is a complaint; the longest faults are far shorter."""
PAGE_JOBS, PAGE_FRAMES = 100, 1_000
READS = (
    "/v1/jobs?limit=20",
    "/v1/jobs/{job}/extended?limit=5",
    "/v1/jobs/{job}/frames?after={index}&limit=50",
    "/v1/jobs/{job}",
    "/v1/jobs/{job}/log",
    "/v1/jobs/{job}/frames/{index}.jpg?overlay=1",
    "/v1/jobs/{job}/annotated.mp4",
    "/v1/ready",
    "/metrics",
)
READ_STATUSES = frozenset({200, 503})
PICTURES = (".jpg?overlay=1", ".mp4")
PICTURE_STATUSES = READ_STATUSES | {404, 429}
"""A picture cannot be had before its frame is done, nor without the media."""


@attrs.define
class Load:
    """The clients of one server."""

    url: str
    media: Path
    uploads: Path
    """The files that are uploaded: copies of the media, which no fault moves."""
    url_base: str
    """The address of the host of the same files."""
    clips: tuple[str, ...]
    book: Book = attrs.field(factory=Book)
    undisturbed: list[str] = attrs.field(factory=list)
    """The labels of the orders whose jobs ran before any fault."""
    _media_away: bool = False

    @property
    def api(self) -> KinoraClient:
        """A client of the server."""
        return KinoraClient(self.url)

    @contextmanager
    def media_away(self) -> Iterator[None]:
        """Say that the media folder is away during the block: that a source is not found is true then."""
        self._media_away = True
        try:
            yield
        finally:
            self._media_away = False

    async def run(self, seed: int) -> None:
        """Let all clients work until cancelled."""
        randoms = [Random(f"{seed} client {number}") for number in range(6)]  # noqa: S311 - a seed is wanted
        async with trio.open_nursery() as nursery:
            for uploaded in (False, True):
                for keyed in (False, True):
                    nursery.start_soon(self._send_orders, randoms.pop(), uploaded, keyed)
            for random in randoms:
                nursery.start_soon(self._read, random)
            nursery.start_soon(self._take_up)

    async def follow(self) -> None:
        """Follow the feed, which the client resumes by itself, until cancelled."""
        while True:
            try:
                self.book.life += 1
                async with connect(self.url, types=FEED) as feed:
                    try:
                        async for message in feed:
                            self.book.hear(message)
                    finally:
                        self.book.connections += feed.connections
            except ClientError as error:
                if error.status is not None or "No Kinora server" not in str(error):
                    self.book.complain(f"the feed ended for good: {error}, expected it to be resumed")
            await trio.sleep(AGAIN_S)

    async def send_url_jobs(self, number: int) -> int:
        """Submit jobs on URLs; return the number of those that were acknowledged."""
        orders = [self.book.order(f"{self.url_base}{self.clips[0]}") for _ in range(number)]
        return sum([await self._send(order) for order in orders])

    async def _send_orders(self, random: Random, uploaded: bool, keyed: bool) -> None:
        while True:
            order = self.book.order(random.choice(self.clips), uploaded=uploaded, keyed=keyed)
            if keyed:
                with trio.move_on_after(random.uniform(0, CUT_S)):
                    await self._send(order)
                await self._send_until_taken(order)
            else:
                await self._send(order)
            await self._see_through(order)
            await trio.sleep(random.uniform(0, REST_S))

    async def _send_until_taken(self, order: Order) -> None:
        while not await self._send(order):  # noqa: ASYNC110 - it is a client that asks
            await trio.sleep(AGAIN_S)

    async def _send(self, order: Order) -> bool:
        """Send an order once; return whether it was acknowledged."""
        away = self._media_away
        try:
            submitted = await self._answered(order)
        except ClientError as error:
            self.book.refusals[str(error.status or "no answer")] += 1
            excused = order.uploaded is False and (away or self._media_away)
            if error.status is not None and error.status not in TRUE_REFUSALS and not excused:
                self.book.complain(f"{order.label} on {order.source} was refused: {error.status} {error}, expected 202")
            return False
        order.job_ids.add(submitted.job_id)
        return True

    async def _answered(self, order: Order) -> Submitted:
        if order.uploaded:
            return await self.api.upload(self.uploads / order.source, order.request, idempotency_key=order.key)
        return await self.api.submit(order.request, idempotency_key=order.key)

    async def _see_through(self, order: Order, longest_s: float = SEE_THROUGH_S) -> None:
        """Wait until a job has ended, but not too long."""
        with trio.move_on_after(longest_s):
            for job_id in order.job_ids:
                while (await self._status(job_id)) not in ENDED:  # noqa: ASYNC110 - it is a client that asks
                    await trio.sleep(AGAIN_S)

    async def _status(self, job_id: str) -> str | None:
        """The status of a job; None if the server does not tell it now."""
        try:
            return str((await self.api.extended(job_id, limit=0))["status"])
        except ClientError:
            return None

    async def finish(self, source: str) -> None:
        """Run a job to its end, undisturbed."""
        order = self.book.order(source)
        self.undisturbed.append(order.label)
        await self._send_until_taken(order)
        await self._see_through(order, UNDISTURBED_S)

    async def repeat_keyed(self) -> None:
        """Send all acknowledged orders that have a key once more."""
        for order in self.book.orders:
            if order.key is not None and order.job_ids:
                await self._send(order)

    async def count(self, status: str) -> int:
        """The number of jobs with a status, at most 100; 1 if the server does not answer now."""
        try:
            return len((await self.api.jobs(status=status, limit=100))["jobs"])
        except ClientError:
            return 1

    async def all_jobs(self) -> list[Final]:
        """All jobs that the server has, with their frames."""
        found: list[Final] = []
        page: dict[str, Any] = {"next_cursor": None}
        while not found or page["next_cursor"] is not None:
            page = await self.api.jobs(limit=PAGE_JOBS, cursor=page["next_cursor"])
            found += [await self._final(summary["job_id"]) for summary in page["jobs"]]
        return found

    async def _final(self, job_id: str) -> Final:
        """A job with its frames, read page by page."""
        frames: list[dict[str, Any]] = []
        while page := await self.api.frames(job_id, after=frames[-1]["index"] if frames else None, limit=PAGE_FRAMES):
            frames += page
        return Final(await self.api.extended(job_id, limit=0), frames)

    async def _take_up(self) -> None:
        """Take up interrupted jobs now and then."""
        while True:
            await trio.sleep(SEE_THROUGH_S)
            await self.take_up()

    async def take_up(self) -> int:
        """Take up all interrupted jobs; return the number of those that the server has queued again."""
        try:
            page = await self.api.jobs(status="interrupted", limit=100)
            answers = {job["job_id"]: await self._resume(job["job_id"]) for job in page["jobs"]}
        except ClientError:
            return 0
        taken = [job_id for job_id, status in answers.items() if status == 200]
        self.book.resumed.update(taken)
        return len(taken)

    async def _resume(self, job_id: str) -> int:
        return (await fetch(self.url, "POST", f"/v1/jobs/{job_id}/resume")).status

    async def _read(self, random: Random) -> None:
        while True:
            jobs = list(self.book.acknowledged)
            if jobs:
                names: Mapping[str, object] = {"job": random.choice(jobs), "index": random.randrange(500)}
                await self._read_once(random.choice(READS).format_map(names))
            await trio.sleep(random.uniform(0, AGAIN_S))

    async def _read_once(self, target: str) -> None:
        self.book.reads += 1
        with trio.move_on_after(ANSWER_S) as scope:
            try:
                answer = await fetch(self.url, "GET", target)
            except ClientError:
                return  # the server has been killed
        if scope.cancelled_caught:
            self.book.complain(f"GET {target}: no answer within {ANSWER_S:g} s, expected one")
        elif answer.status not in (PICTURE_STATUSES if target.endswith(PICTURES) else READ_STATUSES):
            self.book.complain(f"GET {target}: {answer.status} {answer.body[:200]!r}, expected what was asked for")
