"""What the system tells its clients: RealtimeMessage and its payloads.

Payloads are frozen attrs classes, encoded by msgspec as they stand, so a field's name here is its name on the wire.
What the rest of the system asks of any payload is in :class:`Facts`, and each payload answers for itself: a new message
is its class and its place in :data:`Payload`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, get_args

import attrs
import msgspec

from kinora.plugins.api import Severity
from kinora.runtime.broadcast import Overflow

Health = Literal["ok", "degraded", "failed"]
StageStatus = Literal["started", "running", "completed", "failed"]
Stage = Literal["queued", "preparing", "running", "paused", "finalizing", "deleted"]


class Code(enum.StrEnum):
    """Why a warning was given."""

    PLUGIN_ERROR = "PLUGIN_ERROR"
    """It raised."""
    PLUGIN_TIMEOUT = "PLUGIN_TIMEOUT"
    """It did not answer within its time and was killed."""
    PLUGIN_CRASH = "PLUGIN_CRASH"
    """Its process ended on its own."""
    PLUGIN_MEMORY = "PLUGIN_MEMORY"
    """It grew beyond its memory limit and was killed."""
    PLUGIN_BAD_RESULT = "PLUGIN_BAD_RESULT"
    """What it returned cannot be told as JSON."""
    PLUGIN_DISABLED = "PLUGIN_DISABLED"
    """It failed too often in a row; this job goes on without it."""
    PLUGIN_SLOW = "PLUGIN_SLOW"
    """A frame took longer than its latency budget."""
    PLUGIN_WARNING = "PLUGIN_WARNING"
    """The plugin itself called ``context.warn``."""
    DEVICE_FALLBACK = "DEVICE_FALLBACK"
    """The device asked for is not to be had; ``cpu`` is used."""
    SOURCE_TRUNCATED = "SOURCE_TRUNCATED"
    """The source broke off; the frames before that are complete."""
    FRAMES_DROPPED = "FRAMES_DROPPED"
    """The pipeline was behind a source that does not wait."""
    STORE_FAILING = "STORE_FAILING"
    """The disk refuses; what the job finds is held in memory, and then the job waits, until it can be stored."""


class Facts:
    """What can be asked of every payload. Its class answers with a field, a constant or a property of that name."""

    __slots__ = ()
    type: ClassVar[str]
    """The message's type as clients see it."""
    always_shown: ClassVar[bool] = False
    """Whether clients get it that asked for other types."""

    @property
    def overflow(self) -> Overflow:
        """What may become of it in the outbox of a slow client."""
        return Overflow.KEPT

    @property
    def job_id(self) -> str | None:
        """The job it is about."""
        return None

    @property
    def plugin(self) -> str | None:
        """The plugin it is about."""
        return None

    @property
    def index(self) -> int | None:
        """The index of the frame it shows."""
        return None

    @property
    def pictured(self) -> bool:
        """Whether there is a picture of that frame."""
        return False

    @property
    def stage(self) -> str | None:
        """The stage its job is in."""
        return None

    @property
    def running(self) -> bool:
        """Whether all it says is that a plugin goes on."""
        return False

    @property
    def final(self) -> bool:
        """Whether the job ends with it, or is at 100 %."""
        return False

    def document(self) -> object:
        """What msgspec is to encode."""
        return self


@attrs.frozen(kw_only=True)
class ProgressPayload(Facts):
    type = "progress"
    overflow = Overflow.LATEST

    job_id: str
    progress: int | None
    """0 to 100, null when the length is unknown; 100 only when the job is done."""
    stage: Stage
    plugin: str | None = None
    frames_done: int = 0
    frames_total: int | None = None

    @property
    def final(self) -> bool:
        """Whether the job is at 100 %."""
        return self.progress == 100  # noqa: PLR2004 - per cent


@attrs.frozen(kw_only=True)
class FramePayload(Facts):
    type = "frame"
    overflow = Overflow.REPLACED

    job_id: str
    frame_id: str
    index: int
    plugin: str
    data: msgspec.Raw
    """The plugin's result, as the JSON text that its worker made of it."""
    device_used: str
    timing_ms: float
    queue_ms: float
    """How long the frame waited for the plugin."""
    width: int
    height: int
    timestamp_ms: float
    image_url: str | None
    pictured: bool = False
    """Whether its picture comes too, to those who asked for ``images=binary``."""


