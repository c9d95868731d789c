"""A live source over several connections: what is lost comes back, on the virtual clock."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from kinora.actors.frames.job_ring import JobRing
from kinora.actors.frames.live_count import LiveCount, Moment
from kinora.actors.frames.ticket import FrameTicket
from kinora.actors.sources.reconnecting import Reconnecting
from kinora.media.camera_errors import CameraError, LostReason
from kinora.media.messages import Ended
from kinora.media.source_types import SourceError
from kinora.runtime.forking.workers import ForkServerGone
from tests.actors.source_kit import DEAD, HANG, SLOWER, TOTAL, Ending, Life, Reading

AWAY = Life(unopened=CameraError(LostReason.UNREACHABLE, "The host cam does not answer."))
LAST = Life(frames=0, ending=HANG)
"""It gives nothing: what is read ends there."""


def live(*lives: Life, max_outage_s: float | None = 600.0, **work: Any) -> Reading:
    """A live source; pauses are exact."""
    reconnecting = Reconnecting(max_outage_s=max_outage_s, chance=lambda: 0.5)
    return Reading(*lives, kind="stream", reconnecting=reconnecting, **work)


async def test_a_live_source_that_ends_is_opened_again(autojump_clock: MockClock) -> None:
    """After a pause; why it was lost is told, and how long it was away. The frames in the job have no gap."""
    closed = Ended("cam sends no more.", LostReason.CLOSED)
    reading = live(Life(frames=4, ending=closed), AWAY, AWAY, Life(frames=9), max_frames=10)
    await reading.run()
    assert reading.indexes == list(range(10))
    assert reading.lost == [(0.0, "closed: cam sends no more."), (1.0, "unreachable: The host cam does not answer.")]
    assert reading.back == [(3.0, 4)]
    assert [round(at, 6) for at in reading.opened] == [0.0, 1.0, 2.0, 3.0]
    assert (reading.source.truncated, reading.restarts) == (None, [])


LOSSES: dict[str, tuple[Ending, str, float]] = {
    "dies": (DEAD, "closed", 0.0),
    "hangs": (HANG, "silent", 30.0),
    "ends without a word": (Ended(), "closed", 0.0),
    "breaks off": (Ended("cam has sent no video for 8 s.", LostReason.SILENT), "silent", 0.0),
}


@pytest.mark.parametrize("loss", LOSSES)
async def test_whatever_becomes_of_its_decoder_it_is_lost_and_not_over(autojump_clock: MockClock, loss: str) -> None:
    """A decoder that hangs or crashes too."""
    ending, reason, at_s = LOSSES[loss]
    reading = live(Life(frames=4, ending=ending), max_frames=8)
    await reading.run()
    assert reading.indexes == list(range(8))
    assert [(at, text.partition(":")[0]) for at, text in reading.lost] == [(at_s, reason)]


async def test_it_is_opened_again_without_end(autojump_clock: MockClock) -> None:
    """With what nobody can repair by waiting too, such as a password: the operator may."""
    locked = Life(unopened=CameraError(LostReason.AUTH, "cam asks for a password."))
    crash = Life(unopened=SourceError("unsupported", "The source cannot be decoded."))
    gone = Life(unopened=ForkServerGone("the fork server ended"))
    reading = live(
        Life(frames=2, ending=DEAD), *[locked, crash, gone, AWAY] * 10, Life(frames=5), max_frames=4, max_outage_s=None
    )
    await reading.run()
    assert reading.indexes == list(range(4))
    assert len(reading.opened) == 42
    assert reading.opened[-1] == pytest.approx(5 * 1 + 5 * 5 + 10 * 10 + 21 * 60)
    assert {text.partition(":")[0] for _, text in reading.lost} == {"closed", "auth", "codec", "unreachable"}


async def test_after_the_longest_outage_it_is_over(autojump_clock: MockClock) -> None:
    """Also in the middle of an attempt; what was read before stands."""
    slow = Life(opens_in_s=25.0, unopened=AWAY.unopened)
    reading = live(Life(frames=4, ending=DEAD), *[slow] * 9, max_outage_s=60.0)
    await reading.run()
    assert trio.current_time() == pytest.approx(60.0)
    assert reading.indexes == list(range(4))
    assert reading.source.truncated is not None
    assert "did not come back" in reading.source.truncated


async def test_without_any_outage_allowed_it_ends_at_once(autojump_clock: MockClock) -> None:
    """As with a limit of 0."""
    reading = live(Life(frames=4, ending=Ended("cam sends no more.", LostReason.CLOSED)), max_outage_s=0.0)
    await reading.run()
    assert (trio.current_time(), len(reading.opened)) == (0.0, 1)
    assert "cam sends no more." in str(reading.source.truncated)


async def test_time_goes_on_over_an_outage(autojump_clock: MockClock) -> None:
    """By when the frames came; within a connection it is the source's own."""
    reading = live(
        Life(frames=3, ending=DEAD, pace_s=20.0), AWAY, Life(frames=3, ending=DEAD, pace_s=10.0), Life(), max_frames=8
    )
    await reading.run()
    assert reading.times[:3] == [0.0, 40.0, 80.0]
    gap_ms = 1000 * (1.0 + 1.0 + 10.0) / SLOWER
    assert reading.times[3:6] == pytest.approx([80 + gap_ms, 120 + gap_ms, 160 + gap_ms])
    assert reading.times == sorted(reading.times)


