"""The documents of the API as types: answers are encoded from them, and schemas are generated from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar, get_type_hints

import attrs
import msgspec

from kinora.actors.field_types import Count, Index, JobId, Milliseconds, Percent, Time
from kinora.actors.messages import EndStatus, Health, Stage
from kinora.actors.models import JobState, JobStatus, StageError
from kinora.actors.token_table import Role, Token
from kinora.plugins.protocol import Origin

_T = TypeVar("_T", bound=msgspec.Struct)

REF = "#/components/schemas/{name}"
"""The reference to a type's schema in the OpenAPI document."""
Frame = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"$ref": REF.format(name="FrameData")})]
"""A FrameData as stored: JSON text that is sent unchanged."""
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


class PrunedJob(msgspec.Struct, kw_only=True):
    """A job that was deleted, or would be."""

    job_id: JobId
    status: EndStatus
    finished_at: Time
    bytes: Count
    """What its deletion gives back to the disk, at least."""


class PruneAnswer(msgspec.Struct, kw_only=True):
    """What a prune has deleted, or would delete."""

    dry_run: bool
    """True if nothing was deleted."""
    count: Count
    """The number of jobs."""
    bytes: Count
    """What their deletion gives back to the disk, at least, within moments."""
    in_use: Count
    """Jobs that would go too, but stay for now: their results are being read, or they are being resumed."""
    jobs: list[PrunedJob]
    """The first of the jobs, in the order of their ends; at most 100."""


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


class LibraryStatus(msgspec.Struct, kw_only=True):
    """A library that plugins compute with, and the kinds of device that it can use here."""

    name: str
    version: str | None
    kinds: tuple[str, ...]
    reason: str | None


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


class JobCounts(msgspec.Struct, kw_only=True):
    """The number of jobs of each status, as they are stored."""

    queued: Count = 0
    running: Count = 0
    paused: Count = 0
    done: Count = 0
    failed: Count = 0
    cancelled: Count = 0
    interrupted: Count = 0


class HealthDetails(msgspec.Struct, kw_only=True):
    """What the server uses, and what it will delete by itself. Sizes are in bytes of the disk."""

    measured_at: Time
    """The time of these figures, which are found anew every few seconds at most."""
    jobs: JobCounts
    database_bytes: Count
    """The database with its write-ahead log."""
    coming_free_bytes: Count
    """The part of it, about, that is given back to the disk within moments, after jobs were deleted."""
    upload_bytes: Count
    """The uploaded files."""
    video_bytes: Count
    """The annotated videos that are kept for a while. They go first when the disk gets short."""
    kept_bytes: Count
    """What ``keep_bytes`` is compared with: what database and uploads take if no job is deleted."""
    disk_free_bytes: Count | None
    """The free space of the data folder's disk; null if it cannot be asked."""
    min_free_bytes: Count
    """With less free space no new job is accepted."""
    oldest_end: Time | None
    """The end of the job that ended first; null if none has ended."""
    keep_days: float | None
    """Days after its end after which a job is deleted; null if none is for its age."""
    keep_bytes: Count | None
    """The size beyond which jobs that have ended are deleted; null if none is for that."""
    next_job: JobId | None
    """The job that is the next to be deleted by itself; null if none ever is."""
    next_at: Time | None
    """The time at which that happens at the latest; null if none is deleted for its age."""


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


class Session(msgspec.Struct, kw_only=True):
    """What the client may do."""

    role: Role
    """``operate`` may do everything, ``view`` may read and watch."""
    name: str | None
    """The name of the client's token; null where no token is needed."""
    token_needed: bool
    """True if clients of this server need a token."""


class TokenInfo(msgspec.Struct, kw_only=True):
    """A token, without the secret itself."""

    id: str
    name: str
    role: Role
    created_at: Time
    last_used_at: Time | None
    """To a minute; null if it was never used."""


class TokenList(msgspec.Struct, kw_only=True):
    """All tokens, the first to be made first."""

    tokens: list[TokenInfo]


class TokenMade(TokenInfo, kw_only=True):
    """A new token."""

    token: str
    """The secret itself, which is told this once: keep it."""


class LoginLink(msgspec.Struct, kw_only=True):
    """A link that signs one browser in, once."""

    links: list[str]
    """The same link by each address of the server."""
    lives_s: Count
    """The seconds for which it can be used."""


def token_info(token: Token) -> TokenInfo:
    """What clients see of a token."""
    return TokenInfo(**_shown(token))


def token_made(token: Token, secret: str) -> TokenMade:
    """What the client that has made a token sees of it."""
    return TokenMade(**_shown(token), token=secret)


def _shown(token: Token) -> dict[str, Any]:
    return {name: getattr(token, name) for name in TokenInfo.__struct_fields__}