@attrs.frozen(kw_only=True)
class PartialResultPayload(Facts):
    type = "partial_result"
    overflow = Overflow.REPLACED

    job_id: str
    plugin: str
    result: msgspec.Raw
    partial: bool = True


@attrs.frozen(kw_only=True)
class PluginStatusPayload(Facts):
    type = "plugin_status"

    job_id: str
    plugin: str
    status: StageStatus
    timing_ms: float | None
    frames_processed: int
    warnings_count: int
    health: Health

    @property
    def running(self) -> bool:
        """Whether it reports no change."""
        return self.status == "running"

    @property
    def overflow(self) -> Overflow:
        """Changes of the status are kept."""
        return Overflow.LATEST if self.running else Overflow.KEPT


@attrs.frozen(kw_only=True)
class WarningPayload(Facts):
    type = "warning"

    job_id: str
    plugin: str | None
    """Null when the warning is about the source or the device."""
    message: str
    severity: Severity
    code: Code
    frame_id: str | None = None
    """The frame on which it first occurred, when it was on one."""
    count: int = 1
    """How often it has occurred by now; a repeat is shown at the 10th, 100th, 1,000th … time."""


@attrs.frozen(kw_only=True)
class ErrorPayload(Facts):
    type = "error"
    always_shown = True

    job_id: str | None
    error: str
    plugin: str | None
    details: Mapping[str, Any]
    """``error_code``, ``message`` and ``fallback``."""
    frame_id: str | None = None


@attrs.frozen(kw_only=True)
class CompletePayload(Facts):
    type = "complete"
    final = True

    job_id: str
    status: str
    frames: int
    duration_ms: float
    warnings_count: int


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
    """Messages in this range, both ends included, are not coming any more."""

    type = "gap"
    always_shown = True

    from_: str
    to: str
    reason: Literal["expired", "restarted", "slow", "deleted"]
    dropped: int | None = None
    """How many messages; only with the reason ``slow``."""

    def document(self) -> object:
        """With ``from``, which Python reserves, and without members that are not there."""
        members = {"from": self.from_, "to": self.to, "reason": self.reason}
        return members if self.dropped is None else members | {"dropped": self.dropped}


Payload = (
    ProgressPayload
    | FramePayload
    | PartialResultPayload
    | PluginStatusPayload
    | WarningPayload
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
    """A message that is no text: a WebSocket carries it as binary, an event stream cannot carry it."""

    __slots__ = ()


class FrameImageHeader(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=FRAME_IMAGE):
    """What stands before the JPEG in a binary message."""

    job_id: str
    frame_id: str
    index: int
    width: int
    height: int
    format: Literal["jpeg"] = "jpeg"


@attrs.frozen(kw_only=True)
class FrameImage:
    """The picture of a frame. It has no id: who was not there when it was made finds it at ``image_url``."""

    job_id: str
    frame_id: str
    index: int
    width: int
    height: int
    jpeg: bytes

    def encode(self) -> BinaryMessage:
        """Four bytes, big-endian, for the length of the header; the header as JSON; the JPEG."""
        header = msgspec.json.encode(
            FrameImageHeader(
                job_id=self.job_id, frame_id=self.frame_id, index=self.index, width=self.width, height=self.height
            )
        )
        return BinaryMessage(b"".join((len(header).to_bytes(4), header, self.jpeg)))


def utc_now() -> str:
    """This moment as ISO 8601 in UTC with milliseconds, ``2026-11-23T08:00:00.123Z``."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@attrs.frozen
class RealtimeMessage:
    """One message to the clients of ``/v1/realtime``: type, payload and timestamp; its id comes with publishing."""

    payload: Payload
    timestamp: str = attrs.field(factory=utc_now)

    @property
    def type(self) -> str:
        """The message's type as clients see it."""
        return self.payload.type

    @property
    def job_id(self) -> str | None:
        """The job it is about, if it is about one."""
        return self.payload.job_id

    @property
    def overflow(self) -> Overflow:
        """What may become of it in the outbox of a slow client."""
        return self.payload.overflow

    @property
    def replaces(self) -> tuple[str | None, str, str | None]:
        """Messages of the same job, type and plugin replace each other."""
        return (self.job_id, self.type, self.payload.plugin)

    def encode(self, message_id: str) -> bytes:
        """The whole message as one line of JSON in UTF-8."""
        return msgspec.json.encode(
            {"type": self.type, "payload": self.payload.document(), "timestamp": self.timestamp, "id": message_id}
        )
