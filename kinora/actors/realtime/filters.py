"""The filters and the pace of a realtime client, and its messages to the server. Nothing here sends."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import attrs
import msgspec

from kinora.actors.errors import FieldError, InvalidRequest
from kinora.actors.job_ids import canonical_job_id
from kinora.actors.messages import FRAME_IMAGE, TYPES, ErrorPayload, FrameImage, RealtimeMessage
from kinora.runtime.events.outbox import Event

ALWAYS_SHOWN = frozenset(name for kind, name in TYPES.items() if kind.always_shown)
WITHOUT_PICTURES = ("url", "none")
IMAGES = (*WITHOUT_PICTURES, "binary")
MAX_JOB_IDS = 100
MAX_ID_LENGTH = 200
REMEMBERED_FRAMES = 1_000
"""The chosen frames of a job that are remembered for its slower plugins; no pipeline holds more."""
REMEMBERED_S = 600.0
"""A job that is silent for this long is forgotten; the client's filters may leave out its ``complete``."""
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
"""A number as JSON and people write it; ``float`` takes underscores and other digits of Unicode too."""


_AnId = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_LENGTH)]
JobIds = Annotated[list[_AnId], msgspec.Meta(max_length=MAX_JOB_IDS)]
MessageType = Annotated[str, msgspec.Meta(extra_json_schema={"enum": sorted(TYPES.values())})]
ImagesOfEvents = Annotated[str, msgspec.Meta(extra_json_schema={"enum": [*WITHOUT_PICTURES]})]
FramesPerSecond = Annotated[float, msgspec.Meta(gt=0)]
Images = Annotated[str, msgspec.Meta(extra_json_schema={"enum": [*IMAGES]})]


