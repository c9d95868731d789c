"""What goes through a pipeline's link comes out at the other end as it went in; anything else is refused."""

from __future__ import annotations

import math
from typing import get_args

import attrs
import msgspec
import pytest

from kinora.actors.found_events import FoundEvent
from kinora.actors.messages import (
    Code,
    FrameImage,
    FramePayload,
    PartialResultPayload,
    PluginStatusPayload,
    WarningPayload,
)
from kinora.actors.models import FrameData, Outage, StageState, WarningGroup
from kinora.actors.pipeline.pipeline_link import (
    Command,
    Event,
    FrameDone,
    Pause,
    PipelineEnded,
    PipelineLost,
    PipelineState,
    Prepared,
    Resume,
    StageIs,
    StatesSaved,
    Stop,
    Watch,
)
from kinora.actors.store.earlier_frames import Mark
from kinora.fleet.events import (
    InvalidEvent,
    command_of,
    decode_count,
    decode_event,
    decode_mark,
    decode_results,
    encode_answer,
    encode_event,
    tell_of,
)
from kinora.fleet.link import Attempt
from kinora.media.camera_errors import LostReason
from kinora.plugins.devices import Resolution

JOB = "00000000-0000-4000-8000-000000000001"
RESULT = msgspec.Raw('{"text":"Füße"}'.encode())


def frame_data(index: int = 3, result: bytes = b'{"count":1}') -> bytes:
    """A frame with one result, as it is stored."""
    return FrameData(
        frame_id=f"frame-{index:06}",
        index=index,
        timestamp_ms=120.0,
        width=64,
        height=48,
        results={"count": msgspec.Raw(result)},
    ).encode()


FELL = FoundEvent(
    plugin="count", kind="fall", message="Füße", data='{"text":"Füße"}'.encode(), index=3, timestamp_ms=120.0
)
READY = FoundEvent(plugin="count", kind="ready")
DONE = FrameDone(3, frame_data(), 2, {"count": b"\x00state"}, (FELL,))
IMAGE = FrameImage(job_id=JOB, frame_id="frame-000003", index=3, width=64, height=48, jpeg=b"\xff\xd8")
EVENTS: list[Event] = [
    FramePayload(
        job_id=JOB,
        frame_id="frame-000003",
        index=3,
        plugin="count",
        data=RESULT,
        device_used="cpu",
        timing_ms=1.5,
        queue_ms=0.0,
        width=64,
        height=48,
        timestamp_ms=120.0,
        image_url=None,
        side=True,
    ),
    PartialResultPayload(job_id=JOB, plugin="count", result=RESULT),
    PluginStatusPayload(
        job_id=JOB,
        plugin="count",
        status="running",
        timing_ms=None,
        frames_processed=3,
        warnings_count=0,
        health="ok",
    ),
    WarningPayload(job_id=JOB, plugin=None, message="Late.", severity="low", code=Code.PLUGIN_SLOW),
    READY,
    IMAGE,
    DONE,
    StatesSaved(DONE),
    Prepared(),
    StageIs("reconnecting"),
    PipelineState(
        stages={"count": StageState(frames=3, finalize=msgspec.Raw(b"null"))},
        device=Resolution("cpu", fallback=True, reason="There is none."),
        timings={"count": 4.5},
        warnings=("Late.",),
        warning_groups=(
            WarningGroup(plugin=None, code="X", severity="low", message="Late.", count=1, frame_id=None, at=None),
        ),
        outages=(Outage(reason=LostReason.UNREACHABLE, message="It ended.", lost_at="2026-01-01T00:00:00.000Z"),),
        logs={"count": "hello\n"},
    ),
    PipelineEnded(error="It failed.", truncated=None, stuck=(7,)),
    PipelineLost("The agent was stopped.", "north-1"),
]
COMMANDS: list[Command] = [Pause(), Resume(), Stop(), Stop(saving=True), Watch(2.5), Watch(math.inf)]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_comes_as_it_was_told(event: Event) -> None:
    """What is decoded equals what was encoded."""
    assert decode_event(*encode_event(event), JOB) == event


def test_there_is_an_encoding_for_each_event_of_a_pipeline() -> None:
    """A new event needs an encoding, unless only the Job or a session tells it."""
    only_of_the_job = {"ProgressPayload", "EventPayload", "ErrorPayload", "CompletePayload", "MetadataPayload"}
    only_of_sessions = {"PingPayload", "PongPayload", "GapPayload"}
    every = {kind.__name__ for kind in get_args(Event)}
    assert every - {type(event).__name__ for event in EVENTS} == only_of_the_job | only_of_sessions


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("progress", b"{}"),
        ("no such kind", b""),
        ("ended", b""),
        ("ended", b"{"),
        ("ended", b"\xff"),
        ("ended", b'{"error": 1}'),
        ("frame", b"[" * 100_000),
        ("frame_done", b"\xc1"),
        ("frame_done", encode_event(FrameDone(4, frame_data(3)))[1]),
        ("frame_done", encode_event(FrameDone(3, b"{}"))[1]),
        ("frame_done", encode_event(FrameDone(3, frame_data(3, b'"\xff"')))[1]),
        ("frame_done", encode_event(attrs.evolve(DONE, events=(attrs.evolve(FELL, index=4),)))[1]),
        ("frame_done", encode_event(attrs.evolve(DONE, events=(attrs.evolve(FELL, data=b"{"),)))[1]),
        ("event", encode_event(attrs.evolve(READY, data=b'"\xff"'))[1]),
        ("event", encode_event(attrs.evolve(READY, kind="k" * 65))[1]),
        ("states_saved", encode_event(StatesSaved(FrameDone(3, b"null")))[1]),
        ("partial_result", b'{"job_id":"%s","plugin":"p","result":"\xff"}' % JOB.encode()),
        ("partial_result", b'{"job_id":"another","plugin":"p","result":1}'),
        ("frame_image", encode_event(attrs.evolve(IMAGE, job_id="another"))[1]),
    ],
)
def test_an_event_that_no_pipeline_tells_is_refused(name: str, data: bytes) -> None:
    """Nothing malformed, nothing of another job, and no frame with the data of another one comes through."""
    with pytest.raises(InvalidEvent):
        decode_event(name, data, JOB)


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_comes_as_it_was_given(command: Command) -> None:
    """A command goes through a Tell."""
    assert command_of(tell_of(Attempt(JOB, 1), command)) == command


def test_answers_come_as_they_were_given() -> None:
    """None and what is empty stay apart."""
    mark = Mark(7, {"count": b"\x00"})
    assert decode_mark(encode_answer(mark)) == mark
    assert decode_mark(encode_answer(None)) is None
    assert decode_results(encode_answer({"count": b"1"})) == {"count": b"1"}
    assert decode_results(encode_answer({})) == {}
    assert decode_results(encode_answer(None)) is None
    assert decode_count(encode_answer(0)) == 0
