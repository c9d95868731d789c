"""The code that runs in a plugin's worker process: it receives a request, runs the plugin and sends the outcome.

Exceptions of the plugin are sent to the server; exits, crashes and hangs are detected by the server from outside. This
module imports little, because every worker pays for it.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import random
import resource
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import attrs
import msgspec
import numpy as np

from kinora.plugins import protocol
from kinora.plugins.api import Frame, Plugin, PluginMetadata, Severity
from kinora.plugins.device_errors import is_device_error
from kinora.plugins.options_worker import check_schema
from kinora.plugins.protocol import MESSAGE_CHARACTERS, TRACEBACK_CHARACTERS
from kinora.plugins.results import BadResult, Encoded, encode_frame_result, encode_result
from kinora.runtime.channel import Channel, close_all
from kinora.runtime.lending import RingLender
from kinora.runtime.machine import THREAD_VARIABLES
from kinora.runtime.program import Line, serve

_SEVERITIES = ("low", "medium", "high")
_Line = Line[protocol.Request, protocol.Answer | protocol.Note]


def main(channel: Channel) -> None:
    """Serve one plugin."""
    _settle()
    line = Line(protocol.PLUGIN, channel)
    stage = _Stage(line)
    serve(line, lambda request, fds: [_answer(stage, request, fds)])


def _answer(stage: _Stage, request: protocol.Request, fds: list[int]) -> protocol.Answer:
    """Answer a request. Plugin code may run anywhere in here, even in a result's ``__getattr__``: all is guarded."""
    began = time.perf_counter()
    try:
        match request:
            case protocol.Inspect(origin=origin):
                return protocol.Plugins(plugins=_inspect(origin))
            case protocol.CheckSchema():
                return check_schema(request)
            case protocol.Prepare():
                return stage.prepare(request, fds)
            case protocol.UseRing():
                return stage.use_ring(request, fds)
            case protocol.Process():
                return stage.process(request)
            case protocol.Finalize():
                return stage.finalize()
    except BaseException as error:  # noqa: ASYNC103, BLE001 - it is the plugin's, and is sent to the server
        return _raised(error, _ms_since(began))  # noqa: ASYNC104 - no Trio here


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

    def warn(self, message: str, severity: Severity = "low") -> None:
        if severity not in _SEVERITIES:
            raise ValueError(f"severity must be one of {', '.join(_SEVERITIES)}, not {severity!r}")
        text = _valid(str(message))[:MESSAGE_CHARACTERS]
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
        self._ring: RingLender | None = None
        os.register_at_fork(before=self._before_fork)

    def prepare(self, request: protocol.Prepare, fds: list[int]) -> protocol.Answer:
        self.use_ring(request.ring, fds)
        _use_threads(request.threads)
        _cap_address_space(request.address_space)
        options = MappingProxyType(msgspec.json.decode(request.options))
        context = _Context(self._line, options, request.device, Path(request.models_dir))

        def prepare() -> None:
            plugin = load(request.origin)()
            plugin.prepare(context)
            self._plugin = plugin

        return _timed(prepare)

    def use_ring(self, request: protocol.UseRing, fds: list[int]) -> protocol.Answer:
        self._ring = None  # unmapped first: the address space may be capped
        self._ring = RingLender(fds[0], request.slots, request.slot_bytes)
        close_all(fds[1:])
        return protocol.Done(result=None, run_ms=0.0)

    def process(self, request: protocol.Process) -> protocol.Answer:
        plugin, ring = self._plugin, self._ring
        if plugin is None:
            raise RuntimeError("a frame came before prepare")
        if ring is None:
            raise RuntimeError("there is no ring to find the frame in: the last one could not be mapped")
        try:
            return _process(plugin, ring, request)
        finally:  # all references to the frame but the plugin's own have ended with that call
            _or_end(ring.take_back)

    def finalize(self) -> protocol.Answer:
        if self._plugin is None:
            raise RuntimeError("finalize came before prepare")
        return _timed(self._plugin.finalize)

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


def _process(plugin: Plugin, ring: RingLender, request: protocol.Process) -> protocol.Answer:
    frame = Frame(
        image=ring.lend(request.slot, request.height, request.width),
        index=request.index,
        timestamp_ms=request.timestamp_ms,
        results={name: msgspec.json.decode(data) for name, data in request.results.items()},
    )
    return _timed(lambda: plugin.process_frame(frame), encode_frame_result)


