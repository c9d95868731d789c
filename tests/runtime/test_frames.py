"""The ring of frames: the users of a slot, and the one process that may write to it."""

import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from kinora.runtime.forking.workers import ForkServer, Worker, WorkerGone
from kinora.runtime.shared_memory.frames import MIN_SLOTS, FrameRing, RingReader, RingWriter, slots_for

PAGE = os.sysconf("SC_PAGE_SIZE")
HD = 1280 * 720 * 3


@pytest.fixture
def ring() -> Iterator[FrameRing]:
    """Four slots of a little more than one page."""
    ring = FrameRing(4, PAGE + 1)
    yield ring
    ring.close()


@pytest.fixture
async def forks() -> AsyncIterator[ForkServer]:
    """A running fork server."""
    async with trio.open_nursery() as nursery:
        server = ForkServer()
        await nursery.start(server.run)
        yield server
        nursery.cancel_scope.cancel()


async def holder(forks: ForkServer, ring: FrameRing, kind: str, slot: int = 0) -> Worker:
    """A worker process that has mapped the ring, as its writer or as a reader, and looks at one slot."""
    worker = await forks.fork("tests.runtime.targets:ring", kind)
    ask = {"as": kind, "slots": ring.slots, "slot_bytes": ring.slot_bytes, "slot": slot}
    await worker.send(json.dumps(ask).encode(), [ring.fd])
    assert await worker.receive() == b"mapped"
    return worker


async def tell(worker: Worker, order: str) -> Any:
    """The outcome of an order."""
    await worker.send(order.encode())
    return json.loads(await worker.receive())


@pytest.mark.parametrize(
    ("frame_bytes", "wanted", "ring_bytes", "slots"),
    [
        (HD, 8, 64 * 2**20, 8),
        (HD, 100, 64 * 2**20, 24),
        (100 * 2**20, 8, 64 * 2**20, MIN_SLOTS),
        (HD, 1, 64 * 2**20, MIN_SLOTS),
        (1, 10, 4 * PAGE, 4),
    ],
)
def test_a_ring_has_what_fits_but_never_less_than_two_slots(
    frame_bytes: int, wanted: int, ring_bytes: int, slots: int
) -> None:
    """The limit in bytes counts whole pages, and gives way for two frames."""
    assert slots_for(frame_bytes, wanted, ring_bytes) == slots


@given(st.lists(st.booleans(), max_size=60))
def test_a_slot_is_leased_to_one_at_a_time(leases: list[bool]) -> None:
    """In any order of leases and releases, no slot is out twice, and free slots are counted right."""
    ring = FrameRing(3, 1)
    try:
        out: list[int] = []
        for lease in leases:
            if lease:
                slot = ring.lease()
                assert (slot is None) == (len(out) == 3)
                assert slot not in out
                out += [] if slot is None else [slot]
            elif out:
                ring.release(out.pop(0))
            assert ring.free == 3 - len(out)
    finally:
        ring.close()


def test_a_slot_that_is_not_leased_cannot_be_released(ring: FrameRing) -> None:
    """A slot that was never leased, is already released or does not exist cannot be released."""
    slot = ring.lease()
    assert slot == 0
    ring.release(slot)
    for wrong in (slot, 2, -1, 4):
        with pytest.raises(ValueError, match="is not leased"):
            ring.release(wrong)
    assert ring.free == 4


def test_a_slot_starts_on_a_page(ring: FrameRing) -> None:
    """Its size is the frame's, rounded up to whole pages, and the file is as long as all of them."""
    assert ring.slot_bytes == 2 * PAGE
    assert os.fstat(ring.fd).st_size == 8 * PAGE


def test_the_reader_sees_what_the_writer_wrote(ring: FrameRing) -> None:
    """Both views are of the same memory, slot by slot, and the reader's cannot be written to."""
    writer = RingWriter(os.dup(ring.fd), ring.slots, ring.slot_bytes)
    ring.seal()
    reader = RingReader(os.dup(ring.fd), ring.slots, ring.slot_bytes)
    for slot in range(ring.slots):
        writer.view(slot, 3, 5)[:] = slot + 1
    seen = [reader.view(slot, 3, 5) for slot in range(ring.slots)]
    assert [np.unique(picture).tolist() for picture in seen] == [[1], [2], [3], [4]]
    assert seen[0].shape == (3, 5, 3)
    assert seen[0].dtype == np.uint8
    with pytest.raises(ValueError, match="read-only"):
        seen[0][:] = 0
    with pytest.raises(ValueError, match="WRITEABLE"):
        seen[0].flags.writeable = True


@pytest.mark.parametrize(
    ("slot", "height", "width"), [(4, 1, 1), (-1, 1, 1), (0, 0, 5), (0, -1, -1), (0, 100, 100), (0, 10**12, 10**12)]
)
def test_a_picture_that_is_not_in_the_ring_is_refused(ring: FrameRing, slot: int, height: int, width: int) -> None:
    """No slot, no size, and more than a slot holds are ValueErrors, not memory of another slot."""
    reader = RingReader(os.dup(ring.fd), ring.slots, ring.slot_bytes)
    with pytest.raises(ValueError, match="cannot hold"):
        reader.view(slot, height, width)


