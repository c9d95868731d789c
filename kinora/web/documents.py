"""The documents of the API as types: answers are encoded from them, and schemas are made of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar, get_type_hints

import attrs
import msgspec

from kinora.actors.messages import Health, Stage
from kinora.actors.models import JobState, JobStatus, StageError
from kinora.plugins.protocol import Origin

_T = TypeVar("_T", bound=msgspec.Struct)

REF = "#/components/schemas/{name}"
"""Where OpenAPI has the schema of a type."""
Frame = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"$ref": REF.format(name="FrameData")})]
"""A FrameData as it is stored: JSON text that is passed on as it is."""
# msgspec sends the fields of an attrs object by the alphabet. These keep their own order, and so are sent as dicts.
DeviceDict = Annotated[dict[str, Any], msgspec.Meta(extra_json_schema={"$ref": REF.format(name="Device")})]
MetadataDict = Annotated[dict[str, Any], msgspec.Meta(extra_json_schema={"$ref": REF.format(name="PluginMetadata")})]
ErrorDict = Annotated[dict[str, Any], msgspec.Meta(extra_json_schema={"$ref": REF.format(name="PluginError")})]


class JobResponse(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A job and its frames: these five keys and never another."""

    job_id: str
    device_requested: str
    device_used: str
    fallback: bool
    frames: list[Frame]


def _extended() -> list[tuple[str, Any]]:
    fields = get_type_hints(JobResponse, include_extras=True)
    return [*(fields | {name: kind for name, kind in get_type_hints(JobState).items() if name not in fields}).items()]


ExtendedJobResponse = msgspec.defstruct(
    "ExtendedJobResponse",
    _extended(),
    kw_only=True,
    module=__name__,
    namespace={"__doc__": "A JobResponse and all that is known of the job besides."},
)


class JobSummary(msgspec.Struct, kw_only=True):
    """A job in a list."""

    job_id: str
    status: JobStatus
    stage: Stage
    progress: int | None
    source: str
    device_requested: str
    device_used: str
    fallback: bool
    created_at: str
    started_at: str | None
    finished_at: str | None
    frames_done: int
    frames_total: int | None
    error: str | None
    plugins: list[str]
    """Their names, in the order of the job's pipeline."""


def document_of(state: JobState, kind: type[_T], **others: Any) -> _T:
    """A document of this kind: what ``others`` does not give, the state has under the same name."""
    return kind(**{name: getattr(state, name) for name in kind.__struct_fields__ if name not in others}, **others)


class JobList(msgspec.Struct, kw_only=True):
    """A page of jobs, newest first."""

    jobs: list[JobSummary]
    next_cursor: str | None
    """For the next page; null on the last one."""


class FramePage(msgspec.Struct, kw_only=True):
    """A page of frames, in order."""

    frames: list[Frame]
    next_after: int | None
    """For the next page; null when there are no more frames so far."""


class JobStatusAnswer(msgspec.Struct, kw_only=True):
    """What a job's pause or resume comes to."""

    job_id: str
    status: JobStatus


class CancelAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a job's cancelling comes to."""

    job_id: str
    status: JobStatus | Literal["cancelling"]
    """``cancelling`` while processes of it are still there."""
    cancelled: bool
    """Whether the job ended as cancelled."""
    cancel_ms: float | None
    pids: tuple[int, ...] = ()
    """The processes that are still there after 5 s; left out if there are none."""


class PluginSummary(msgspec.Struct, kw_only=True):
    """A plugin in the list."""

    name: str
    health: Health | Literal["broken"]
    """Of one that is not broken, as its latest job left it."""
    failures: int
    restarts: int
    reason: str | None
    """Why it is broken."""
    origin: Origin
    metadata: MetadataDict | None
    """What it says of itself; null if it is broken."""


class PluginList(msgspec.Struct, kw_only=True):
    """All plugins, broken ones included."""

    plugins: list[PluginSummary]


@attrs.frozen(kw_only=True)
class PluginError(StageError):
    """The last thing that went wrong in a plugin, and in which job."""

    job_id: str | None


class PluginDetail(PluginSummary, kw_only=True):
    """A plugin by itself."""

    traceback: str | None
    """Of one that is broken."""
    last_error: ErrorDict | None


class LibraryStatus(msgspec.Struct, kw_only=True):
    """What a library that plugins compute with can use here."""

    name: str
    version: str | None
    kinds: tuple[str, ...]
    reason: str | None


class DeviceList(msgspec.Struct, kw_only=True):
    """What there is to run on."""

    devices: list[DeviceDict]
    default: str
    """What ``auto`` takes."""
    libraries: list[LibraryStatus]


class MediaFile(msgspec.Struct, kw_only=True):
    """A video or an image, named as a source."""

    name: str
    bytes: int


class MediaList(msgspec.Struct, kw_only=True):
    """The media folder."""

    files: list[MediaFile]
    truncated: bool
    """Whether there is more than is looked at or listed."""


class Liveness(msgspec.Struct, kw_only=True):
    """The server is alive."""

    status: Literal["ok"] = "ok"


class Readiness(msgspec.Struct, kw_only=True):
    """The server takes new jobs."""

    ready: bool
    reasons: list[str]
    """What does not work as it should."""
