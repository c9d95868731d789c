"""Frames that are lent: what a borrower keeps of one stays as it is, and one who keeps nothing costs no copy."""

import os
import resource
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from numpy.typing import NDArray

from kinora.runtime.shared_memory.frames import FrameRing, RingWriter
from kinora.runtime.shared_memory.lending import RingLender

PAGE = os.sysconf("SC_PAGE_SIZE")
HEIGHT, WIDTH = 40, 50
Picture = NDArray[np.uint8]


@attrs.frozen(eq=False)
class Library:
    """A ring of three slots, its writer and its lender."""

    ring: FrameRing
    writer: RingWriter
    lender: RingLender

    def fill(self, value: int, slot: int = 0) -> None:
        """Write a picture of one value."""
        self.writer.view(slot, HEIGHT, WIDTH)[:] = value

    def lend(self, slot: int = 0) -> Picture:
        """The picture in a slot, as a borrower gets it."""
        return self.lender.lend(slot, HEIGHT, WIDTH)


@pytest.fixture
def library() -> Iterator[Library]:
    """See Library."""
    ring = FrameRing(3, HEIGHT * WIDTH * 3)
    writer = RingWriter(os.dup(ring.fd), ring.slots, ring.slot_bytes)
    ring.seal()
    yield Library(ring, writer, RingLender(os.dup(ring.fd), ring.slots, ring.slot_bytes))
    ring.close()


def rings_mapped() -> int:
    """The number of mappings of rings in this process."""
    return Path("/proc/self/maps").read_text(encoding="utf-8").count("kinora-frames")


def in_a_cycle(picture: Picture) -> Callable[[], Any]:
    """Kept by what only the garbage collector can find."""
    box: dict[str, Any] = {"picture": picture}
    box["box"] = box
    return lambda: box["picture"]


def in_a_traceback(picture: Picture) -> Callable[[], Any]:
    """Kept by the frames of an exception."""
    try:
        picture[HEIGHT]
    except IndexError as error:
        trace = error.__traceback__
    assert trace is not None
    return lambda: trace.tb_frame.f_locals["picture"]


def in_a_thread(picture: Picture) -> Callable[[], Any]:
    """Kept by a thread that looks at it when it is asked to."""
    asked = threading.Event()
    seen: list[Picture] = []

    def look() -> None:
        asked.wait()
        seen.append(picture.copy())

    thread = threading.Thread(target=look)
    thread.start()

    def answer() -> Picture:
        asked.set()
        thread.join()
        return seen[0]

    return answer


def keep(part: Callable[[Any], Any]) -> Callable[[Picture], Callable[[], Any]]:
    """Kept as some part of it."""

    def kept(picture: Picture) -> Callable[[], Any]:
        held = part(picture)
        return lambda: held

    return kept


WAYS = [
    keep(lambda picture: picture),
    keep(lambda picture: picture[3:7, ::2, 1]),
    keep(lambda picture: picture.T),
    keep(lambda picture: picture.view(np.int8)),
    keep(lambda picture: picture.base),
    keep(lambda picture: picture.base.base[: picture.size]),
    keep(memoryview),
    keep(lambda picture: memoryview(picture)[1:2]),
    keep(lambda picture: np.lib.stride_tricks.sliding_window_view(picture, (2, 2, 1))),
    in_a_cycle,
    in_a_traceback,
    in_a_thread,
]


@pytest.mark.parametrize("kept", WAYS)
def test_what_is_kept_stays_as_it_is(library: Library, kept: Callable[[Picture], Callable[[], Any]]) -> None:
    """However it is kept, and whatever becomes of the slot; the borrower sees the slot's next picture as well."""
    library.fill(1)
    look = kept(library.lend())
    library.lender.take_back()
    library.fill(2)
    assert library.lend().max() == library.lend().min() == 2
    assert np.unique(np.asarray(look())).tolist() == [1]


def test_a_borrower_who_keeps_nothing_gets_no_copy(library: Library) -> None:
    """The picture lies in the ring, at the same address each time."""
    library.fill(1)
    places = set()
    for value in range(3):
        picture = library.lend()
        places.add(picture.ctypes.data)
        library.fill(value)
        assert picture.max() == value
        del picture
        library.lender.take_back()
    assert len(places) == 1


def test_all_that_are_kept_stay(library: Library) -> None:
    """More pictures than the ring has slots, each as it was."""
    kept = []
    for value in range(20):
        library.fill(value, slot=value % 3)
        kept.append(library.lend(slot=value % 3))
        library.lender.take_back()
    library.fill(99, slot=0)
    assert [int(picture.max()) for picture in kept] == list(range(20))
    assert [int(picture.min()) for picture in kept] == list(range(20))


