"""Pictures are made while clients watch, once for all of them, and the job goes on even if they fail."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import attrs
import cv2
import numpy as np
import pytest
import trio

from kinora.actors.frames.job_ring import JobRing
from kinora.actors.frames.ticket import FrameTicket
from kinora.actors.messages import FrameImage
from kinora.actors.pipeline.picture_taker import PictureTaker
from kinora.runtime.linux.processes import children
from kinora.runtime.shared_memory.frames import RingWriter
from kinora.system import System
from tests.jobs_kit import (
    CLIP_FRAMES,
    ended,
    frames_of,
    messages_of,
    nothing_left_behind,
    run_job,
    submit,
    until,
    write_plugin,
)

WIDTH, HEIGHT = 64, 48


@attrs.define
class Watcher:
    """A client that gets pictures."""

    seen: list[FrameImage] = attrs.field(factory=list)
    news: trio.Event = attrs.field(factory=trio.Event)

    async def show(self, image: FrameImage) -> None:  # noqa: ASYNC124 - as the taker calls it
        """Keep the picture."""
        self.seen.append(image)
        self.news.set()
        self.news = trio.Event()


class Taking:
    """A running taker with a ring of its own. Its frames come 32 a second; each is of one grey, ten times its index."""

    def __init__(self, system: System, watcher: Watcher, fps: float = np.inf) -> None:
        self.use_new_ring()
        self.taker = PictureTaker("job", system.fork_server)
        self.taker.fps = fps
        self._show = watcher.show

    async def run(self) -> None:
        """Run the taker until it is finished."""
        await self.taker.run(self._show)

    def use_new_ring(self, width: int = WIDTH, height: int = HEIGHT) -> None:
        """Make a ring for frames of this size, in which all further frames lie."""
        self.ring = JobRing(4, width * height * 3)
        self._size = width, height
        self._writer = RingWriter(os.dup(self.ring.fd), self.ring.slots, self.ring.slot_bytes)
        self.ring.seal()

    def offer(self, index: int) -> bool:
        """Offer a frame, which leaves the pipeline at once; return whether the taker makes a picture of it."""
        slot = self.ring.lease()
        assert slot is not None
        width, height = self._size
        self._writer.view(slot, height, width)[:] = index * 10 % 256
        ticket = FrameTicket(
            ring=self.ring,
            slot=slot,
            index=index,
            timestamp_ms=0.0,
            width=width,
            height=height,
            queued_at=index / 32,
        )
        self.taker.offer(ticket)
        ticket.release()
        return ticket.pictured

    async def take(self, index: int, watcher: Watcher) -> None:
        """Offer a frame, again while the taker still ends a worker that has died, and wait for its picture."""
        news = watcher.news
        await until(lambda: self.offer(index))
        await news.wait()


async def test_a_picture_is_of_its_frame(system: System) -> None:
    """The picture is a JPEG of the very frame, with its index and size, and the slot is free again."""
    watcher = Watcher()
    taking = Taking(system, watcher)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(taking.run)
        await trio.testing.wait_all_tasks_blocked()
        for index in (7, 8):
            await taking.take(index, watcher)
            await trio.testing.wait_all_tasks_blocked()
        await taking.taker.finish()
    assert [(image.index, image.frame_id) for image in watcher.seen] == [(7, "frame-000007"), (8, "frame-000008")]
    for image in watcher.seen:
        pixels = cv2.imdecode(np.frombuffer(image.jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert pixels is not None
        assert pixels.shape == (image.height, image.width, 3) == (HEIGHT, WIDTH, 3)
        assert abs(float(pixels.mean()) - image.index * 10) < 1
    assert taking.ring.free == taking.ring.slots
    taking.ring.close()


async def test_the_next_frame_may_be_in_another_ring(system: System) -> None:
    """One for larger pictures takes the place of the first, which can be closed once it is unused."""
    watcher = Watcher()
    taking = Taking(system, watcher)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(taking.run)
        await trio.testing.wait_all_tasks_blocked()
        await taking.take(3, watcher)
        await taking.ring.wait_unused()
        taking.ring.close()
        await trio.testing.wait_all_tasks_blocked()
        taking.use_new_ring(4 * WIDTH, 4 * HEIGHT)
        await taking.take(9, watcher)
        await taking.taker.finish()
    assert [(image.index, image.width) for image in watcher.seen] == [(3, WIDTH), (9, 4 * WIDTH)]
    for image in watcher.seen:
        pixels = cv2.imdecode(np.frombuffer(image.jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert pixels is not None
        assert abs(float(pixels.mean()) - image.index * 10) < 1
    taking.ring.close()


async def test_a_frame_that_comes_while_it_is_busy_has_no_picture(system: System) -> None:
    """Only one is under way; nothing waits behind it, and its slot is shared until it is done."""
    watcher = Watcher()
    taking = Taking(system, watcher)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(taking.run)
        await trio.testing.wait_all_tasks_blocked()
        news = watcher.news
        assert [taking.offer(index) for index in range(5)] == [True, False, False, False, False]
        assert taking.ring.free == taking.ring.slots - 1
        await news.wait()
        await taking.taker.finish()
    assert [image.index for image in watcher.seen] == [0]
    taking.ring.close()


async def test_pictures_come_at_the_pace_that_is_wanted(system: System) -> None:
    """At 8 a second every fourth frame of 32 a second is taken; when nobody watches, none."""
    watcher = Watcher()
    taking = Taking(system, watcher, fps=8)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(taking.run)
        await trio.testing.wait_all_tasks_blocked()
        for index in range(20):
            if index % 4 == 0:
                await taking.take(index, watcher)
                await trio.testing.wait_all_tasks_blocked()
            else:
                assert not taking.offer(index)
        taking.taker.fps = 0
        assert not taking.offer(1000)
        await taking.taker.finish()
    taking.ring.close()


async def test_an_encoder_that_dies_is_replaced_then_given_up(system: System) -> None:
    """After three deaths pictures end; slots are released each time, and all processes are gone."""
    watcher = Watcher()
    taking = Taking(system, watcher)
    server_pid = system.fork_server.statistics().pid
    assert server_pid is not None
    with nothing_left_behind(system):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(taking.run)
            await trio.testing.wait_all_tasks_blocked()
            for index in (0, 2, 4):
                await taking.take(index, watcher)
                for pid in children(server_pid):
                    os.kill(pid, signal.SIGKILL)
                await trio.testing.wait_all_tasks_blocked(0.05)
                assert taking.offer(index + 1)
                await taking.ring.wait_unused()
                await trio.testing.wait_all_tasks_blocked()
    assert not taking.offer(9)
    assert [image.index for image in watcher.seen] == [0, 2, 4]
    taking.ring.close()


async def test_a_watched_job_finds_what_it_finds_unwatched(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """With pictures wanted a job's frames are the same, those with a picture say so, and nothing is left behind."""
    assert system.connections is not None
    shown: list[FrameImage] = []
    with nothing_left_behind(system):
        plain = await frames_of(system, await run_job(system, "motion", "quality"))
        monkeypatch.setattr(system.connections, "picture_fps", lambda _: np.inf)
        monkeypatch.setattr(system.connections, "show", shown.append)
        state = await run_job(system, "motion", "quality")
        assert await frames_of(system, state) == plain
    said = messages_of(system, state.job_id, "frame")
    assert (
        {m["payload"]["index"] for m in said if m["payload"]["pictured"]} == {image.index for image in shown} != set()
    )
    assert len(plain) == CLIP_FRAMES


async def test_a_hanging_encoder_does_not_hold_the_job(
    system: System, plugins_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job whose encoder was stopped ends in its time, the encoder's process with it."""
    assert system.connections is not None
    server_pid = system.fork_server.statistics().pid
    assert server_pid is not None
    write_plugin(plugins_dir, "slow", "@tool('slow')\ndef slow(frame):\n    time.sleep(0.02)\n    return {}\n")
    await system.plugins.reload()
    shown: list[FrameImage] = []

    def stop_encoder(image: FrameImage) -> None:
        shown.append(image)
        for pid in children(server_pid):
            if is_nice(pid):
                os.kill(pid, signal.SIGSTOP)

    monkeypatch.setattr(system.connections, "picture_fps", lambda _: np.inf)
    monkeypatch.setattr(system.connections, "show", stop_encoder)
    with nothing_left_behind(system):
        state = await ended(system, await submit(system, "slow"))
        assert (state.status, state.frames_done) == ("done", CLIP_FRAMES)
    assert len(shown) == 1


def is_nice(pid: int) -> bool:
    """Return whether the process has the low priority of encoders."""
    return os.getpriority(os.PRIO_PROCESS, pid) > 0
