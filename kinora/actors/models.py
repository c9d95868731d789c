"""The models of jobs as clients see them: a job's state, its frames, and lists of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import attrs
import msgspec

from kinora.actors.field_types import Count, FrameId, Index, JobId, Milliseconds, Percent, Pixels, Time
from kinora.actors.messages import EndStatus, Health, Stage, StageStatus
from kinora.media.camera_errors import LostReason
from kinora.plugins.api import Severity

JobStatus = Literal["queued", "running", "paused", EndStatus]
ENDED: frozenset[str] = frozenset(get_args(EndStatus))

Fingerprint = tuple[JobStatus, Stage, int, int]


@attrs.frozen(kw_only=True)
class TimingSummary:
    """Milliseconds per frame in one stage; the percentiles are of its last 1,000 frames."""

    last: Milliseconds
    mean: Milliseconds
    p50: Milliseconds
    p95: Milliseconds
    max: Milliseconds


@attrs.frozen(kw_only=True)
class StageError:
    """The latest failure of a plugin."""

    message: str
    code: str
    """The code of its warning."""
    traceback: str | None
    """The Python traceback; if the process died without one, the end of its output."""
    frame_id: FrameId | None
    """The frame on which it happened; null if it was not on a frame."""
    at: Time
    """The time, as ISO 8601 in UTC."""


@attrs.frozen(kw_only=True)
class StageState:
    """One plugin's work in one job."""

    version: str | None = None
    """The version of the plugin that works on the job; null before its start, and if the inspector was unavailable."""
    options: Mapping[str, Any] = attrs.field(factory=dict)
    """The options in use, with defaults filled in."""
    every: Count = 1
    """It works on every Nth frame that is processed."""
    side: bool = False
    """It works at the side of the others."""
    status: Literal["waiting", "stopped"] | StageStatus = "waiting"
    """``stopped`` if the job has ended before it was completed."""
    frames: Count = 0
    """The frames that it has done."""
    passed_over: Count = 0
    """The frames that went by while it was busy; of a plugin at the side only."""
    late: Count = 0
    """Its results that came after their frames were done: they are told as messages, and are not in the frames."""
    failures: Count = 0
    """All that went wrong: exceptions, crashes, timeouts, and results that are bad in whole or in part."""
    restarts: Count = 0
    replicas: Count = 0
    """The processes that take its frames now; several only if the plugin is stateless."""
    queue_ms: TimingSummary | None = None
    run_ms: TimingSummary | None = None
    health: Health = "ok"
    """``degraded`` while something was wrong with its last frame or its sum, its process is away, or it is slower than
    its latency budget; ``failed`` if it was disabled, or completed and failed on every frame."""
    device_used: str = "cpu"
    """The device that it runs on now; ``cpu`` after its GPU has failed."""
    finalize: msgspec.Raw
    """The result of ``finalize``; null if there is none."""
    last_error: StageError | None = None
    errors: tuple[StageError, ...] = ()
    """The first failure of each kind, oldest first, at most 5. Kinds differ by code or by the traceback's lines."""


@attrs.frozen(kw_only=True)
class WarningGroup:
    """A warning with all its repeats."""

    plugin: str | None
    code: str
    severity: Severity
    message: str
    count: Count
    frame_id: FrameId | None
    """The first frame on which it occurred; null if it is not about a frame."""
    at: Time | None = None
    """When it first occurred, as ISO 8601 in UTC; null if an earlier version has stored it."""


@attrs.frozen(kw_only=True)
class Outage:
    """A time without pictures from a live source, which goes on."""

    reason: LostReason
    message: str
    """A sentence that says why the source was lost."""
    lost_at: Time
    """When it was found out, as ISO 8601 in UTC; once the source is back, when the last frame before it came."""
    back_at: Time | None = None
    """When the first frame after it came; null while it lasts, and if the server ended during it."""
    seconds: float | None = None
    """Its length; null with ``back_at``."""
    frame_id: FrameId | None = None
    """The first frame after it; null with ``back_at``."""