def _timed(method: Callable[[], object], encode: Callable[[object], Encoded | None] = encode_result) -> protocol.Answer:
    """Run a method of the plugin and encode its result; only the method counts in ``run_ms``."""
    began = time.perf_counter()
    try:
        value = method()
    except BaseException as error:  # noqa: ASYNC103, BLE001 - SystemExit and KeyboardInterrupt are a plugin's failure as well
        return _raised(error, _ms_since(began))  # noqa: ASYNC104 - no Trio here
    run_ms = _ms_since(began)
    try:
        encoded = encode(value)
    except BadResult as error:
        return protocol.Done(result=None, run_ms=run_ms, fault=str(error)[:MESSAGE_CHARACTERS])
    if encoded is None:
        return protocol.Done(result=None, run_ms=run_ms)
    fault = None if encoded.fault is None else encoded.fault[:MESSAGE_CHARACTERS]
    return protocol.Done(result=encoded.data, run_ms=run_ms, fault=fault)


def _raised(error: BaseException, run_ms: float) -> protocol.Raised:
    try:
        message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    except BaseException:  # noqa: ASYNC103, BLE001 - even str() of an exception is the plugin's code
        message = type(error).__name__
    try:
        trace = "".join(traceback.format_exception(error))
    except BaseException:  # noqa: ASYNC103, BLE001 - as above
        trace = ""
    text, trace = _valid(message)[:MESSAGE_CHARACTERS], _valid(trace)[-TRACEBACK_CHARACTERS:]
    return protocol.Raised(message=text, traceback=trace, run_ms=run_ms, device_failed=is_device_error(error))


def _valid(text: str) -> str:
    """Replace half surrogate pairs, which a plugin's text may contain and UTF-8 cannot encode."""
    return text.encode("utf-8", "replace").decode()


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


def load(origin: protocol.Origin) -> type[Plugin]:
    """Import a plugin's class.

    Raises:
        TypeError: the object is not a usable plugin; the text says what to change.
        Exception: any error of its import.
    """
    found = _import(origin)
    for part in origin.attribute.split("."):
        found = getattr(found, part)
    return _checked(found, origin.attribute)


def _checked(found: object, name: str) -> type[Plugin]:
    if not (isinstance(found, type) and issubclass(found, Plugin)):
        raise TypeError(f"{name} is not a plugin: subclass kinora.plugins.Plugin, or put @tool above a function")
    if not isinstance(getattr(found, "metadata", None), PluginMetadata):
        raise TypeError(
            f"{name} has no metadata: add `metadata = PluginMetadata(name=…)` to the class, or a _ before its name"
        )
    if found.process_frame is Plugin.process_frame:
        raise TypeError(f"{name} does not define process_frame(self, frame)")
    return found


def _import(origin: protocol.Origin) -> Any:
    importlib.invalidate_caches()  # the fork server may have listed the folder before this module was put there
    if origin.kind != "file":
        return importlib.import_module(origin.location)
    path = Path(origin.location)
    name = _module_name(path.stem)
    sys.path.insert(0, str(path.parent))  # so that a file may import its neighbours
    file = path / "__init__.py" if path.is_dir() else path
    folders = [str(path)] if path.is_dir() else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=folders)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _module_name(own: str) -> str:
    """Return the file's own name, by which a package can import itself; another one if that is taken or invalid."""
    taken = not own.isidentifier() or importlib.util.find_spec(own) is not None
    return f"kinora_plugin_{own}" if taken else own


def _inspect(origin: protocol.Origin) -> list[protocol.Found]:
    if origin.attribute:
        return [_found(origin.attribute, load(origin))]
    module = _import(origin)
    classes = _own_plugins(module)
    if not classes:
        raise TypeError(f"{origin.location} defines no plugin: add a class of kinora.plugins.Plugin, or use @tool")
    return [_found(name, _checked(plugin, name)) for name, plugin in classes.items()]


def _own_plugins(module: ModuleType) -> dict[str, type[Plugin]]:
    """Return the plugins that a module defines, or a package re-exports from its modules; without private ones.

    A plugin with several names goes by the first.
    """
    named = {
        value: name
        for name, value in reversed(vars(module).items())
        if isinstance(value, type)
        and issubclass(value, Plugin)
        and not name.startswith("_")
        and f"{value.__module__}.".startswith(f"{module.__name__}.")
    }
    return {name: plugin for plugin, name in reversed(named.items())}


def _found(attribute: str, plugin: type[Plugin]) -> protocol.Found:
    encoded = encode_result(attrs.asdict(plugin.metadata, recurse=False))
    assert encoded is not None  # noqa: S101 - a mapping always has a text
    if encoded.lost is not None:
        raise TypeError(f"of the metadata of {attribute}, {encoded.lost}")
    return protocol.Found(attribute=attribute, metadata=encoded.data)