def test_a_view_takes_its_descriptor_over(ring: FrameRing) -> None:
    """It is closed also if the memory cannot be mapped."""
    mapped = os.dup(ring.fd)
    reader = RingReader(mapped, ring.slots, ring.slot_bytes)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(mapped)
    assert not reader.view(0, 1, 1).any()
    refused = os.dup(ring.fd)
    with pytest.raises(ValueError, match="greater than file size"):
        RingReader(refused, 1000, ring.slot_bytes)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(refused)


def test_closing_twice_is_closing_once(ring: FrameRing) -> None:
    """The second time does not close another file that has got the same number meanwhile."""
    ring.close()
    reading, writing = os.pipe()
    ring.close()
    os.write(writing, b"x")
    assert os.read(reading, 1) == b"x"
    os.close(reading)
    os.close(writing)


async def test_what_one_process_writes_another_sees(forks: ForkServer, ring: FrameRing) -> None:
    """The writer goes on writing after the ring was sealed, and a reader elsewhere sees it at once."""
    writer = await holder(forks, ring, "writer", slot=1)
    ring.seal()
    reader = await holder(forks, ring, "reader", slot=1)
    neighbour = await holder(forks, ring, "reader", slot=2)
    assert await tell(reader, "look") == [[[0, 0, 0]] * 2] * 2
    assert await tell(writer, "fill") == "filled"
    assert await tell(reader, "look") == [[[7, 7, 7]] * 2] * 2
    assert await tell(neighbour, "look") == [[[0, 0, 0]] * 2] * 2
    for worker in (writer, reader, neighbour):
        assert await worker.stop(2)


@pytest.mark.parametrize(
    ("order", "refusal"),
    [
        ("fill", "read-only"),
        ("thaw", "WRITEABLE"),
        ("reopen", "PermissionError"),
        ("map", "PermissionError"),
        ("protect", "PermissionError"),
        ("shrink", "PermissionError"),
    ],
)
async def test_no_reader_can_change_a_sealed_ring(forks: ForkServer, ring: FrameRing, order: str, refusal: str) -> None:
    """Neither by numpy nor by the kernel: no write, no writable mapping, no way back from a read-only one."""
    writer = await holder(forks, ring, "writer")
    ring.seal()
    await tell(writer, "fill")
    reader = await holder(forks, ring, "reader")
    assert refusal in await tell(reader, order)
    assert await tell(writer, "look") == [[[7, 7, 7]] * 2] * 2
    for worker in (writer, reader):
        assert await worker.stop(2)


async def test_a_reader_that_writes_all_the_same_crashes_alone(forks: ForkServer, ring: FrameRing) -> None:
    """Native code that scribbles over a frame ends its own process and changes nothing."""
    writer = await holder(forks, ring, "writer")
    ring.seal()
    reader = await holder(forks, ring, "reader")
    with pytest.raises(WorkerGone, match="SIGSEGV"):
        await tell(reader, "poke")
    assert await tell(writer, "look") == [[[0, 0, 0]] * 2] * 2
    for worker in (writer, reader):
        assert await worker.stop(2)


async def test_a_sealed_ring_has_no_second_writer(forks: ForkServer, ring: FrameRing) -> None:
    """Mapping as the writer fails afterwards."""
    ring.seal()
    late = await forks.fork("tests.runtime.targets:ring", "late")
    ask = {"as": "writer", "slots": ring.slots, "slot_bytes": ring.slot_bytes, "slot": 0}
    await late.send(json.dumps(ask).encode(), [ring.fd])
    with pytest.raises(WorkerGone):
        await late.receive()
    await late.gone.wait()
    assert "PermissionError" in late.log.text()
    assert await late.stop(0)


async def test_the_memory_is_gone_with_the_last_process_that_has_it(forks: ForkServer) -> None:
    """Shared memory in use falls back once the owner has closed and the workers are gone."""
    size = 48 * 2**20
    before = _shared_memory()
    ring = FrameRing(2, size // 2)
    worker = await holder(forks, ring, "writer")
    assert _shared_memory() - before >= size // 2
    ring.close()
    assert await worker.stop(2)
    assert _shared_memory() - before < size // 2


def _shared_memory() -> int:
    """Bytes of shared memory in use on this machine."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Shmem:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the kernel does not say")


def test_a_shared_slot_is_free_when_all_have_released_it() -> None:
    """It takes as many releases as users; one more is an error, and so is sharing a free slot."""
    ring = FrameRing(2, 100)
    slot = ring.lease()
    assert slot is not None
    ring.share(slot)
    ring.release(slot)
    assert ring.free == 1
    ring.release(slot)
    assert ring.free == 2
    for step in (ring.release, ring.share):
        with pytest.raises(ValueError, match="not leased"):
            step(slot)
    ring.close()
