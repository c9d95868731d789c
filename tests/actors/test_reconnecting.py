"""When a lost source is opened again, and when it is given up: decisions, without any waiting."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinora.actors.sources.reconnecting import LASTED_S, SPREAD, Lost, Reconnecting
from kinora.actors.sources.source_reader import DecoderHung, SourceBroke
from kinora.media.camera_errors import SILENCE_S, CameraError, LostReason
from kinora.media.source_types import SourceError
from kinora.runtime.forking.workers import ForkServerGone

CLOSED, SILENT = LostReason.CLOSED, LostReason.SILENT


def plain(max_outage_s: float | None = None) -> Reconnecting:
    """One whose pauses are neither longer nor shorter."""
    return Reconnecting(max_outage_s=max_outage_s, chance=lambda: 0.5)


def pauses(reconnecting: Reconnecting, count: int, at: float = 0.0) -> list[float]:
    """The pauses before so many attempts that fail at once."""
    found = []
    for _ in range(count):
        reconnecting.lose(CLOSED, at)
        found.append(reconnecting.next_pause_s())
        at += found[-1]
    return found


def test_the_pauses_grow_to_a_minute() -> None:
    """And stay there, however long it takes."""
    assert pauses(plain(), 25) == [1.0] * 5 + [5.0] * 5 + [10.0] * 10 + [60.0] * 5


@given(chance=st.floats(0, 1), count=st.integers(1, 30))
def test_each_pause_is_a_little_longer_or_shorter(chance: float, count: int) -> None:
    """By up to a fifth."""
    for spread, exact in zip(pauses(Reconnecting(chance=lambda: chance), count), pauses(plain(), count), strict=True):
        assert exact * (1 - SPREAD) - 1e-9 <= spread <= exact * (1 + SPREAD) + 1e-9


def test_the_pauses_differ() -> None:
    """Those of two cameras, and of one."""
    assert len({*pauses(Reconnecting(), 5), *pauses(Reconnecting(), 5)}) == 10


def test_after_a_connection_that_lasted_the_pauses_start_over() -> None:
    """It has given frames for a while."""
    reconnecting = plain()
    pauses(reconnecting, 12)
    reconnecting.see_frame(100.0)
    reconnecting.see_frame(100.0 + LASTED_S)
    assert pauses(reconnecting, 6, at=200.0) == [1.0] * 5 + [5.0]


@pytest.mark.parametrize("lost_after_s", [0.0, LASTED_S / 2, 10 * LASTED_S])
def test_after_a_short_connection_the_pauses_go_on(lost_after_s: float) -> None:
    """One frame is no success, however late the silence after it is noticed."""
    reconnecting = plain()
    pauses(reconnecting, 9)
    reconnecting.see_frame(100.0)
    assert pauses(reconnecting, 2, at=100.0 + lost_after_s) == [5.0, 10.0]


def test_a_source_that_flaps_is_not_asked_oftener_and_oftener() -> None:
    """Connections of one frame each."""
    reconnecting, found = plain(), []
    for at in accumulate([20.0] * 12):
        found += pauses(reconnecting, 1, at=at)
        reconnecting.see_frame(at + 15)
    assert found == [1.0] * 5 + [5.0] * 5 + [10.0] * 2


def test_an_outage_lasts_from_the_loss_to_the_next_frame() -> None:
    """Over all attempts, those that were connected without a frame too."""
    reconnecting = plain()
    assert reconnecting.see_frame(1.0) is None
    for at in (10.0, 12.0, 20.0):
        reconnecting.lose(CLOSED, at)
    assert reconnecting.see_frame(30.5) == 20.5
    assert reconnecting.see_frame(31.0) is None


@pytest.mark.parametrize(("last_frame_at", "outage_s"), [(4.0, SILENCE_S + 0.5), (95.0, 5.5), (None, 0.5)])
def test_an_outage_by_silence_began_before_it_was_noticed(last_frame_at: float | None, outage_s: float) -> None:
    """With the last frame, but no longer ago than it takes to notice: a slow pipeline may have kept that waiting."""
    reconnecting = plain()
    if last_frame_at is not None:
        reconnecting.see_frame(last_frame_at)
    reconnecting.lose(SILENT, 100.0)
    assert reconnecting.see_frame(100.5) == outage_s


def test_each_reason_is_news_once_in_an_outage() -> None:
    """And again in the next."""
    reconnecting = plain()
    assert [reconnecting.lose(reason, 1.0) for reason in (CLOSED, CLOSED, SILENT, CLOSED)] == [True, False, True, False]
    reconnecting.see_frame(2.0)
    assert reconnecting.lose(CLOSED, 3.0)


def test_an_outage_that_is_too_long_ends_the_source() -> None:
    """Counted from the loss, in each outage anew; without a limit it never does."""
    reconnecting = plain(max_outage_s=60)
    assert reconnecting.ends_at == float("inf")
    pauses(reconnecting, 3, at=100.0)
    assert reconnecting.ends_at == 160.0
    reconnecting.see_frame(159.0)
    assert reconnecting.ends_at == float("inf")
    pauses(reconnecting, 3, at=200.0)
    assert reconnecting.ends_at == 260.0
    endless = plain()
    pauses(endless, 100)
    assert endless.ends_at == float("inf")


@pytest.mark.parametrize(
    ("failure", "reason", "sentence"),
    [
        (CameraError(LostReason.AUTH, "cam asks for a password."), LostReason.AUTH, "cam asks for a password."),
        (SourceError("unreadable", "Not from there."), LostReason.REFUSED, "Not from there."),
        (SourceError("too_large", "It is too large."), LostReason.CODEC, "It is too large."),
        (SourceError("unsupported", "That is text."), LostReason.CODEC, "That is text."),
        (DecoderHung("the decoder sent nothing"), SILENT, "The source cannot be read: the decoder sent nothing."),
        (SourceBroke("the decoder is gone"), CLOSED, "The source cannot be read: the decoder is gone."),
        (ForkServerGone("no fork server"), CLOSED, "The source cannot be read: no fork server."),
    ],
)
def test_every_failure_has_a_word(
    failure: SourceBroke | ForkServerGone | SourceError, reason: LostReason, sentence: str
) -> None:
    """Whatever ends a decoder of a live source."""
    assert Lost.by(failure) == Lost(reason, sentence)