@attrs.frozen(kw_only=True)
class JobState:
    """A job as ``/extended`` shows it, without its frames."""

    job_id: JobId
    device_requested: str
    device_used: str
    fallback: bool
    progress: Percent | None
    plugin_timings: Mapping[str, Milliseconds] | None
    """Plugin → total milliseconds inside it; null if the inspector was unavailable."""
    warnings: tuple[str, ...]
    warning_groups: tuple[WarningGroup, ...] = ()
    """The same warnings with all their fields."""
    outages: tuple[Outage, ...] = ()
    """The newest 20 outages of a live source, oldest first."""
    status: JobStatus
    stage: Stage
    error: str | None
    fallback_reason: str | None
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    frames_done: Count
    frames_total: Count | None
    frames_dropped: Count
    detections: Count = 0
    """The detections on all frames. Of each frame the plugin with the most counts: others may have found the same."""
    picture: Index | None = None
    """The first frame with the most detections, to stand for the job; null before the first frame."""
    fps: float | None
    duration_ms: Milliseconds | None = None
    """Milliseconds since its begin, pauses included, without the time in which no server ran; null before its begin."""
    cancel_ms: Milliseconds | None
    plugins: Mapping[str, StageState]
    """Plugin → the state of its stage, in the order of the job's pipeline."""
    source: str
    uploaded: bool = False
    """True if the source was uploaded with the job. It is deleted with the job, and no other job can use it."""
    standing: str | None = None
    """The name of the operator's standing job that it is, ``[jobs.NAME]`` in ``kinora.toml``; null for other jobs."""
    options: Mapping[str, Any]
    """The options in use, with defaults filled in; the options of plugins are in ``plugins``."""
    request: Mapping[str, Any] = attrs.field(factory=dict)
    """The request as it came: POST it again for the same job. That of an uploaded source is without ``source``: send it
    as ``request`` beside the file."""
    queue_position: int | None
    """1 for the next job to run; null if the job is not queued."""
    waiting_for: str | None = None
    """A sentence that says what a job that waits for a place lacks, if that is more than its turn."""
    agent: str | None = None
    """The agent that works on the job, or keeps its workers while it is paused; null for the server itself, and while
    nothing of the job runs."""

    @property
    def ended(self) -> bool:
        """True once the job has ended: nothing about it changes any more."""
        return self.status in ENDED

    @property
    def fingerprint(self) -> Fingerprint:
        """A value that differs after each event; figures that change by themselves, such as ``fps``, are left out."""
        return (self.status, self.stage, self.frames_done, len(self.warnings))


@attrs.frozen(kw_only=True)
class FrameData:
    """One frame and the plugins' results on it."""

    frame_id: FrameId
    index: Index
    timestamp_ms: float
    width: Pixels
    height: Pixels
    file: str | msgspec.UnsetType = msgspec.UNSET
    """The name of its file in the folder that is the job's source; left out for other sources."""
    received_at: Time | msgspec.UnsetType = msgspec.UNSET
    """When the picture came from its camera, as ISO 8601 in UTC; left out for sources that are not live."""
    results: Mapping[str, msgspec.Raw]
    """Plugin → its result; a plugin that failed or returned None is left out."""
    errors: Mapping[str, str] | msgspec.UnsetType = msgspec.UNSET
    """Plugin → why it has no result on this frame; left out where none failed."""

    def encode(self) -> bytes:
        """Encode the frame as one line of JSON in UTF-8."""
        return msgspec.json.encode(self)


@attrs.frozen(kw_only=True)
class CancelAnswer:
    """The answer of ``/cancel``, given once the job and all its processes are gone."""

    job_id: JobId
    status: JobStatus
    cancelled: bool
    """True if the job ended as cancelled."""
    cancel_ms: Milliseconds | None
    """Milliseconds from the request until the last process was gone."""
    pids: tuple[int, ...] = ()
    """The pids of processes that are still there after 5 s."""


@attrs.frozen(kw_only=True)
class JobPage:
    """One page of jobs, newest first."""

    jobs: tuple[JobState, ...]
    next_cursor: str | None


def when_ended(stages: Mapping[str, StageState]) -> dict[str, StageState]:
    """Return the states of the stages of a job that has ended: one that is neither completed nor failed is stopped."""
    return {
        name: stage if stage.status in {"completed", "failed"} else attrs.evolve(stage, status="stopped")
        for name, stage in stages.items()
    }


def frame_id(index: int) -> str:
    """Return the name of a frame: ``frame-000012`` for index 12."""
    return f"frame-{index:06d}"
