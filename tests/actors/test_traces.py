"""Traces of jobs: what they have, where they go, and that nothing waits for that."""

from __future__ import annotations

import gzip
import importlib
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio.testing
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from kinora.actors.jobs import otel
from kinora.actors.jobs.otel import OtelTracer
from kinora.actors.stages.job_trace import JobTrace, TracedJob
from kinora.settings import Settings, SettingsError
from kinora.system import open_system
from tests.actors.stage_kit import CRASH, FOUND, PLUGIN, RAISED, FakeProcess, Stage
from tests.jobs_kit import CLIP_FRAMES, run_job

EVERY = 10


def traced(exporter: InMemorySpanExporter, *, every: int = 1, stride: int = 1) -> JobTrace:
    """The trace of a job whose spans go to memory."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    job = TracedJob(job_id="job-1", source="clip.mp4", plugins=(PLUGIN,), stride=stride)
    return OtelTracer(provider, every).trace(job)


def parts(spans: Iterable[Any]) -> list[tuple[str, int | None, str | None]]:
    """The name of each span, its frame and its fault."""
    return [(span.name, span.attributes.get("kinora.frame"), span.status.description) for span in spans]


async def test_each_sampled_frame_has_a_span_in_the_trace_of_its_job(autojump_clock: trio.testing.MockClock) -> None:
    """Spans of stages are children of the job's; a frame without a result has the reason."""
    exporter = InMemorySpanExporter()
    trace = traced(exporter, every=2)
    trace.begin()
    stage = Stage(FakeProcess(frames=[RAISED, FOUND, CRASH, FOUND, FOUND]), trace=trace)
    await stage.run(frames=6)
    trace.end(status="done", frames=6, error=None)
    spans: tuple[Any, ...] = exporter.get_finished_spans()
    assert parts(spans) == [
        (PLUGIN, 0, RAISED.message),
        (PLUGIN, 2, "its process ended, or was too slow"),
        (PLUGIN, 4, None),
        ("job", None, None),
    ]
    *steps, root = spans
    assert {span.parent and span.parent.span_id for span in steps} == {root.context.span_id}
    assert {span.context.trace_id for span in spans} == {root.context.trace_id}
    assert all(span.start_time <= span.end_time for span in spans)
    assert dict(root.attributes) == {
        "kinora.job_id": "job-1",
        "kinora.source": "clip.mp4",
        "kinora.plugins": (PLUGIN,),
        "kinora.status": "done",
        "kinora.frames": 6,
    }


def test_frames_are_sampled_among_those_that_the_job_processes() -> None:
    """With a stride of 3, every second processed frame has the indexes 0, 6, 12."""
    trace = traced(InMemorySpanExporter(), every=2, stride=3)
    assert not trace.samples(0)
    trace.begin()
    assert [index for index in range(0, 15, 3) if trace.samples(index)] == [0, 6, 12]


def test_a_failed_job_has_its_error() -> None:
    """Its span has the status of an error; a job that never began has no span."""
    exporter = InMemorySpanExporter()
    trace = traced(exporter)
    trace.end(status="cancelled", frames=0, error=None)
    trace.begin()
    trace.end(status="failed", frames=3, error="The source could not be read.")
    assert parts(exporter.get_finished_spans()) == [("job", None, "The source could not be read.")]


# A receiver


class Receiver:
    """A collector of traces on loopback; it may take all or answer nothing."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.holds = threading.Event()
        """Set if it is to answer nothing until :attr:`released`."""
        self.reached = threading.Event()
        self.released = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, headers: dict[str, str], body: bytes) -> None:
        """Take one request."""
        self.reached.set()
        if self.holds.is_set():
            self.released.wait()
        self.headers.append(headers)
        data = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
        for found in ExportTraceServiceRequest.FromString(data).resource_spans:
            self.resources.append({entry.key: entry.value.string_value for entry in found.resource.attributes})
            self.spans += [span for scope in found.scope_spans for span in scope.spans]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.take({**self.headers, "path": self.path}, body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        return Handler


@contextmanager
def receiving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver that the usual variables name."""
    receiver = Receiver()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=vision")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "kinora-hall-2")
    thread = threading.Thread(target=receiver.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        receiver.server.shutdown()
        thread.join()
        receiver.server.server_close()


async def test_a_receiver_gets_the_traces_of_a_server(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job on real workers: its trace goes over OTLP to where the variables say, with their headers and name."""
    with receiving(monkeypatch) as receiver:
        async with open_system(attrs.evolve(settings, trace_frames=EVERY)) as system:
            state = await run_job(system, "motion", "quality")
        assert state.status == "done"
    names = sorted(span.name for span in receiver.spans)
    assert names == ["job", *["motion"] * (CLIP_FRAMES // EVERY), *["quality"] * (CLIP_FRAMES // EVERY)]
    assert len({span.trace_id for span in receiver.spans}) == 1
    assert receiver.resources[0]["service.name"] == "kinora-hall-2"
    assert {(sent["path"], sent["x-team"]) for sent in receiver.headers} == {("/v1/traces", "vision")}


async def test_a_receiver_that_hangs_holds_up_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run as ever while no span is taken, and the server ends in time."""
    monkeypatch.setattr(otel, "LAST_S", 0.1)
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4")
    with receiving(monkeypatch) as receiver:
        receiver.holds.set()
        async with open_system(attrs.evolve(settings, trace_frames=1)) as system:
            state = await run_job(system, "motion")
            assert (state.status, state.frames_done) == ("done", CLIP_FRAMES)
            await trio.to_thread.run_sync(receiver.reached.wait)
        assert receiver.spans == []


async def test_without_the_package_the_setting_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says what to install."""

    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(SettingsError, match=r"pip install 'kinora\[otel\]'"):
        async with open_system(attrs.evolve(settings, trace_frames=EVERY)):
            pass


def test_it_is_not_imported_unless_it_is_wanted() -> None:
    """A server that traces nothing has nothing of OpenTelemetry in memory."""
    code = "import sys, kinora.serve; print([name for name in sys.modules if 'opentelemetry' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "[]"
