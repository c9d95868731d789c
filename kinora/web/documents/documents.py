"""The documents of the API as types: answers are encoded from them, and schemas are generated from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar, get_type_hints

import attrs
import msgspec

from kinora.actors.field_types import Count, Index, JobId, Milliseconds, Percent, Time
from kinora.actors.messages import Health, Stage
from kinora.actors.models import JobState, JobStatus, StageError
from kinora.actors.webhooks.delivery_table import DeliveryStatus
from kinora.fleet.agent_state import AgentState, LostAgent
from kinora.media.camera_errors import LostReason
from kinora.plugins.protocol import Origin
from kinora.web.documents.room_documents import HealthDetails

_T = TypeVar("_T", bound=msgspec.Struct)

REF = "#/components/schemas/{name}"
"""The reference to a type's schema in the OpenAPI document."""
Frame = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"$ref": REF.format(name="FrameData")})]
"""A FrameData as stored: JSON text that is sent unchanged."""
StoredEvent = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"$ref": REF.format(name="EventPayload")})]
"""An EventPayload as stored: JSON text that is sent unchanged."""
# msgspec sorts an attrs object's fields by name. These are sent as dicts, which keep the order of the class.
DeviceDict = Annotated[dict[str, Any], msgspec.Meta(extra_json_schema={"$ref": REF.format(name="Device")})]
MetadataDict = Annotated[dict[str, Any], msgspec.Meta(extra_json_schema={"$ref": REF.format(name="PluginMetadata")})]
ErrorDict = Annotated[dict[str, Any], msgspec.Meta(extra_json_schema={"$ref": REF.format(name="PluginError")})]