def test_of_several_lent_at_once_those_kept_stay(library: Library) -> None:
    """They are taken back together; of the others nothing is copied, and every slot goes on to its next picture."""
    for slot in range(3):
        library.fill(slot + 1, slot)
    pictures = [library.lend(slot) for slot in range(3)]
    places = [picture.ctypes.data for picture in pictures]
    kept = pictures[1][2:4]
    del pictures
    library.lender.take_back()
    for slot in range(3):
        library.fill(slot + 11, slot)
    assert np.unique(kept).tolist() == [2]
    assert kept.base is not None
    assert places[1] <= kept.ctypes.data < places[1] + HEIGHT * WIDTH * 3
    assert [int(library.lend(slot).max()) for slot in range(3)] == [11, 12, 13]


def test_all_that_are_lent_are_given_away(library: Library) -> None:
    """Before a fork in the middle of a batch: none of them changes after that."""
    for slot in range(2):
        library.fill(slot + 1, slot)
    pictures = [library.lend(slot) for slot in range(2)]
    library.lender.give_away()
    for slot in range(2):
        library.fill(9, slot)
    assert [int(picture.max()) for picture in pictures] == [1, 2]


def test_what_is_kept_cannot_be_written_to(library: Library) -> None:
    """Neither the first one, nor the later ones, which are copies."""
    library.fill(1)
    kept: list[Any] = []
    for _ in range(2):
        kept.append(library.lend())
        library.lender.take_back()
    for picture in kept:
        with pytest.raises(ValueError, match="read-only"):
            picture[:] = 0
        with pytest.raises(ValueError, match="WRITEABLE"):
            picture.flags.writeable = True
        with pytest.raises(TypeError, match=r"modify|item assignment"):
            picture.base.base[0] = 0


def test_what_is_kept_does_not_hold_the_ring(library: Library) -> None:
    """Once the lender is gone the ring is unmapped, and what is kept is still there."""
    library.fill(1)
    writers = rings_mapped() - library.ring.slots
    lender = RingLender(os.dup(library.ring.fd), library.ring.slots, library.ring.slot_bytes)
    picture = lender.lend(0, HEIGHT, WIDTH)
    lender.take_back()
    del lender
    assert rings_mapped() == writers + library.ring.slots
    assert picture.max() == picture.min() == 1


def test_a_forked_process_keeps_the_frame_that_it_was_forked_in(library: Library) -> None:
    """Given away before the fork, it stays as it was there, though nothing here refers to it any more."""
    library.fill(1)
    picture = library.lend()
    go, went = os.pipe()
    library.lender.give_away()
    pid = os.fork()
    if pid == 0:
        os.read(go, 1)
        os._exit(int(picture.max()))
    del picture
    library.lender.take_back()
    library.fill(2)
    os.write(went, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    os.close(go)
    os.close(went)
    assert library.lend().max() == 2


def test_without_memory_for_it_nothing_is_lost(library: Library) -> None:
    """The failure is told, and the slot still shows what is in the ring."""
    library.fill(1)
    picture = library.lend()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * PAGE, limits[1]))
    try:
        with pytest.raises(OSError, match="Cannot allocate memory"):
            library.lender.take_back()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    library.fill(2)
    assert picture.max() == library.lend().max() == 2


@pytest.mark.parametrize(
    ("slot", "height", "width"), [(3, 1, 1), (-1, 1, 1), (0, 0, 5), (0, -1, -1), (0, 100, 100), (0, 10**12, 10**12)]
)
def test_a_picture_that_is_not_in_the_ring_is_refused(library: Library, slot: int, height: int, width: int) -> None:
    """No slot, no size, and more than a slot holds are ValueErrors, not memory of another slot."""
    with pytest.raises(ValueError, match="cannot hold"):
        library.lender.lend(slot, height, width)


def test_it_takes_its_descriptor_over(library: Library) -> None:
    """It is closed also if the ring has not the size that was said."""
    ring = library.ring
    for slots in (ring.slots, 1000):
        fd = os.dup(ring.fd)
        if slots > ring.slots:
            with pytest.raises(ValueError, match="the ring is smaller than 1000 slots"):
                RingLender(fd, slots, ring.slot_bytes)
        else:
            RingLender(fd, slots, ring.slot_bytes)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
