"""The code that runs in a plugin's worker process: it receives a request, runs the plugin and sends the outcome.

Exceptions of the plugin are sent to the server; exits, crashes and hangs are detected by the server from outside. This
module imports little, because every worker pays for it.
"""

from __future__ import annotations

import os
import random
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
import numpy as np

from kinora.plugins import protocol
from kinora.plugins.api import Frame, Plugin, Severity, one_for_each
from kinora.plugins.failures import home_of, own_place, raised, valid
from kinora.plugins.forms.mask_arrays import Size
from kinora.plugins.forms.results import BadResult, Encoded, encode_frame_result, encode_result
from kinora.plugins.found_events import TOO_MANY, events_in, make_event
from kinora.plugins.loading import NoPluginError, find, load, remembers
from kinora.plugins.protocol import BATCH_BYTES, MAX_EVENTS, MESSAGE_CHARACTERS
from kinora.plugins.state_saving import StateSaving
from kinora.runtime.forking.channel import Channel, close_all
from kinora.runtime.forking.program import Line, serve
from kinora.runtime.linux.machine import THREAD_VARIABLES
from kinora.runtime.shared_memory.lending import RingLender
from kinora.runtime.shared_memory.state_memory import StateKeeper, read_state

_T = TypeVar("_T")
_SEVERITIES = ("low", "medium", "high")
_Line = Line[protocol.Request, protocol.Answer | protocol.Note]


def main(channel: Channel) -> None:
    """Serve one plugin."""
    _settle()
    line = Line(protocol.PLUGIN, channel)
    stage = _Stage(line)
    serve(line, lambda request, fds: [stage.with_place(_answer(stage, request, fds))])


def _answer(stage: _Stage, request: protocol.Request, fds: list[int]) -> protocol.Answer:
    """Answer a request. Plugin code may run anywhere in here, even in a result's ``__getattr__``: all is guarded."""
    began = time.perf_counter()
    stage.begin()
    try:
        match request:
            case protocol.Inspect(origin=origin):
                return _find(origin)
            case protocol.CheckSchema():
                from kinora.plugins.options_worker import check_schema  # noqa: PLC0415 - other interpreters may lack what it needs

                return check_schema(request)
            case protocol.Prepare():
                return stage.prepare(request, fds)
            case protocol.UseRing():
                return stage.use_ring(request, fds)
            case protocol.Remember() | protocol.SaveState():
                return stage.keep_state(request, fds)
            case protocol.Process() | protocol.ProcessBatch():
                return stage.work_on(request)
            case protocol.Finalize() | protocol.Merge():
                return stage.sum_up(request)
    except BaseException as error:  # noqa: ASYNC103, BLE001 - it is the plugin's, and is sent to the server
        return raised(error, _ms_since(began))  # noqa: ASYNC104 - no Trio here


def _find(origin: protocol.Origin) -> protocol.Plugins | protocol.Raised:
    try:
        return find(origin)
    except NoPluginError as error:
        return msgspec.structs.replace(raised(error, 0.0), no_plugin=True)


def _settle() -> None:
    """Make this process independent of its siblings: one thread for now, and random numbers of its own."""
    _use_threads(1)
    random.seed()
    np.random.seed()  # noqa: NPY002 - plugins may use the global generator, whose state the fork has copied


def _use_threads(threads: int) -> None:
    """Set the threads of OpenCV and, by the environment, of libraries not loaded yet; numpy stays at one."""
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(threads)


def _change_threads(before: int, threads: int) -> int:
    """Set the threads of OpenCV, unless the plugin has set them itself; return the number that is set."""
    cv2 = sys.modules.get("cv2")
    if before == threads or cv2 is None or cv2.getNumThreads() != before:
        return before
    cv2.setNumThreads(threads)
    return threads


def _cap_address_space(more: int | None) -> None:
    """Let this process map at most ``more`` further bytes, beyond which Python raises MemoryError; None: no cap."""
    if more is not None:
        mapped = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        _, highest = resource.getrlimit(resource.RLIMIT_AS)
        cap = mapped + more if highest == resource.RLIM_INFINITY else min(mapped + more, highest)
        resource.setrlimit(resource.RLIMIT_AS, (cap, cap))


class _Context:
    """The plugin's :class:`~kinora.plugins.api.PluginContext`."""

    def __init__(self, line: _Line, options: Mapping[str, Any], device: str, models_dir: Path) -> None:
        self._line = line
        self.options = options
        self.device = device
        self.models_dir = models_dir
        self._events = 0
        """The events so far in this request."""

    def begin(self) -> None:
        """Begin with another request: events are counted anew."""
        self._events = 0

    def event(self, kind: str, message: str = "", data: Any = None) -> None:
        event, fault = make_event(kind, message, data)
        self._events += 1
        if self._events <= MAX_EVENTS:
            self._line.send(event)
        elif self._events == MAX_EVENTS + 1:
            fault = TOO_MANY
        if fault is not None:
            self.warn(fault, "medium")

    def warn(self, message: str, severity: Severity = "low") -> None:
        if severity not in _SEVERITIES:
            raise ValueError(f"severity must be one of {', '.join(_SEVERITIES)}, not {severity!r}")
        text = valid(str(message))[:MESSAGE_CHARACTERS]
        self._line.send(protocol.Warned(message=text, severity=severity))

    def partial(self, result: Mapping[str, Any]) -> None:
        encoded = encode_result(result)
        if encoded is None:
            return
        self._line.send(protocol.Partial(result=encoded.data))
        if encoded.fault is not None:
            self.warn(f"of a partial result, {encoded.fault}", "medium")


