"""The outages of a live source that a job keeps: when, why and for how long, and a bounded number of them."""

from __future__ import annotations

from datetime import UTC, datetime

from kinora.actors.sources.outages import MAX_OUTAGES, OutageLog
from kinora.actors.sources.reconnecting import Lost
from kinora.media.camera_errors import LostReason

LOST = Lost(LostReason.SILENT, "cam has sent no video for 8 s.")
OTHER = Lost(LostReason.REFUSED, "Nothing listens there.")
NOW = datetime(2026, 11, 26, 12, 0, 0, tzinfo=UTC)


def test_an_outage_says_when_it_began_and_how_long_it_was() -> None:
    """Its length is that from the last frame, so a silence that was noticed later has begun earlier."""
    log = OutageLog()
    log.lose(LOST, NOW)
    (outage,) = log.outages
    assert (outage.reason, outage.message) == ("silent", LOST.sentence)
    assert (outage.lost_at, outage.back_at, outage.seconds) == ("2026-11-26T12:00:00.000Z", None, None)
    log.come_back(20.04, 7, NOW)
    (outage,) = log.outages
    assert (outage.lost_at, outage.back_at) == ("2026-11-26T11:59:39.960Z", "2026-11-26T12:00:00.000Z")
    assert (outage.seconds, outage.frame_id) == (20.0, "frame-000007")


def test_another_reason_in_an_outage_makes_no_second_one() -> None:
    """The first reason is that for which the source was lost."""
    log = OutageLog()
    log.lose(LOST, NOW)
    log.lose(OTHER, NOW)
    assert [outage.reason for outage in log.outages] == ["silent"]
    log.come_back(1.0, 3, NOW)
    log.lose(OTHER, NOW)
    assert [outage.reason for outage in log.outages] == ["silent", "refused"]


def test_the_newest_outages_are_kept() -> None:
    """However often a camera goes away."""
    log = OutageLog()
    for index in range(3 * MAX_OUTAGES):
        log.lose(LOST, NOW)
        log.come_back(1.0, index, NOW)
    assert len(log.outages) == MAX_OUTAGES
    assert log.outages[-1].frame_id == f"frame-{3 * MAX_OUTAGES - 1:06d}"