class JobResponse(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A job and its frames: exactly these five keys."""

    job_id: JobId
    device_requested: str
    device_used: str
    fallback: bool
    frames: list[Frame]


def _extended() -> list[tuple[str, Any]]:
    fields, others = (get_type_hints(model, include_extras=True) for model in (JobResponse, JobState))
    return [*(fields | {name: kind for name, kind in others.items() if name not in fields}).items()]


ExtendedJobResponse = msgspec.defstruct(
    "ExtendedJobResponse",
    _extended(),
    kw_only=True,
    module=__name__,
    namespace={"__doc__": "A JobResponse together with everything else that is known about the job."},
)


class JobSummary(msgspec.Struct, kw_only=True):
    """A job in a list."""

    job_id: JobId
    status: JobStatus
    stage: Stage
    progress: Percent | None
    source: str
    device_requested: str
    device_used: str
    fallback: bool
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    duration_ms: Milliseconds | None
    """As in ExtendedJobResponse, like the other fields of the same name."""
    frames_done: Count
    frames_total: Count | None
    detections: Count
    picture: Index | None
    warnings_count: Count
    """The number of warnings, repeats included."""
    error: str | None
    plugins: list[str]
    """The plugins' names, in the order of the job's pipeline."""
    plugins_failed: list[str]
    """Those of them that failed in this job."""
    standing: str | None
    queue_position: int | None


def job_summary(state: JobState) -> JobSummary:
    """The summary of a job in this state."""
    return document_of(
        state,
        JobSummary,
        plugins=list(state.plugins),
        plugins_failed=[name for name, stage in state.plugins.items() if stage.status == "failed"],
        warnings_count=sum(group.count for group in state.warning_groups),
    )


def document_of(state: JobState, kind: type[_T], **others: Any) -> _T:
    """A ``kind`` with the fields in ``others``, and all its other fields from ``state``."""
    return kind(**{name: getattr(state, name) for name in kind.__struct_fields__ if name not in others}, **others)


class JobList(msgspec.Struct, kw_only=True):
    """A page of jobs, newest first."""

    jobs: list[JobSummary]
    next_cursor: str | None
    """The ``cursor`` of the next page; null on the last page."""


class FramePage(msgspec.Struct, kw_only=True):
    """A page of frames, in order."""

    frames: list[Frame]
    next_after: Index | None
    """The ``after`` of the next page; null if there are no more frames yet."""


class EventList(msgspec.Struct, kw_only=True):
    """A page of events, in the order of their numbers."""

    events: list[StoredEvent]
    next: Annotated[int, msgspec.Meta(ge=1)] | None
    """The ``after`` of the next page; null if there are no more events yet."""


class ClipState(msgspec.Struct, kw_only=True):
    """The part of a video around an event, which is kept with the job."""

    event: Annotated[int, msgspec.Meta(ge=1)]
    """The number of the event in the job."""
    plugin: str
    kind: str
    index: Index
    """The frame of the event."""
    timestamp_ms: float
    """The time of the event in the source."""
    start_ms: float
    """Where the clip begins, in the time of the source: at a key frame. Negative if that came before the job's first
    picture."""
    duration_ms: Milliseconds
    bytes: Count
    codec: str | None
    """How its pictures are coded, by FFmpeg's name, such as ``h264``; null for a clip of an earlier version."""
    to_encode: bool
    """True while it waits to be encoded as H.264, as browsers do not play it; its bytes change then."""
    url: str
    """The address of the clip, an MP4."""


class ClipList(msgspec.Struct, kw_only=True):
    """The clips of a job that are there now, in the order of their events."""

    clips: list[ClipState]


class JobStatusAnswer(msgspec.Struct, kw_only=True):
    """The answer to a pause or resume."""

    job_id: JobId
    status: JobStatus


class CancelAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The answer to a cancel."""

    job_id: JobId
    status: JobStatus | Literal["cancelling"]
    """``cancelling`` while processes of the job are still alive."""
    cancelled: bool
    """True if the job ended as cancelled."""
    cancel_ms: Milliseconds | None
    """Milliseconds from the call until every process of the job had gone; null if the job was not cancelled."""
    pids: tuple[int, ...] = ()
    """The processes that are still alive after 5 s; left out if there are none."""


class PluginSummary(msgspec.Struct, kw_only=True):
    """A plugin, as it appears in the list."""

    name: str
    health: Health | Literal["broken"]
    """``broken`` if the plugin cannot be loaded; otherwise its health at the end of its latest job, or ``ok`` if the
    plugins were looked for since then."""
    failures: Count
    restarts: Count
    reason: str | None
    """The reason why the plugin is broken; null if it is not."""
    origin: Origin
    metadata: MetadataDict | None
    """The plugin's description of itself; null if it is broken."""


class PluginList(msgspec.Struct, kw_only=True):
    """All plugins, broken ones included."""

    plugins: list[PluginSummary]


@attrs.frozen(kw_only=True)
class PluginError(StageError):
    """The latest error of a plugin, and the job in which it happened."""

    job_id: JobId | None


class PluginDetail(PluginSummary, kw_only=True):
    """A plugin with all details."""

    traceback: str | None
    """The traceback of a broken plugin."""
    last_error: ErrorDict | None
    code: str
    """The hash of its code: agents that have another one run no job with this plugin."""


class LibraryStatus(msgspec.Struct, kw_only=True):
    """A library that plugins compute with, and the kinds of device that it can use here."""

    name: str
    version: str | None
    kinds: tuple[str, ...]
    reason: str | None


class CameraStatus(msgspec.Struct, kw_only=True):
    """A camera that clients may watch, and whether it can be reached now."""

    name: str
    """As the operator has called it; ``webcam:0`` for ``/dev/video0``."""
    source: str
    """What a job names it by: ``camera:NAME`` or ``webcam:NUMBER``."""
    reachable: bool | None
    """Null if that is not known yet: ask again."""
    reason: LostReason | None
    """Why it cannot be reached, in one word; null if it can, or for another reason."""
    message: str
    """A sentence: what it sends, or what to do."""
    checked_at: Time | None
    """When that was found out; null if nobody has looked yet."""
    in_use_by: JobId | None
    """A job that watches it; null if none does. It is not opened a second time: the job tells then."""


class CameraList(msgspec.Struct, kw_only=True):
    """All cameras and webcams that clients may watch."""

    cameras: list[CameraStatus]


class DeliveryState(msgspec.Struct, kw_only=True):
    """A message that is posted to the receiver of a webhook, or was."""

    number: Count
    """Higher than those of all deliveries before it."""
    webhook: str
    """``NAME`` of ``[webhooks.NAME]``."""
    id: str
    """As in the header Kinora-Delivery, the same at each attempt."""
    job_id: JobId
    type: str
    """The type of the message: event, complete or warning."""
    kind: str
    """The kind of an event, the code of a warning, the status of a job that has ended."""
    event: Count | None
    """The number of the event in its job; null for other messages."""
    status: DeliveryStatus
    attempts: Count
    created_at: Time
    tried_at: Time | None
    """When the last attempt ended; null before."""
    answer: str
    """What came of the last attempt; empty before."""


class WebhookStatus(msgspec.Struct, kw_only=True):
    """A webhook, with what has come of its messages since the server started."""

    name: str
    waiting: Count
    """The messages that wait for their receiver now."""
    delivered: Count
    given_up: Count
    """The messages that were given up, as their receiver did not take them within an hour."""
    left_out: Count
    """The messages that were left out, as too many waited."""
    fault: str
    """What came of the last attempt, if that has failed; else empty."""


class DeliveryList(msgspec.Struct, kw_only=True):
    """A page of deliveries, the newest first, and all webhooks."""

    deliveries: list[DeliveryState]
    next: Count | None
    """The number to give as ``before`` for the next page; null if this is the last one."""
    webhooks: list[WebhookStatus]


class WebhookTest(msgspec.Struct, kw_only=True):
    """What came of a message that was posted to test a webhook."""

    webhook: str
    id: str
    """As in the header Kinora-Delivery."""
    accepted: bool
    """True if the receiver has taken it."""
    answer: str
    """What came of it; if it was not accepted, with what to do."""
    took_ms: Milliseconds
    """From the look-up of the receiver's host to its answer."""


class AgentList(msgspec.Struct, kw_only=True):
    """The agents that work for this server, and those that it has lost."""

    agents: list[AgentState]
    """In the order in which they came; empty if all jobs run in the server itself."""
    lost: list[LostAgent]
    """Those of the last hour, the newest first."""


class DeviceList(msgspec.Struct, kw_only=True):
    """The devices that jobs can run on."""

    devices: list[DeviceDict]
    default: str
    """The device that ``auto`` stands for."""
    libraries: list[LibraryStatus]


class MediaFile(msgspec.Struct, kw_only=True):
    """A video or an image; ``name`` can be given as a job's source."""

    name: str
    bytes: Count


class MediaList(msgspec.Struct, kw_only=True):
    """The files in the media folder."""

    files: list[MediaFile]
    truncated: bool
    """True if the folder has more entries than are searched, or more files than are listed."""
    left_out: Count
    """Videos and images that no job can name or read: links out of the folder, names that are not Unicode, pipes."""


class Liveness(msgspec.Struct, kw_only=True):
    """The server is alive."""

    status: Literal["ok"]
    details: HealthDetails | msgspec.UnsetType = msgspec.UNSET
    """Only if they are asked for."""


class Readiness(msgspec.Struct, kw_only=True):
    """The server takes new jobs."""

    ready: bool
    reasons: list[str]
    """Faults of parts that jobs can do without, such as live messages, a sentence each."""