class _Stage:
    """One plugin at work in one job."""

    def __init__(self, line: _Line) -> None:
        self._line = line
        self._plugin: Plugin | None = None
        self._context: _Context | None = None
        self._ring: RingLender | None = None
        self._saving: StateSaving | None = None
        self._own = os.getpid()
        self._origin: protocol.Origin | None = None
        self._threads = 1
        os.register_at_fork(before=self._before_fork)

    def begin(self) -> None:
        """Begin with a request."""
        if self._context is not None:
            self._context.begin()

    def prepare(self, request: protocol.Prepare, fds: list[int]) -> protocol.Answer:
        self._origin = request.origin
        self.use_ring(request.ring, fds)
        _use_threads(request.threads)
        self._threads = request.threads
        _cap_address_space(request.address_space)
        options = MappingProxyType(msgspec.json.decode(request.options))
        self._context = context = _Context(self._line, options, request.device, Path(request.models_dir))

        def prepare() -> int:
            plugin = load(request.origin)()
            plugin.prepare(context)
            self._plugin = plugin
            return _most_at_once(plugin)

        answer = _run(prepare, lambda most, run_ms: protocol.Done(result=None, run_ms=run_ms, max_batch=most))
        if isinstance(answer, protocol.Done) and self._plugin is not None and remembers(type(self._plugin)):
            return msgspec.structs.replace(answer, remembers=True, max_batch=1)  # it is saved after any single frame
        return answer

    def use_ring(self, request: protocol.UseRing, fds: list[int]) -> protocol.Answer:
        self._ring = None  # unmapped first: the address space may be capped
        self._ring = RingLender(fds[0], request.slots, request.slot_bytes)
        close_all(fds[1:])
        return protocol.Done(result=None, run_ms=0.0)

    def keep_state(self, request: protocol.Remember | protocol.SaveState, fds: list[int]) -> protocol.Answer:
        return self._remember(request, fds) if isinstance(request, protocol.Remember) else self._save_state(request)

    def _remember(self, request: protocol.Remember, fds: list[int]) -> protocol.Answer:
        if self._plugin is None:
            raise RuntimeError("remember came before prepare")
        memory, *earlier = fds
        self._saving = StateSaving(self._plugin, StateKeeper(memory))
        if not earlier:
            return protocol.Done(result=None, run_ms=0.0)
        try:
            state = read_state(earlier[0], request.places)
        finally:
            close_all(earlier)
        return _timed(partial(self._plugin.load_state, state), lambda _: None)

    def _save_state(self, request: protocol.SaveState) -> protocol.Answer:
        began = time.perf_counter()
        if self._saving is not None:
            self._tell_unsaved(self._saving.save(request.index))
        return protocol.Done(result=None, run_ms=_ms_since(began))

    def work_on(self, request: protocol.Process | protocol.ProcessBatch) -> protocol.Answer:
        return (
            self._process_batch(request) if isinstance(request, protocol.ProcessBatch) else self._process_one(request)
        )

    def _process_one(self, request: protocol.Process) -> protocol.Answer:
        answer = self._process(request)
        forked = os.getpid() != self._own  # by the plugin, and ends soon: only one of the two may save
        if self._saving is not None and isinstance(answer, protocol.Done | protocol.Raised) and not forked:
            self._tell_unsaved(self._saving.after_frame(request.index, answer.run_ms))
        return answer

    def _tell_unsaved(self, unsaved: protocol.Unsaved | None) -> None:
        if unsaved is not None:
            home = None if self._origin is None else home_of(self._origin)
            self._line.send(msgspec.structs.replace(unsaved, place=own_place(unsaved.traceback, home)))

    def _process(self, request: protocol.Process) -> protocol.Answer:
        plugin, ring = self._at_work(request.threads)
        try:
            return _process(plugin, ring, request)
        finally:  # all references to the frame but the plugin's own have ended with that call
            _or_end(ring.take_back)

    def _process_batch(self, request: protocol.ProcessBatch) -> protocol.Answer:
        plugin, ring = self._at_work(request.frames[0].threads)
        try:
            return _process_batch(plugin, ring, request.frames)
        finally:  # as above
            _or_end(ring.take_back)

    def _at_work(self, threads: int) -> tuple[Plugin, RingLender]:
        if self._plugin is None:
            raise RuntimeError("a frame came before prepare")
        if self._ring is None:
            raise RuntimeError("there is no ring to find the frame in: the last one could not be mapped")
        self._threads = _change_threads(self._threads, threads)
        return self._plugin, self._ring

    def sum_up(self, request: protocol.Finalize | protocol.Merge) -> protocol.Answer:
        if isinstance(request, protocol.Merge):
            self._origin = request.origin
            plugin = load(request.origin)()
            results = [msgspec.json.decode(result) for result in request.results]
            return _timed(partial(plugin.merge, results))
        if self._plugin is None:
            raise RuntimeError("finalize came before prepare")
        return _timed(self._plugin.finalize)

    def with_place(self, answer: protocol.Answer) -> protocol.Answer:
        """The answer, with the plugin's own line if the plugin has raised."""
        if self._origin is None or not isinstance(answer, protocol.Raised):
            return answer
        return msgspec.structs.replace(answer, place=own_place(answer.traceback, home_of(self._origin)))

    def _before_fork(self) -> None:
        """Let a process that the plugin forks have the frame as well, which this one gives back."""
        if self._ring is not None:
            _or_end(self._ring.give_away)


