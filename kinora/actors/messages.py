"""The messages to clients: RealtimeMessage and its payloads.

Payloads are frozen attrs classes that msgspec encodes, so a field's name here is its name on the wire. All payloads
have the members of :class:`Facts`. A new message needs a class here and a place in :data:`Payload`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

import attrs
import msgspec

from kinora.actors.field_types import Count, FrameId, Index, JobId, Milliseconds, Percent, Pixels
from kinora.actors.times import utc_now
from kinora.plugins.api import Severity
from kinora.plugins.protocol import KIND_CHARACTERS
from kinora.runtime.events.broadcast import Overflow

Health = Literal["ok", "degraded", "failed"]
StageStatus = Literal["started", "running", "completed", "failed"]
Stage = Literal["queued", "waiting", "preparing", "running", "reconnecting", "paused", "finalizing", "deleted"]
EndStatus = Literal["done", "failed", "cancelled", "interrupted"]
GapReason = Literal["expired", "restarted", "slow", "deleted"]
_Ended = Annotated[str, msgspec.Meta(extra_json_schema={"enum": [*get_args(EndStatus)]})]


class Code(enum.StrEnum):
    """The reason for a warning."""

    PLUGIN_ERROR = "PLUGIN_ERROR"
    """The plugin raised an exception."""
    PLUGIN_TIMEOUT = "PLUGIN_TIMEOUT"
    """The plugin did not answer in time, and its process was killed."""
    PLUGIN_CRASH = "PLUGIN_CRASH"
    """The plugin's process ended on its own."""
    PLUGIN_MEMORY = "PLUGIN_MEMORY"
    """The plugin's process exceeded its memory limit and was killed."""
    PLUGIN_BAD_RESULT = "PLUGIN_BAD_RESULT"
    """The plugin returned a result that JSON cannot represent, in whole or in part."""
    PLUGIN_DISABLED = "PLUGIN_DISABLED"
    """The plugin failed too often in a row; this job goes on without it."""
    PLUGIN_SLOW = "PLUGIN_SLOW"
    """A frame took longer than the plugin's latency budget."""
    PLUGIN_WARNING = "PLUGIN_WARNING"
    """The plugin called ``context.warn``."""
    DEVICE_FALLBACK = "DEVICE_FALLBACK"
    """The requested device is unavailable or has failed; ``cpu`` is used instead."""
    RESUMED = "RESUMED"
    """The plugin goes on at this frame in a new process, with an older state: what it saw since that is lost."""
    STATE_LOST = "STATE_LOST"
    """The plugin began anew at this frame, in a new process: what it had remembered of earlier frames is lost."""
    SOURCE_TRUNCATED = "SOURCE_TRUNCATED"
    """The source broke off; the frames before that are complete."""
    SOURCE_LEFT_OUT = "SOURCE_LEFT_OUT"
    """A part of the source is not read: files of a folder, further pictures of a file. The message says which."""
    SOURCE_GUESSED = "SOURCE_GUESSED"
    """The source does not say something, such as the times of its pictures; the message says what is assumed."""
    SOURCE_RESIZED = "SOURCE_RESIZED"
    """The pictures of the source change their size; each frame has its own."""
    SOURCE_LOST = "SOURCE_LOST"
    """A live source gives no more pictures; it is opened again and again. The message begins with the reason's word."""
    SOURCE_BACK = "SOURCE_BACK"
    """The first frame after ``SOURCE_LOST``; the message says how long the source was away."""
    SOURCE_RESTARTED = "SOURCE_RESTARTED"
    """The source's decoder failed, and another one goes on at the same place: no frame is lost."""
    EVENTS_DROPPED = "EVENTS_DROPPED"
    """The job has had more events than it keeps; the oldest are gone."""
    FRAMES_DROPPED = "FRAMES_DROPPED"
    """The pipeline could not keep up with a live source."""
    AGENT_LOST = "AGENT_LOST"
    """The agent that worked on the job is lost. The job is queued again, and goes on after its last stored frame."""
    STORE_FAILING = "STORE_FAILING"
    """The disk cannot be written. Results are held in memory; when that is full, the job waits for the disk."""


