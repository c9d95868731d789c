"""What clients are shown of a job: its state, its frames, and lists of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs
import msgspec

from kinora.actors.messages import Health, Stage, StageStatus
from kinora.plugins.api import Severity

JobStatus = Literal["queued", "running", "paused", "done", "failed", "cancelled", "interrupted"]
ENDED: frozenset[str] = frozenset({"done", "failed", "cancelled", "interrupted"})

Fingerprint = tuple[JobStatus, Stage, int, int]


@attrs.frozen(kw_only=True)
class TimingSummary:
    """Milliseconds over the frames of one stage; the percentiles are of its last 1,000 frames."""

    last: float
    mean: float
    p50: float
    p95: float
    max: float


@attrs.frozen(kw_only=True)
class StageError:
    """The last thing that went wrong in a plugin."""

    message: str
    code: str
    """That of its warning."""
    traceback: str | None
    """Python's; of a process that died, what it wrote last."""
    frame_id: str | None
    """The frame it happened on, if it was one."""
    at: str
    """ISO 8601 in UTC."""


@attrs.frozen(kw_only=True)
class StageState:
    """One plugin's work in one job."""

    options: Mapping[str, Any] = attrs.field(factory=dict)
    """The options as it ran with them, defaults filled in."""
    status: Literal["waiting"] | StageStatus = "waiting"
    frames: int = 0
    failures: int = 0
    restarts: int = 0
    queue_ms: TimingSummary | None = None
    run_ms: TimingSummary | None = None
    health: Health = "ok"
    device_used: str = "cpu"
    """What it runs on now; ``cpu`` after it has lost its GPU."""
    finalize: msgspec.Raw
    """What ``finalize`` gave, as JSON text; null if nothing."""
    last_error: StageError | None = None


@attrs.frozen(kw_only=True)
class WarningGroup:
    """A warning with all its repeats."""

    plugin: str | None
    code: str
    severity: Severity
    message: str
    count: int
    frame_id: str | None
    """The first frame that it was about, if it was about one."""


@attrs.frozen(kw_only=True)
class JobState:
    """A job as ``/extended`` shows it, short of its frames."""

    job_id: str
    device_requested: str
    device_used: str
    fallback: bool
    progress: int | None
    plugin_timings: Mapping[str, float] | None
    """Plugin → total ms inside it; null when there was no inspector."""
    warnings: tuple[str, ...]
    warning_groups: tuple[WarningGroup, ...] = ()
    """The same in full."""
    status: JobStatus
    stage: Stage
    error: str | None
    fallback_reason: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    frames_done: int
    frames_total: int | None
    frames_dropped: int
    fps: float | None
    cancel_ms: float | None
    plugins: Mapping[str, StageState]
    """In the order of the job's pipeline."""
    source: str
    uploaded: bool = False
    """Whether the source is a file that came with the job and goes with it; no other job can name it."""
    options: Mapping[str, Any]
    queue_position: int | None
    """1 for the next one to run; null when it does not wait."""

    @property
    def ended(self) -> bool:
        """Whether nothing about it will change any more."""
        return self.status in ENDED

    @property
    def fingerprint(self) -> Fingerprint:
        """What differs when something has happened; figures that drift by themselves are left out."""
        return (self.status, self.stage, self.frames_done, len(self.warnings))


@attrs.frozen(kw_only=True)
class FrameData:
    """One frame and what the plugins found on it."""

    frame_id: str
    index: int
    timestamp_ms: float
    width: int
    height: int
    results: Mapping[str, msgspec.Raw]
    """Plugin → its result as JSON text; a plugin that failed or had nothing to say is missing."""

    def encode(self) -> bytes:
        """This frame as one line of JSON in UTF-8."""
        return msgspec.json.encode(self)


@attrs.frozen(kw_only=True)
class CancelAnswer:
    """What ``/cancel`` says once the job and every process of it are gone."""

    job_id: str
    status: JobStatus
    cancelled: bool
    """Whether the job ended as cancelled."""
    cancel_ms: float | None
    """From the request to the last process gone."""
    pids: tuple[int, ...] = ()
    """Processes still there after 5 s; empty otherwise."""


@attrs.frozen(kw_only=True)
class JobPage:
    """One page of jobs, newest first."""

    jobs: tuple[JobState, ...]
    next_cursor: str | None


def frame_id(index: int) -> str:
    """The name of a frame: ``frame-000012`` for index 12."""
    return f"frame-{index:06d}"
