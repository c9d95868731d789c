"""What goes through a pipeline's link, encoded: its events, the commands to it, and answers to its questions.

Events that hold ready JSON are JSON, in which that part is checked and not decoded; those that hold bytes are
MessagePack. A FramePayload takes 5 µs to decode and 1 µs to encode again for the clients, so passing its JSON on as it
came would save too little to be worth a second kind of payload.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import msgspec

from kinora.actors.field_types import FrameId, Index, Pixels
from kinora.actors.found_events import FoundEvent, check_event_data
from kinora.actors.messages import (
    FrameImage,
    FramePayload,
    PartialResultPayload,
    PluginStatusPayload,
    WarningPayload,
)
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
from kinora.fleet.link import Attempt, Tell


class InvalidEvent(ValueError):
    """An event that no pipeline of this job tells; the text says why."""


class _FrameHead(msgspec.Struct):
    """The part of a FrameData that is looked at; its results are only checked to be JSON."""

    frame_id: FrameId
    index: Index
    timestamp_ms: float
    width: Pixels
    height: Pixels
    results: msgspec.Raw


@attrs.frozen
class _Kind:
    """How events of one class are encoded."""

    name: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def _in_json(name: str, kind: type[Any]) -> _Kind:
    decode = msgspec.json.Decoder(kind).decode

    def decode_text(data: bytes) -> Any:
        if not data.isascii():
            data.decode()  # msgspec does not look into strings that it leaves as they are
        return decode(data)

    return _Kind(name, msgspec.json.encode, decode_text)


def _in_msgpack(name: str, kind: type[Any]) -> _Kind:
    return _Kind(name, msgspec.msgpack.encode, msgspec.msgpack.Decoder(kind).decode)


_KINDS: Mapping[type[Any], _Kind] = {
    FramePayload: _in_json("frame", FramePayload),
    PartialResultPayload: _in_json("partial_result", PartialResultPayload),
    PluginStatusPayload: _in_json("plugin_status", PluginStatusPayload),
    WarningPayload: _in_json("warning", WarningPayload),
    FoundEvent: _in_msgpack("event", FoundEvent),
    FrameImage: _in_msgpack("frame_image", FrameImage),
    FrameDone: _in_msgpack("frame_done", FrameDone),
    StatesSaved: _in_msgpack("states_saved", StatesSaved),
    Prepared: _in_json("prepared", Prepared),
    StageIs: _in_json("stage_is", StageIs),
    PipelineState: _in_json("state", PipelineState),
    PipelineEnded: _in_json("ended", PipelineEnded),
    PipelineLost: _in_json("lost", PipelineLost),
}
_BY_NAME = {kind.name: kind for kind in _KINDS.values()}
FRAMES = frozenset({"frame_done", "states_saved"})
"""The kinds of events that have a frame to store."""
LAST = frozenset({"ended", "lost"})
"""The kinds of which an attempt tells one, as its last event."""
_frame_head = msgspec.json.Decoder(_FrameHead).decode


def encode_event(event: Event) -> tuple[str, bytes]:
    """Return an event's kind and its encoding.

    Raises:
        KeyError: it is a payload that pipelines do not tell.
    """
    kind = _KINDS[type(event)]
    return kind.name, kind.encode(event)


def decode_event(name: str, data: bytes, job_id: str) -> Event:
    """Return the event that a pipeline of this job has told.

    Raises:
        InvalidEvent: it is malformed, or about another job.
    """
    kind = _BY_NAME.get(name)
    if kind is None:
        raise InvalidEvent(f"There are no events of the kind {name[:40]!r}.")
    try:
        event: Event = kind.decode(data)
        _require_sound(event, job_id)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent(f"An event of the kind {name} is malformed: {error}.") from error
    return event


def _require_sound(event: Event, job_id: str) -> None:
    if isinstance(event, FrameDone):
        _require_frame(event)
    elif isinstance(event, StatesSaved):
        _require_frame(event.frame)
    elif isinstance(event, FoundEvent):
        check_event_data(event.data)
    elif getattr(event, "job_id", job_id) != job_id:
        raise InvalidEvent("An event is about another job.")


def _require_frame(frame: FrameDone) -> None:
    if not frame.data.isascii():
        frame.data.decode()
    if _frame_head(frame.data).index != frame.index:
        raise InvalidEvent("A frame has the data of another one.")
    for event in frame.events:
        check_event_data(event.data)
        if event.index != frame.index:
            raise InvalidEvent("A frame has an event of another one.")


# Commands


def tell_of(attempt: Attempt, command: Command) -> Tell:
    """Return the message that brings a command to an attempt."""
    match command:
        case Pause():
            return Tell(attempt=attempt, command="pause")
        case Resume():
            return Tell(attempt=attempt, command="resume")
        case Stop(saving):
            return Tell(attempt=attempt, command="save_and_stop" if saving else "stop")
        case Watch(fps):
            return Tell(attempt=attempt, command="watch", fps=fps)


def command_of(tell: Tell) -> Command:
    """Return the command in a message."""
    match tell.command:
        case "pause":
            return Pause()
        case "resume":
            return Resume()
        case "watch":
            return Watch(tell.fps)
        case "stop" | "save_and_stop":
            return Stop(saving=tell.command == "save_and_stop")


# Answers

Answered = Mark | Mapping[str, bytes] | int | None
_mark = msgspec.msgpack.Decoder(Mark).decode
_results = msgspec.msgpack.Decoder(dict[str, bytes]).decode
_count = msgspec.msgpack.Decoder(int).decode


def encode_answer(value: Answered) -> bytes:
    """Return the value of an Answer: MessagePack, empty for None."""
    return b"" if value is None else msgspec.msgpack.encode(value)


def decode_mark(value: bytes) -> Mark | None:
    """Return the answer to ``mark``.

    Raises:
        msgspec.DecodeError: it is another one.
    """
    return _mark(value) if value else None


def decode_results(value: bytes) -> dict[str, bytes] | None:
    """Return the answer to ``results``; raises as :func:`decode_mark`."""
    return _results(value) if value else None


def decode_count(value: bytes) -> int:
    """Return the answer to ``count_before``; raises as :func:`decode_mark`."""
    return _count(value)