def _or_end(give: Callable[[], None]) -> None:
    """Give the plugin a frame; without memory for that, end this process, as the plugin would find other pictures."""
    try:
        give()
    except OSError as error:
        print(f"there is no memory for the frames that the plugin keeps: {error}", flush=True)  # noqa: T201 - its log
        os._exit(1)


def _most_at_once(plugin: Plugin) -> int:
    """The most frames that a prepared plugin takes at once."""
    most, own = plugin.metadata.max_batch, plugin.max_batch
    if own is None:
        return most
    if not isinstance(own, int) or own < 1:
        raise ValueError(f"max_batch must be a whole number from 1 to that of the metadata, not {own!r}")
    return min(most, own)


def _process(plugin: Plugin, ring: RingLender, request: protocol.Process) -> protocol.Answer:
    frame = _lent(ring, request)
    size = request.height, request.width
    return _timed(lambda: plugin.process_frame(frame), partial(encode_frame_result, size=size))


def _process_batch(plugin: Plugin, ring: RingLender, requests: Sequence[protocol.Process]) -> protocol.Answer:
    frames = [_lent(ring, request) for request in requests]
    sizes = [(request.height, request.width) for request in requests]
    return _run(
        lambda: one_for_each(plugin.process_batch(frames), len(requests)),
        lambda results, run_ms: _batch_done(results, sizes, run_ms / len(requests)),
    )


def _lent(ring: RingLender, request: protocol.Process) -> Frame:
    return Frame(
        image=ring.lend(request.slot, request.height, request.width),
        index=request.index,
        timestamp_ms=request.timestamp_ms,
        results={name: msgspec.json.decode(data) for name, data in request.results.items()},
    )


def _timed(method: Callable[[], object], encode: Callable[[object], Encoded | None] = encode_result) -> protocol.Answer:
    """Run a method of the plugin and encode its result; only the method counts in ``run_ms``."""
    return _run(method, lambda value, run_ms: _done(value, run_ms, encode))


def _run(method: Callable[[], _T], answer: Callable[[_T, float], protocol.Answer]) -> protocol.Answer:
    """Run a method of the plugin; ``answer`` gets what it returned, and the milliseconds that it took."""
    began = time.perf_counter()
    try:
        value = method()
    except BaseException as error:  # noqa: ASYNC103, BLE001 - SystemExit and KeyboardInterrupt are a plugin's failure as well
        return raised(error, _ms_since(began))  # noqa: ASYNC104 - no Trio here
    return answer(value, _ms_since(began))


def _batch_done(results: Sequence[object], sizes: Sequence[Size], run_ms: float) -> protocol.Answer:
    """The answer for a batch of frames of these sizes, which took ``run_ms`` each.

    Raises:
        BadResult: the results are too large together.
    """
    frames = [
        _done(result, run_ms, partial(encode_frame_result, size=size))
        for result, size in zip(results, sizes, strict=True)
    ]
    size = sum(len(frame.result or b"") for frame in frames)
    if size > BATCH_BYTES:
        raise BadResult(f"the results of a batch are {size} bytes of JSON; at most {BATCH_BYTES} are allowed")
    return protocol.BatchDone(frames=frames)


def _done(value: object, run_ms: float, encode: Callable[[object], Encoded | None]) -> protocol.Done:
    try:
        encoded = encode(value)
    except BadResult as error:
        return protocol.Done(result=None, run_ms=run_ms, fault=str(error)[:MESSAGE_CHARACTERS])
    if encoded is None:
        return protocol.Done(result=None, run_ms=run_ms)
    events, misread = events_in(encoded.data) if encoded.of_frame else ((), None)
    fault = "; ".join(fault for fault in (encoded.fault, misread) if fault is not None)
    return protocol.Done(
        result=encoded.data, run_ms=run_ms, fault=fault[:MESSAGE_CHARACTERS] or None, events=tuple(events)
    )


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