class Subscription(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The messages that a client wants from now on. What is left out, or null, is not filtered."""

    job_id: JobIds | _AnId | None = None
    """All jobs if left out."""
    types: list[MessageType] | MessageType | None = None
    """All types if left out; gap, ping, metadata and error always come."""
    max_fps: FramesPerSecond | None = None
    """The most frames a second; if there are more, the latest are sent."""
    images: Images | None = None
    """``binary`` for the frames' pictures as binary messages, ``url`` or ``none`` for their addresses alone."""


FILTER_KEYS = Subscription.__struct_fields__


class ClientSubscribe(msgspec.Struct, tag_field="type", tag="subscribe"):
    """Asks for other messages from now on."""

    payload: Subscription


class ClientPing(msgspec.Struct, tag_field="type", tag="ping"):
    """Asks for a pong."""

    timestamp: str | None = None
    """Comes back in the pong."""


class ClientPong(msgspec.Struct, tag_field="type", tag="pong"):
    """Answers a ping."""


class ShownToken(msgspec.Struct):
    """The payload of ``auth``."""

    token: str


class ClientAuth(msgspec.Struct, tag_field="type", tag="auth"):
    """Shows the token of a client that could not send it with its request: its first message where one is needed.

    Elsewhere it changes nothing.
    """

    payload: ShownToken


CLIENT_MESSAGES = (ClientSubscribe, ClientPing, ClientPong, ClientAuth)
"""The messages that a client may send, as the API's document describes them."""


class Subject(msgspec.Struct, frozen=True):
    """The facts of a message that filters need. The log keeps it beside the encoded message."""

    type: str
    job_id: str | None
    plugin: str | None = None
    index: int | None = None
    """The frame's index, in a message about a frame or its picture."""
    pictured: bool = False
    """True if there is a picture of that frame."""
    from_side: bool = False
    """True if the plugin works at the side of the others."""
    stage: str | None = None
    """The job's stage, in a ``progress``."""
    running: bool = False
    """True for a ``plugin_status`` that only says that the plugin still runs."""
    final: bool = False
    """True if the job ends with this message, or is at 100 %."""

    @staticmethod
    def of(message: RealtimeMessage) -> Subject:
        """Return the subject of a message."""
        payload = message.payload
        return Subject(
            type=payload.type,
            job_id=payload.job_id,
            plugin=payload.plugin,
            index=payload.index,
            pictured=payload.pictured,
            from_side=payload.from_side,
            stage=payload.stage,
            running=payload.running,
            final=payload.final,
        )

    @staticmethod
    def of_picture(image: FrameImage) -> Subject:
        """Return the subject of a picture."""
        return Subject(type=FRAME_IMAGE, job_id=image.job_id, index=image.index, pictured=True)


@attrs.frozen(kw_only=True)
class Filters:
    """The messages that one client wants; clients with equal filters share the work."""

    job_ids: frozenset[str] = frozenset()
    """Empty: all jobs."""
    types: frozenset[str] = frozenset()
    """Empty: all types."""
    max_fps: float | None = None
    images: str = "url"

    @property
    def wants_pictures(self) -> bool:
        """True if pictures are to be sent, and not only their URLs."""
        return self.images == "binary"

    def accepts(self, event: Event) -> bool:
        """Return whether an event, whose source is a Subject, is wanted. The Pace may still leave it out."""
        subject = event.source
        return isinstance(subject, Subject) and self.wants(subject)

    def wants(self, subject: Subject) -> bool:
        """Return whether messages of this subject are wanted."""
        return self.wants_job(subject.job_id) and (
            self.wants_pictures
            if subject.type == FRAME_IMAGE
            else not self.types or subject.type in self.types or subject.type in ALWAYS_SHOWN
        )

    def wants_job(self, job_id: object) -> bool:
        """Return whether messages about this job are wanted; None stands for messages about no job."""
        return not self.job_ids or job_id is None or job_id in self.job_ids


def parse_filters(query: Mapping[str, Sequence[str]]) -> Filters:
    """Return the filters in ``query``. ``job_id`` and ``types`` may be repeated, ``types`` also joined by commas.

    Other keys are ignored.

    Raises:
        InvalidRequest: with a sentence for each error.
    """
    errors: list[FieldError] = []
    filters = Filters(
        job_ids=_job_ids(query.get("job_id", ()), errors),
        types=_types(query.get("types", ()), errors),
        max_fps=_max_fps(query.get("max_fps", ()), errors),
        images=_images(query.get("images", ()), errors),
    )
    if errors:
        raise InvalidRequest("The filters are not valid.", errors)
    return filters


def _job_ids(given: Sequence[str], errors: list[FieldError]) -> frozenset[str]:
    if len(given) > MAX_JOB_IDS:
        errors.append(FieldError("job_id", f"Name at most {MAX_JOB_IDS} jobs, or none to see all."))
    elif not all(0 < len(job_id) <= MAX_ID_LENGTH for job_id in given):
        errors.append(FieldError("job_id", "Give the id that POST /v1/jobs answered with."))
    return frozenset(map(canonical_job_id, given))


def _types(given: Sequence[str], errors: list[FieldError]) -> frozenset[str]:
    wanted = frozenset(name.strip() for names in given for name in names.split(",") if name.strip())
    if unknown := wanted - set(TYPES.values()):
        known = ", ".join(sorted(TYPES.values()))
        errors.append(FieldError("types", f"There is no type {', '.join(sorted(unknown))!r}; the types are {known}."))
    return wanted


def _max_fps(given: Sequence[str], errors: list[FieldError]) -> float | None:
    if not given:
        return None
    value = float(given[-1]) if _NUMBER.fullmatch(given[-1]) else math.nan
    if not (value > 0 and math.isfinite(value)):
        errors.append(FieldError("max_fps", "Give frames per second as a number above 0, or leave it out."))
    return value


def _images(given: Sequence[str], errors: list[FieldError]) -> str:
    images = given[-1] if given else "url"
    if images not in IMAGES:
        errors.append(FieldError("images", f"Choose one of {', '.join(IMAGES)}."))
    return images


def next_due(due: float | None, interval_s: float, now: float) -> float:
    """Return when the next item is due, after one at ``now`` that was due at ``due``.

    The interval after a late item is shorter, so that the rate holds.
    """
    on_time = (now if due is None else due) + interval_s
    return on_time if on_time > now else now + interval_s


@attrs.define
class _Job:
    """The pace of one job."""

    heard: float = 0.0
    """The time of its latest message."""
    due: dict[tuple[str, str | None], float] = attrs.field(factory=dict)
    """Type and plugin → the time from which the next message may pass."""
    chosen: deque[int] = attrs.field(factory=lambda: deque(maxlen=REMEMBERED_FRAMES))
    """The indices of the frames that are shown, in ascending order."""
    newest: int = -1
    """The highest index so far. Frames up to it have been decided on."""
    stage: str | None = None


class Pace:
    """Thins out the messages of each job to ``max_fps`` frames a second, by the time of publishing.

    Frames are chosen by index, so all plugins show the same ones. A plugin at the side has frames of its own, at the
    same rate: it would seldom have one of those. Progress and running status pass at the same rate
    for each job and plugin; a change of stage and the last progress always pass. All other messages pass.

    With ``pictured``, a frame that has a picture is chosen up to half an interval early, and any other only when it is
    a whole interval late. So the frames with a picture are shown as long as there are any.
    """

    def __init__(self, max_fps: float, *, pictured: bool = False) -> None:
        self._interval_s = 1 / max_fps
        self._pictured = pictured
        self._jobs: dict[str, _Job] = {}
        """By id; the job that has been silent longest comes first."""

    def admits(self, event: Event) -> bool:
        """Return whether an event, whose source is a Subject, passes. To be called once for each event, in order."""
        subject = event.source
        if not isinstance(subject, Subject) or subject.job_id is None:
            return True
        job = self._jobs.pop(subject.job_id, None) or _Job()
        if subject.type == "complete":
            return True
        self._jobs[subject.job_id] = job
        job.heard = event.time
        self._forget_silent(event.time)
        if subject.from_side:
            return self._is_due(job, ("frame", subject.plugin), event.time)
        if subject.index is not None:
            return self._shows_frame(job, subject, subject.index, event.time)
        if subject.type == "progress":
            changed = job.stage != subject.stage
            job.stage = subject.stage
            return self._is_due(job, (subject.type, None), event.time) or changed or subject.final
        return not subject.running or self._is_due(job, (subject.type, subject.plugin), event.time)

    def _shows_frame(self, job: _Job, subject: Subject, index: int, now: float) -> bool:
        if index <= job.newest:
            return index in job.chosen
        job.newest = index
        late_s = 0.0
        if self._pictured:
            late_s = -self._interval_s / 2 if subject.pictured else self._interval_s
        if not self._is_due(job, ("frame", None), now, late_s):
            return False
        job.chosen.append(index)
        return True

    def _is_due(self, job: _Job, what: tuple[str, str | None], now: float, late_s: float = 0.0) -> bool:
        due = job.due.get(what)
        if due is not None and now < due + late_s:
            return False
        job.due[what] = next_due(due, self._interval_s, now)
        return True

    def _forget_silent(self, now: float) -> None:
        while next(iter(self._jobs.values())).heard < now - REMEMBERED_S:
            del self._jobs[next(iter(self._jobs))]


@attrs.frozen
class Subscribe:
    """A client's request for other filters from now on."""

    filters: Filters


@attrs.frozen
class Ping:
    """A client's request for a pong."""

    timestamp: str | None


@attrs.frozen
class Pong:
    """A client's sign of life."""


def read_client_message(text: str | bytes) -> Subscribe | Ping | Pong | ErrorPayload:
    """Decode a client's message; if it is not valid, return the error to answer with. Never raises."""
    try:
        message = msgspec.json.decode(text)
    except (ValueError, RecursionError):  # bytes that are not UTF-8 give a ValueError too
        return refusal("MSG_INVALID_JSON", "Send one JSON object as text.")
    if not isinstance(message, dict):
        return refusal("MSG_INVALID_JSON", 'Send one JSON object, as in {"type": "ping"}.')
    payload = message.get("payload")
    match message.get("type"):
        case "pong" | "auth":  # a client may show its token where it was let in already
            return Pong()
        case "ping":
            stamp = payload.get("timestamp") if isinstance(payload, dict) else message.get("timestamp")
            return Ping(stamp if isinstance(stamp, str) else None)
        case "subscribe":
            return _read_subscription(payload)
        case str(other):
            name = other[:MAX_ID_LENGTH]
            return refusal("MSG_UNKNOWN_TYPE", f"There is no type {name!r}: send subscribe, ping or pong.")
        case _:
            return refusal("MSG_MISSING_FIELD", 'Give the message a field "type": subscribe, ping or pong.')


def _read_subscription(payload: object) -> Subscribe | ErrorPayload:
    if not isinstance(payload, dict):
        return refusal("MSG_MISSING_FIELD", 'Give an object "payload" with any of job_id, types, max_fps, images.')
    try:
        return Subscribe(parse_filters({key: _texts(key, payload.get(key)) for key in FILTER_KEYS}))
    except InvalidRequest as error:
        return refusal("MSG_MISSING_FIELD", str(error))


def _texts(key: str, value: object) -> list[str]:
    """Return a JSON value in the form of a query parameter."""
    match value:
        case None:
            return []
        case str():
            return [value]
        case bool():
            pass
        case int() | float():
            return [str(value)]
        case list() if all(isinstance(item, str) for item in value):
            return value
    raise InvalidRequest("The filters are not valid.", [FieldError(key, "Give a text, a number or a list of texts.")])


def refusal(code: str, message: str) -> ErrorPayload:
    """Return the error that answers a client's message."""
    details: dict[str, Any] = {"error_code": code, "message": message, "fallback": None}
    return ErrorPayload(job_id=None, error=message, plugin=None, details=details)
