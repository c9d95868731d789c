"""A client's filters are understood or refused with a sentence, and messages are chosen by them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinora.actors.errors import InvalidRequest
from kinora.actors.messages import (
    CompletePayload,
    ErrorPayload,
    GapPayload,
    MetadataPayload,
    PingPayload,
    RealtimeMessage,
)
from kinora.actors.realtime.filters import (
    Filters,
    Pace,
    Ping,
    Pong,
    Subject,
    Subscribe,
    parse_filters,
    read_client_message,
)
from kinora.runtime.events.outbox import Event
from tests.actors.realtime_kit import frame, picture, progress, status, warning

COMPLETE = RealtimeMessage(CompletePayload(job_id="job", status="done", frames=1, duration_ms=1.0, warnings_count=0))


def published(message: RealtimeMessage, time: float = 0.0) -> Event:
    """The message as an event of this time."""
    return Event(seq=1, data=b"{}", source=Subject.of(message), time=time)


def said(message: object) -> object:
    """The decoded message of this JSON."""
    return read_client_message(msgspec.json.encode(message))


def error_code(answer: object) -> Any:
    """The code of a refusal."""
    assert isinstance(answer, ErrorPayload)
    assert answer.details["message"] == answer.error
    return answer.details["error_code"]


def test_everything_is_wanted_by_default() -> None:
    """Without a query a client sees all types of all jobs, with addresses of pictures."""
    filters = parse_filters({})
    assert filters == Filters()
    for message in (frame(1), progress(1), warning("w", job_id="other"), COMPLETE):
        assert filters.accepts(published(message))


def test_a_query_is_read_whole() -> None:
    """Repeated and comma-joined values are taken, other keys left alone."""
    query = {
        "job_id": ["a", "b"],
        "types": ["frame,progress", "warning"],
        "max_fps": ["2.5"],
        "images": ["none"],
        "session_id": ["x"],
    }
    types = frozenset({"frame", "progress", "warning"})
    expected = Filters(job_ids=frozenset("ab"), types=types, max_fps=2.5, images="none")
    assert parse_filters(query) == expected


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"job_id": [""]}, "job_id"),
        ({"job_id": ["x" * 201]}, "job_id"),
        ({"job_id": [str(n) for n in range(101)]}, "job_id"),
        ({"types": ["frames"]}, "types"),
        ({"max_fps": ["0"]}, "max_fps"),
        ({"max_fps": ["-1"]}, "max_fps"),
        ({"max_fps": ["nan"]}, "max_fps"),
        ({"max_fps": ["inf"]}, "max_fps"),
        ({"max_fps": ["fast"]}, "max_fps"),
        ({"images": ["jpeg"]}, "images"),
    ],
)
def test_a_wrong_value_is_refused_by_name(query: dict[str, list[str]], path: str) -> None:
    """The error says which value is wrong."""
    with pytest.raises(InvalidRequest) as caught:
        parse_filters(query)
    assert [error.path for error in caught.value.errors] == [path]


def test_all_that_is_wrong_is_said_at_once() -> None:
    """Two mistakes give two errors."""
    with pytest.raises(InvalidRequest) as caught:
        parse_filters({"types": ["frames"], "images": ["all"]})
    assert {error.path for error in caught.value.errors} == {"types", "images"}


def test_jobs_and_types_are_chosen() -> None:
    """Only messages of the wanted jobs and types come."""
    filters = Filters(job_ids=frozenset({"job"}), types=frozenset({"frame"}))
    assert filters.accepts(published(frame(1)))
    assert not filters.accepts(published(frame(1, job_id="other")))
    assert not filters.accepts(published(progress(1)))


@pytest.mark.parametrize(
    "payload",
    [
        MetadataPayload(plugin="motion", metadata={}),
        PingPayload(interval_seconds=30),
        GapPayload(from_="e-1", to="e-2", reason="expired"),
        ErrorPayload(job_id=None, error="e", plugin=None, details={}),
    ],
)
def test_types_never_hides_what_a_client_must_know(payload: Any) -> None:
    """Gap, ping, metadata and error come even if other types were asked for."""
    assert Filters(types=frozenset({"frame"})).accepts(published(RealtimeMessage(payload)))


def test_equal_filters_are_equal() -> None:
    """Two clients that ask for the same share the work."""
    one, other = (parse_filters({"job_id": ["a", "b"], "types": ["frame"]}) for _ in range(2))
    assert (one, hash(one)) == (other, hash(other))


def test_pace_shows_the_same_frames_of_all_plugins() -> None:
    """A plugin that is behind shows the frames that the first one showed, and no others."""
    pace = Pace(max_fps=10)
    for index in range(50):
        pace.admits(published(frame(index, plugin="first"), time=index * 0.04))
    shown = [i for i in range(50) if pace.admits(published(frame(i, plugin="second"), time=2 + i * 0.04))]
    again = Pace(max_fps=10)
    assert shown == [i for i in range(50) if again.admits(published(frame(i), time=i * 0.04))]
    assert shown[:4] == [0, 3, 5, 8]


def test_a_plugin_at_the_side_has_a_pace_of_its_own() -> None:
    """Its results are seldom on the frames that the others show; neither chooses for the other."""
    pace, alone = Pace(max_fps=8), Pace(max_fps=8)
    shown: list[int] = []
    for index in range(100):
        now = index / 64
        assert pace.admits(published(frame(index), time=now)) == alone.admits(published(frame(index), time=now))
        late = published(frame(max(0, index - 7), plugin="late", side=True), time=now)
        shown += [index] if pace.admits(late) else []
    assert shown == list(range(0, 100, 8))


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=100), st.floats(0.5, 60))
def test_pace_is_kept(gaps: list[float], max_fps: float) -> None:
    """In no stretch of time there is more than one frame above max_fps, and never none for long."""
    pace = Pace(max_fps)
    now = 0.0
    shown: list[float] = []
    for index, gap in enumerate(gaps):
        now += gap
        if pace.admits(published(frame(index), time=now)):
            shown.append(now)
        assert now - shown[-1] < 1 / max_fps + 1e-9
    for n, first in enumerate(shown):
        for m, last in enumerate(shown[n:]):
            assert m - 1 <= (last - first) * max_fps + 1e-6


def test_pace_holds_back_what_is_replaced_and_nothing_else() -> None:
    """In one moment there is one frame, progress and running status each; all that must be seen still comes."""
    pace = Pace(max_fps=1)
    messages = [
        progress(0),
        status("started"),
        frame(0),
        status("running"),
        progress(10),
        frame(1),
        status("running"),
        warning("seen"),
        progress(20),
        progress(20, stage="paused"),
        status("completed"),
        progress(100, stage="paused"),
        COMPLETE,
    ]
    kept = [n for n, message in enumerate(messages) if pace.admits(published(message))]
    assert kept == [0, 1, 2, 3, 7, 9, 10, 11, 12]


def test_pace_forgets_a_job_that_is_complete() -> None:
    """A server that runs for months keeps nothing of the jobs that have ended."""
    pace = Pace(max_fps=1)
    for message in (progress(0), frame(0), status("running"), COMPLETE):
        pace.admits(published(message))
    assert not pace._jobs


def test_pace_forgets_jobs_whose_end_it_does_not_see() -> None:
    """A client that wants frames alone never sees that a job is complete, and memory stays bounded all the same."""
    pace = Pace(max_fps=1)
    for number in range(5_000):
        assert pace.admits(published(frame(0, job_id=str(number)), time=float(number)))
        assert not pace.admits(published(frame(1, job_id=str(number)), time=float(number)))
    assert len(pace._jobs) <= 601


def test_pictures_are_for_those_who_asked_for_them() -> None:
    """Only ``images=binary`` gets pictures, of the jobs it wants, and by any choice of types."""
    image = Subject.of_picture(picture(3))
    assert Filters(images="binary", types=frozenset({"complete"})).wants(image)
    assert not Filters(images="binary", job_ids=frozenset({"other"})).wants(image)
    assert not Filters().wants(image)
    assert not Filters(images="none").wants(image)


@pytest.mark.parametrize("ahead", [False, True])
def test_the_frames_of_a_paced_watcher_are_those_with_pictures(*, ahead: bool) -> None:
    """Though pictures come a little early or late, each is shown with its frame, and no frame without one."""
    pace = Pace(max_fps=10, pictured=True)
    shown: list[int] = []
    images: list[int] = []
    for index in range(200):
        now = index * 0.02 + (index % 3 - 1) * 0.004
        has_picture = index % 5 == 0
        image = Event(seq=0, data=b"", source=Subject.of_picture(picture(index)), time=now)
        if ahead and has_picture and pace.admits(image):
            images.append(index)
        if pace.admits(published(frame(index, pictured=has_picture), time=now)):
            shown.append(index)
        if not ahead and has_picture and pace.admits(image):
            images.append(index)
    assert shown == images == list(range(0, 200, 5))


def test_without_pictures_a_paced_watcher_still_sees_frames() -> None:
    """When none are made, frames come all the same, a little less often than asked for."""
    pace = Pace(max_fps=10, pictured=True)
    shown = [index for index in range(200) if pace.admits(published(frame(index), time=index * 0.02))]
    assert len(shown) in range(20, 41)


def test_jobs_have_their_own_pace() -> None:
    """One job's frames do not hold back another's."""
    pace = Pace(max_fps=1)
    assert pace.admits(published(frame(5)))
    assert pace.admits(published(frame(5, job_id="other")))


def test_what_a_client_may_say() -> None:
    """Pong, ping with its timestamp, and subscribe are understood."""
    assert said({"type": "pong"}) == Pong()
    assert said({"type": "ping"}) == Ping(None)
    assert said({"type": "ping", "payload": {"timestamp": "now"}}) == Ping("now")
    assert said({"type": "ping", "timestamp": "now"}) == Ping("now")
    payload = {"job_id": "a", "types": ["frame"], "max_fps": 5, "images": "none"}
    filters = Filters(job_ids=frozenset("a"), types=frozenset({"frame"}), max_fps=5.0, images="none")
    assert said({"type": "subscribe", "payload": payload}) == Subscribe(filters)
    assert said({"type": "subscribe", "payload": {"job_id": None}}) == Subscribe(Filters())


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", b"\xff", "\ud800", "[" * 100_000, '{"a": NaN}'])
def test_what_is_no_json_object_is_refused(text: str | bytes) -> None:
    """Rubbish of any kind gets MSG_INVALID_JSON, never an exception."""
    assert error_code(read_client_message(text)) == "MSG_INVALID_JSON"


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"type": None},
        {"type": 5},
        {"type": "subscribe"},
        {"type": "subscribe", "payload": []},
        {"type": "subscribe", "payload": {"max_fps": "fast"}},
        {"type": "subscribe", "payload": {"max_fps": True}},
        {"type": "subscribe", "payload": {"max_fps": {}}},
        {"type": "subscribe", "payload": {"types": ["frames"]}},
        {"type": "subscribe", "payload": {"job_id": [1]}},
    ],
)
def test_a_missing_or_wrong_field_is_named(message: object) -> None:
    """The answer has the code and says which field is to be given how."""
    assert error_code(said(message)) == "MSG_MISSING_FIELD"


def test_an_unknown_type_is_refused() -> None:
    """The answer says what there is, and is short however long the type was."""
    answer = said({"type": "x" * 10_000})
    assert error_code(answer) == "MSG_UNKNOWN_TYPE"
    assert isinstance(answer, ErrorPayload)
    assert len(answer.error) < 500


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
kinds = st.sampled_from(["ping", "pong", "subscribe"])
fields = st.sampled_from(["job_id", "types", "max_fps", "images"])


@given(st.one_of(st.text(), st.binary(), kinds), st.one_of(json_values, st.dictionaries(fields, json_values)))
def test_nothing_a_client_says_raises(kind: str | bytes, payload: object) -> None:
    """All JSON and all bytes get an answer."""
    read_client_message(kind)
    if isinstance(kind, str):
        try:
            text = msgspec.json.encode({"type": kind, "payload": payload})
        except (ValueError, OverflowError):
            return
        read_client_message(text)


def test_a_huge_number_is_no_way_in() -> None:
    """A number of thousands of digits is refused like any other wrong value."""
    read_client_message('{"type": "subscribe", "payload": {"max_fps": ' + "9" * 10_000 + "}}")