class Facts:
    """The members that all payloads have. A payload's class overrides them by a field, a constant or a property."""

    __slots__ = ()
    type: ClassVar[str]
    """The message's type on the wire."""
    always_shown: ClassVar[bool] = False
    """True if clients get it even if they asked for other types."""

    @property
    def overflow(self) -> Overflow:
        """The treatment of the message in the outbox of a slow client."""
        return Overflow.KEPT

    @property
    def job_id(self) -> str | None:
        """The job that the message is about."""
        return None

    @property
    def plugin(self) -> str | None:
        """The plugin that the message is about."""
        return None

    @property
    def index(self) -> int | None:
        """The index of the frame that the message is about."""
        return None

    @property
    def pictured(self) -> bool:
        """True if there is a picture of that frame."""
        return False

    @property
    def from_side(self) -> bool:
        """True if the plugin works at the side of the others."""
        return False

    @property
    def stage(self) -> str | None:
        """The job's stage."""
        return None

    @property
    def running(self) -> bool:
        """True if the message only says that a plugin still runs."""
        return False

    @property
    def final(self) -> bool:
        """True if the job ends with this message, or is at 100 %."""
        return False

    def document(self) -> object:
        """Return the object that msgspec is to encode."""
        return self


@attrs.frozen(kw_only=True)
class ProgressPayload(Facts):
    type = "progress"
    overflow = Overflow.LATEST

    job_id: JobId
    progress: Percent | None
    """0 to 100; 100 only when the job is done. Null if the length is unknown."""
    stage: Stage
    plugin: str | None = None
    frames_done: Count = 0
    frames_total: Count | None = None

    @property
    def final(self) -> bool:
        """True if the job is at 100 %."""
        return self.progress == 100  # noqa: PLR2004 - per cent


@attrs.frozen(kw_only=True)
class FramePayload(Facts):
    type = "frame"
    overflow = Overflow.REPLACED

    job_id: JobId
    frame_id: FrameId
    index: Index
    plugin: str
    data: msgspec.Raw
    """The plugin's result."""
    device_used: str
    timing_ms: Milliseconds
    queue_ms: Milliseconds
    """The time that the frame waited for the plugin."""
    width: Pixels
    height: Pixels
    timestamp_ms: float
    image_url: str | None
    file: str | msgspec.UnsetType = msgspec.UNSET
    """The name of the frame's file in the folder that is the job's source; left out for other sources."""
    pictured: bool = False
    """True if the frame's picture is sent too, to clients that asked for ``images=binary``."""
    every: Count | msgspec.UnsetType = msgspec.UNSET
    """The plugin works on every Nth frame, and has no result on the others. Left out if it works on each."""
    side: bool | msgspec.UnsetType = msgspec.UNSET
    """True if the plugin works at the side: newer frames may be done already. Left out for other plugins."""

    @property
    def from_side(self) -> bool:
        """As the field says."""
        return self.side is True


@attrs.frozen(kw_only=True)
class PartialResultPayload(Facts):
    type = "partial_result"
    overflow = Overflow.REPLACED

    job_id: JobId
    plugin: str
    result: msgspec.Raw
    partial: bool = True


@attrs.frozen(kw_only=True)
class PluginStatusPayload(Facts):
    type = "plugin_status"

    job_id: JobId
    plugin: str
    status: StageStatus
    timing_ms: Milliseconds | None
    frames_processed: Count
    warnings_count: Count
    health: Health

    @property
    def running(self) -> bool:
        """True if the status has not changed."""
        return self.status == "running"

    @property
    def overflow(self) -> Overflow:
        """Changes of the status are never dropped; of ``running``, the latest is kept."""
        return Overflow.LATEST if self.running else Overflow.KEPT


@attrs.frozen(kw_only=True)
class WarningPayload(Facts):
    type = "warning"

    job_id: JobId
    plugin: str | None
    """The plugin; null if the warning is about the source, the device or the store."""
    message: str
    severity: Severity
    code: Code
    frame_id: FrameId | None = None
    """The frame at which it occurred this time; null if it is not about a frame."""
    count: Count = 1
    """The number of times so far; repeats are sent at the 10th, 100th, 1,000th … time."""


@attrs.frozen(kw_only=True)
class EventPayload(Facts):
    """Something that has happened, as a plugin says. It is kept with the job."""

    type = "event"

    job_id: JobId
    number: Annotated[int, msgspec.Meta(ge=1)]
    """1, 2, 3 … within the job, in the order of the frames."""
    plugin: str
    kind: Annotated[str, msgspec.Meta(min_length=1, max_length=KIND_CHARACTERS)]
    """The plugin's word for what has happened."""
    message: str
    data: msgspec.Raw
    """What the plugin says of it; null if it says no more."""
    frame_id: FrameId | None
    """The frame on which it happened; null, as the two below, if it is not about a frame."""
    index: Index | None
    timestamp_ms: float | None


