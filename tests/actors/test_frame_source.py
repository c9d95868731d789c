"""The frames of a source over several decoders, which act by a script, on the virtual clock."""

from __future__ import annotations

import signal
from contextlib import aclosing
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from kinora.actors.frames.ticket import FrameTicket
from kinora.actors.sources.frame_source import MAX_DEATHS, SourceLost
from kinora.actors.sources.source_reader import FRAME_TIMEOUT_S, MAX_NOTES
from kinora.media.messages import NeedsLarger, Opened
from kinora.media.source_types import SourceError, SourceLimits, SourceNote
from kinora.runtime.forking.channel import ProtocolError
from kinora.runtime.forking.workers import ForkServerGone, WorkerGone
from tests.actors.source_kit import (
    DEAD,
    HANG,
    HEIGHT,
    INFO,
    ORPHANED,
    TOTAL,
    WIDE,
    WIDTH,
    Ending,
    Life,
    Reading,
    picture,
)

ENDINGS: dict[str, tuple[Ending, str]] = {
    "dies": (WorkerGone("source", -signal.SIGSEGV), "the decoder is gone: its process was killed by SIGSEGV"),
    "is killed": (
        WorkerGone("source", -signal.SIGKILL),
        "the decoder is gone: its process was killed by SIGKILL, probably by the system for lack of memory",
    ),
    "uses too much memory": (
        WorkerGone("source", -signal.SIGKILL, "used more than its 9 MB of memory and was killed"),
        "the decoder is gone: its process used more than its 9 MB of memory and was killed",
    ),
    "goes with the fork server": (
        WorkerGone("source", -signal.SIGKILL, orphaned=True),
        "the decoder is gone: its process ended with the fork server",
    ),
    "hangs": (HANG, f"the decoder sent nothing for {FRAME_TIMEOUT_S:.0f} s"),
    "sends rubbish": (ProtocolError("not a message"), "the decoder is gone: not a message"),
    "sends another answer": (Opened(INFO), "the decoder sent an unexpected answer"),
    "names a slot that it was not given": (picture(7, TOTAL), "the decoder sent an unexpected answer"),
    "gives a frame again": (picture(0, 3), "the decoder sent an unexpected answer"),
    "gives too large a frame": (picture(0, TOTAL, width=10_000), "the decoder sent an unexpected answer"),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_decoder_that_fails_is_replaced_behind_its_last_frame(autojump_clock: MockClock, ending: str) -> None:
    """Whatever it died of: every frame is read once, in order, and it is told why and where the reading goes on."""
    failure, reason = ENDINGS[ending]
    reading = Reading(Life(frames=10, ending=failure))
    await reading.run()
    assert reading.indexes == list(range(TOTAL))
    assert reading.restarts == [(reason, 10)]
    assert reading.source.truncated is None


@given(
    lives=st.lists(st.integers(1, 9), max_size=8),
    stillborn=st.integers(0, MAX_DEATHS - 2),
    work=st.fixed_dictionaries(
        {"slots": st.integers(2, 5), "start": st.integers(0, TOTAL + 1), "stride": st.integers(1, 7)},
        optional={"max_frames": st.integers(0, TOTAL + 1)},
    ),
)
def test_deaths_change_nothing_in_what_is_read(lives: list[int], stillborn: int, work: dict[str, Any]) -> None:
    """Start, stride and the limit hold over all decoders, wherever they die, as if there had been one."""
    dead = Life(frames=0, ending=DEAD)
    script = [life for frames in lives for life in (Life(frames=frames, ending=DEAD), *[dead] * stillborn)]
    wanted = list(range(work["start"], TOTAL, work["stride"]))[: work.get("max_frames")]

    async def read() -> None:
        reading = Reading(*script, **work)
        await reading.run()
        assert reading.indexes == wanted

    trio.run(read, clock=MockClock(autojump_threshold=0))


async def test_what_decoders_have_to_tell_is_told_once(autojump_clock: MockClock) -> None:
    """A second decoder finds out the same again; what it alone finds is told as well."""
    notes = [SourceNote(f"left out {number}") for number in range(3)]
    reading = Reading(Life(frames=1, ending=DEAD, notes=notes[:2]), Life(notes=notes))
    await reading.run()
    assert reading.notes == notes


async def test_a_decoder_that_tells_without_end_is_broken(autojump_clock: MockClock) -> None:
    """Beyond the limit it is replaced like one that died."""
    notes = [SourceNote(f"left out {number}") for number in range(MAX_NOTES + 1)]
    reading = Reading(Life(notes=notes))
    await reading.run()
    assert reading.restarts == [("the decoder has too much to tell", 0)]
    assert reading.indexes == list(range(TOTAL))


async def test_a_frame_too_large_for_the_ring_gets_a_larger_one(autojump_clock: MockClock) -> None:
    """The decoder stays; once all frames have left the first ring there is another, and no frame is lost."""
    reading = Reading(Life(grows_at=17))
    await reading.run()
    assert reading.indexes == list(range(TOTAL))
    assert [ring.slot_bytes >= WIDE * HEIGHT * 3 for ring in reading.rings] == [False, True]
    assert (len(reading.opened), reading.restarts) == (1, [])


async def test_frames_that_grow_all_the_time_need_few_rings(autojump_clock: MockClock) -> None:
    """The first larger ring fits its frame, the next ones have room to spare."""
    reading = Reading(Life(grows_at=1, wider=WIDE))
    await reading.run()
    assert reading.indexes == list(range(TOTAL))
    assert len(reading.rings) < 9


async def test_a_decoder_that_dies_after_its_frames_grew_is_replaced(autojump_clock: MockClock) -> None:
    """The next one begins with the ring of the source's first frame, and asks for a larger one at once."""
    reading = Reading(Life(grows_at=5, frames=10, ending=DEAD), Life(grows_at=5))
    await reading.run()
    assert reading.indexes == list(range(TOTAL))
    assert [ring.slot_bytes >= WIDE * HEIGHT * 3 for ring in reading.rings] == [False, True, False, True]


@pytest.mark.parametrize("wanted", [-1, 0, WIDTH * HEIGHT * 3, SourceLimits().max_pixels * 3 + 1])
async def test_a_ring_that_no_frame_can_need_is_not_made(autojump_clock: MockClock, wanted: int) -> None:
    """A decoder is not trusted: it gets neither a ring beyond the limit nor a smaller one."""
    reading = Reading(Life(frames=10, ending=NeedsLarger(wanted)))
    await reading.run()
    assert reading.indexes == list(range(TOTAL))
    assert reading.restarts == [("the decoder sent an unexpected answer", 10)]


async def test_it_is_given_up_after_three_deaths_in_a_row(autojump_clock: MockClock) -> None:
    """After 0.1 s and 0.2 s; the error says how far it was read, and the frames before that have been passed on."""
    dead = Life(frames=0, ending=DEAD)
    reading = Reading(Life(frames=5, ending=DEAD), dead, dead, Life(), stride=2)
    with pytest.raises(SourceLost) as lost:
        await reading.run()
    assert str(lost.value) == (
        "The source could not be read beyond frame 8: the decoder is gone:"
        " its process was killed by SIGKILL, probably by the system for lack of memory."
    )
    assert reading.indexes == [0, 2, 4, 6, 8]
    assert [round(at, 6) for at in reading.opened] == [0.0, 0.1, 0.3]


async def test_a_frame_between_two_deaths_starts_the_count_anew(autojump_clock: MockClock) -> None:
    """A source that is read slowly but surely is read to its end."""
    reading = Reading(*[Life(frames=1, ending=DEAD)] * (TOTAL - 1))
    await reading.run()
    assert reading.indexes == list(range(TOTAL))
    assert reading.opened[-1] == pytest.approx(0.1 * (TOTAL - 1))


async def test_the_end_of_the_fork_server_never_counts(autojump_clock: MockClock) -> None:
    """Neither when the decoder went with it, nor when none can be started, nor when that goes while it opens."""
    gone = [Life(frames=0, ending=ORPHANED), Life(unopened=ForkServerGone("the fork server ended"))]
    reading = Reading(*gone * MAX_DEATHS)
    await reading.run()
    assert reading.indexes == list(range(TOTAL))


async def test_a_source_that_cannot_be_opened_again_is_lost(autojump_clock: MockClock) -> None:
    """Such as a file that was deleted meanwhile."""
    gone = Life(unopened=SourceError("unreadable", "clip.mp4 does not exist; check the path."))
    with pytest.raises(SourceLost, match=r"not be read beyond frame 4: clip\.mp4 does not exist; check the path\.$"):
        await Reading(Life(frames=5, ending=DEAD), gone, gone).run()


async def test_a_source_that_cannot_be_opened_at_first_is_an_error_at_once(autojump_clock: MockClock) -> None:
    """The client's words, and no second attempt."""
    reading = Reading(Life(unopened=SourceError("unreadable", "clip.mp4 is empty.")))
    with pytest.raises(SourceError, match="is empty"):
        await reading.run()
    assert len(reading.opened) == 1


async def test_the_next_ring_is_made_when_all_frames_have_left_the_last(autojump_clock: MockClock) -> None:
    """Frames that are still on their way keep it open; slots that the decoder had not filled do not."""
    reading = Reading(Life(frames=2, ending=DEAD))

    async def take(ticket: FrameTicket) -> bool:  # noqa: ASYNC124 - the source awaits it
        reading.keep(ticket)
        if ticket.index >= 2:
            ticket.release()
        return True

    async with trio.open_nursery() as nursery, aclosing(reading.source):
        first = await reading.source.open()
        assert first is not None
        nursery.start_soon(reading.source.read, take)
        await trio.sleep(1000)
        assert reading.indexes == [0, 1]
        assert (reading.decoders, len(reading.rings)) == (0, 1)
        reading.frames[0].release()
        await trio.sleep(1000)
        assert first.fd >= 0
        reading.frames[1].release()
        await trio.sleep(1000)
        assert first.fd < 0
    assert reading.indexes == list(range(TOTAL))
    assert len(reading.rings) == 2


@pytest.mark.parametrize("at_s", [0.05, 0.15, 15.0])
async def test_cancelled_it_leaves_nothing(autojump_clock: MockClock, at_s: float) -> None:
    """Before a restart, in the next back-off, or in the wait for a decoder that hangs."""
    reading = Reading(Life(frames=2, ending=DEAD), Life(frames=0, ending=DEAD), Life(frames=2, ending=HANG))
    with trio.move_on_after(at_s) as scope:
        await reading.run()
    assert scope.cancelled_caught