async def test_time_begins_with_the_first_frame() -> None:  # noqa: ASYNC124 - tickets tell the time by Trio
    """Which is not the first picture, if that came before the plugins were ready."""
    count, ring, shown = LiveCount(), JobRing(2, 24), []
    for index, timestamp_ms, received_s in ((9, 360.0, 1.0), (12, 480.0, 1.1), (0, 0.0, 3.1), (1, 40.0, 3.2)):
        if index == 0:
            count.connect()
        ticket = FrameTicket(
            ring=ring, slot=0, index=index, timestamp_ms=timestamp_ms, width=4, height=2, received_s=received_s
        )
        count.place(ticket, 1)
        shown.append((ticket.index, round(ticket.timestamp_ms, 6)))
    ring.close()
    assert shown == [(9, 0.0), (12, 120.0), (13, 2120.0), (14, 2160.0)]


async def test_strides_keep_their_grid(autojump_clock: MockClock) -> None:
    """Over all connections."""
    reading = live(Life(frames=3, ending=DEAD), Life(frames=2, ending=DEAD), stride=3, max_frames=8)
    await reading.run()
    assert reading.indexes == list(range(0, 24, 3))


async def test_a_job_that_goes_on_waits_for_its_source(autojump_clock: MockClock) -> None:
    """The first opening is tried again too; indexes and times go on after the last frame of the earlier server."""
    after = Moment(timestamp_ms=5000.0, received_s=-2.0)
    reading = Reading(AWAY, AWAY, kind="stream", patient=True, after=after, start=70, max_frames=3)
    await reading.run()
    assert reading.indexes == [70, 71, 72]
    assert reading.times == pytest.approx([7000 + 2 * 1000 / SLOWER + 40 * index for index in range(3)])
    assert [text.partition(":")[0] for _, text in reading.lost] == ["unreachable"]
    assert reading.back == [(2.0, 70)]


async def test_who_is_not_patient_hears_at_once_that_there_is_nothing(autojump_clock: MockClock) -> None:
    """The first opening is not tried again."""
    with pytest.raises(CameraError):
        await live(AWAY).run()


async def test_what_is_waited_for_in_vain_has_no_ring(autojump_clock: MockClock) -> None:
    """The longest outage holds from the start too; and nobody waits if all frames are there."""
    reconnecting = Reconnecting(max_outage_s=5.0)
    reading = Reading(*[AWAY] * 30, kind="stream", patient=True, reconnecting=reconnecting)
    await reading.run()
    assert (reading.rings, reading.indexes) == ([], [])
    assert "The host cam does not answer." in str(reading.source.truncated)
    full = Reading(AWAY, kind="stream", patient=True, start=10, max_frames=0)
    await full.run()
    assert (full.opened, full.source.truncated) == ([], None)


async def test_a_new_size_is_taken_up_and_told(autojump_clock: MockClock) -> None:
    """By a new ring."""
    reading = live(Life(frames=2, ending=DEAD), Life(size=(8, 2), grows_at=0), max_frames=4)
    await reading.run()
    assert [note.code for note in reading.notes] == ["SOURCE_RESIZED"]
    assert "from 4x2 to 8x2" in reading.notes[0].message


async def test_a_file_in_its_place_is_no_live_source(autojump_clock: MockClock) -> None:
    """It is not read as if it went on."""
    reading = live(Life(frames=2, ending=DEAD), Life(kind="video"), Life(), max_frames=4)
    await reading.run()
    assert [text.partition(":")[0] for _, text in reading.lost] == ["closed", "no_video"]
    assert reading.indexes == list(range(4))


async def test_frames_on_their_way_are_waited_for_before_it_is_opened_again(autojump_clock: MockClock) -> None:
    """There is one ring at a time, and never two decoders: the kit looks."""
    reading = live(*[Life(frames=3, ending=DEAD)] * 20, max_frames=TOTAL)
    await reading.run()
    assert reading.indexes == list(range(TOTAL))


@pytest.mark.parametrize("at_s", [0.5, 1.5, 31.0])
async def test_cancelled_in_an_outage_it_leaves_nothing(autojump_clock: MockClock, at_s: float) -> None:
    """In a pause, while it is opened, and while the first frame is waited for."""
    reading = live(Life(frames=2, ending=DEAD), Life(opens_in_s=20.0), LAST)
    with trio.move_on_after(at_s) as scope:
        await reading.run()
    assert scope.cancelled_caught