@attrs.frozen(kw_only=True)
class ErrorPayload(Facts):
    type = "error"
    always_shown = True

    job_id: JobId | None
    error: str
    plugin: str | None
    details: Mapping[str, Any]
    """``error_code``, ``message`` and ``fallback``."""
    frame_id: FrameId | None = None


@attrs.frozen(kw_only=True)
class CompletePayload(Facts):
    type = "complete"
    final = True

    job_id: JobId
    status: _Ended
    frames: Count
    duration_ms: Milliseconds
    warnings_count: Count


@attrs.frozen(kw_only=True)
class MetadataPayload(Facts):
    type = "metadata"
    always_shown = True

    plugin: str
    metadata: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class PingPayload(Facts):
    type = "ping"
    always_shown = True

    interval_seconds: int


@attrs.frozen(kw_only=True)
class PongPayload(Facts):
    type = "pong"
    always_shown = True

    timestamp: str | None


@attrs.frozen(kw_only=True)
class GapPayload(Facts):
    """The messages in this range, both ends included, will not come."""

    type = "gap"
    always_shown = True

    from_: str
    to: str
    reason: GapReason
    dropped: Count | None = None
    """The number of messages; only with the reason ``slow``."""

    def document(self) -> object:
        """Return the members by their names on the wire: ``from_`` as ``from``, and no ``dropped`` if it is None."""
        members = {"from": self.from_, "to": self.to, "reason": self.reason}
        return members if self.dropped is None else members | {"dropped": self.dropped}


Payload = (
    ProgressPayload
    | FramePayload
    | PartialResultPayload
    | PluginStatusPayload
    | WarningPayload
    | EventPayload
    | ErrorPayload
    | CompletePayload
    | MetadataPayload
    | PingPayload
    | PongPayload
    | GapPayload
)

FRAME_IMAGE = "frame_image"
"""The type of the one message that is binary; see :class:`FrameImage`."""

TYPES: Mapping[type[Payload], str] = {kind: kind.type for kind in get_args(Payload)}


class BinaryMessage(bytes):
    """A binary message: a WebSocket carries it, an event stream cannot."""

    __slots__ = ()


class FrameImageHeader(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=FRAME_IMAGE):
    """The header before the JPEG in a binary message."""

    job_id: JobId
    frame_id: FrameId
    index: Index
    width: Pixels
    height: Pixels
    format: Literal["jpeg"] = "jpeg"


@attrs.frozen(kw_only=True)
class FrameImage:
    """The picture of a frame. It has no id and is not replayed; a client that missed it can get ``image_url``."""

    job_id: JobId
    frame_id: FrameId
    index: Index
    width: Pixels
    height: Pixels
    jpeg: bytes

    def encode(self) -> BinaryMessage:
        """Encode the length of the header in four bytes, big-endian, then the header as JSON, then the JPEG."""
        header = msgspec.json.encode(
            FrameImageHeader(
                job_id=self.job_id, frame_id=self.frame_id, index=self.index, width=self.width, height=self.height
            )
        )
        return BinaryMessage(b"".join((len(header).to_bytes(4), header, self.jpeg)))


@attrs.frozen
class RealtimeMessage:
    """One message to the clients of ``/v1/realtime``; it gets its id when it is published."""

    payload: Payload
    timestamp: str = attrs.field(factory=utc_now)

    @property
    def type(self) -> str:
        """The message's type on the wire."""
        return self.payload.type

    @property
    def job_id(self) -> str | None:
        """The job that the message is about; None if it is about no job."""
        return self.payload.job_id

    @property
    def overflow(self) -> Overflow:
        """The treatment of the message in the outbox of a slow client."""
        return self.payload.overflow

    @property
    def replaces(self) -> tuple[str | None, str, str | None]:
        """The key of messages that replace each other: job, type and plugin."""
        payload = self.payload
        return (payload.job_id, payload.type, payload.plugin)

    def encode(self, message_id: str) -> bytes:
        """Encode the message as one line of JSON in UTF-8."""
        payload = self.payload
        return msgspec.json.encode(
            {"type": payload.type, "payload": payload.document(), "timestamp": self.timestamp, "id": message_id}
        )
