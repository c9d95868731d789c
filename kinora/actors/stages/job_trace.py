"""What a job and its stages say about their course, for those who trace it; nobody does unless the operator asks."""

from __future__ import annotations

from typing import Protocol

import attrs


@attrs.frozen(kw_only=True)
class StageStep:
    """One frame in one stage, which has ended."""

    plugin: str
    index: int
    device: str
    began_ns: int
    """The time of :func:`time.time_ns` at which the plugin got the frame."""
    ended_ns: int
    queue_ms: float
    """How long the frame had waited for the plugin."""
    fault: str | None = None
    """The reason why it has no result, if it failed."""


class JobTrace(Protocol):
    """The trace of one job; no method waits or raises."""

    def begin(self) -> None:
        """Note that the job begins, or that this server goes on with it."""

    def samples(self, index: int) -> bool:
        """True if the steps of this frame are wanted."""

    def add(self, step: StageStep) -> None:
        """Note a step of such a frame."""

    def end(self, *, status: str, frames: int, error: str | None) -> None:
        """Note that the job has ended, or that the server stops. The last call; without :meth:`begin` it is ignored."""


class NoTrace:
    """Notes nothing."""

    def begin(self) -> None:
        """Do nothing."""

    def samples(self, index: int) -> bool:  # noqa: ARG002 - the signature of JobTrace
        """Return False."""
        return False

    def add(self, step: StageStep) -> None:
        """Do nothing."""

    def end(self, *, status: str, frames: int, error: str | None) -> None:
        """Do nothing."""


@attrs.frozen(kw_only=True)
class TracedJob:
    """The facts of a job that its trace has from the beginning."""

    job_id: str
    source: str
    """Its name, without the query of a URL."""
    plugins: tuple[str, ...]
    stride: int
    """The distance between the indexes of two frames of it."""


class Tracer(Protocol):
    """Makes the traces of jobs."""

    def trace(self, job: TracedJob) -> JobTrace:
        """Return the trace of a job that is to begin."""


class NoTracer:
    """Traces nothing."""

    def trace(self, job: TracedJob) -> JobTrace:  # noqa: ARG002 - the signature of Tracer
        """Return a trace that notes nothing."""
        return NoTrace()
