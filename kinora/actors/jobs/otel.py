"""Traces of jobs by OpenTelemetry: one for each job, with a span for each stage of sampled frames.

Imported only if the operator asks for traces: the package is an extra.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, Status, StatusCode, Tracer, set_span_in_context

from kinora import __version__
from kinora.actors.stages.job_trace import JobTrace, StageStep, TracedJob

LAST_S = 1.0
"""The time that spans have to reach the receiver when the server ends; what is left then is lost."""
FAULT_CHARACTERS = 300
"""The most characters of a failure's text in a span."""


class OtelTracer:
    """Makes traces with the spans of every ``every``-th frame.

    Spans that have ended wait in the provider's queue, and a thread of it sends them: if nobody takes them, the queue
    drops some, and nothing of the server waits.
    """

    def __init__(self, provider: TracerProvider, every: int) -> None:
        self._tracer = provider.get_tracer("kinora", __version__)
        self._every = every

    def trace(self, job: TracedJob) -> JobTrace:
        """Return the trace of a job that is to begin."""
        return OtelTrace(self._tracer, job, self._every)


class OtelTrace:
    """The trace of one job."""

    def __init__(self, tracer: Tracer, job: TracedJob, every: int) -> None:
        self._tracer = tracer
        self._job = job
        self._every = every
        self._root: Span | None = None

    def begin(self) -> None:
        """Open the job's span."""
        job = self._job
        self._root = self._tracer.start_span(
            "job",
            Context(),
            attributes={
                "kinora.job_id": job.job_id,
                "kinora.source": job.source,
                "kinora.plugins": job.plugins,
            },
        )

    def samples(self, index: int) -> bool:
        """True for every ``every``-th of the frames that the job processes, from its first one on."""
        return self._root is not None and index // self._job.stride % self._every == 0

    def add(self, step: StageStep) -> None:
        """Make a span, which begins and ends in the past."""
        if self._root is None:
            return
        span = self._tracer.start_span(
            step.plugin,
            set_span_in_context(self._root),
            start_time=step.began_ns,
            attributes={
                "kinora.job_id": self._job.job_id,
                "kinora.plugin": step.plugin,
                "kinora.frame": step.index,
                "kinora.device": step.device,
                "kinora.queue_ms": round(step.queue_ms, 1),
            },
        )
        if step.fault is not None:
            span.set_status(Status(StatusCode.ERROR, step.fault[:FAULT_CHARACTERS]))
        span.end(step.ended_ns)

    def end(self, *, status: str, frames: int, error: str | None) -> None:
        """Close the job's span."""
        root, self._root = self._root, None
        if root is None:
            return
        root.set_attributes({"kinora.status": status, "kinora.frames": frames})
        if error is not None:
            root.set_status(Status(StatusCode.ERROR, error[:FAULT_CHARACTERS]))
        root.end()


@contextmanager
def open_tracer(every: int) -> Iterator[OtelTracer]:
    """A tracer that sends to the receiver that the variables ``OTEL_*`` name; its thread ends with the block."""
    resource = Resource.create({"service.version": __version__}).merge(_named("kinora"))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield OtelTracer(provider, every)
    finally:
        ending = threading.Thread(target=provider.shutdown, name="traces", daemon=True)  # it may take half a minute
        ending.start()
        ending.join(LAST_S)


def _named(name: str) -> Resource:
    """The service's name, unless ``OTEL_SERVICE_NAME`` or ``OTEL_RESOURCE_ATTRIBUTES`` has one."""
    given = str(Resource.create().attributes.get("service.name", ""))
    return Resource({} if given and not given.startswith("unknown_service") else {"service.name": name})
