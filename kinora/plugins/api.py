"""The interface for plugin authors: Plugin, PluginMetadata, Frame, PluginContext and @tool.

Light to import: no Trio, no web, no PyAV. It runs in worker processes and in the author's own tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, overload

import attrs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Severity = Literal["low", "medium", "high"]
Result = Mapping[str, Any] | None
State = bytes | Sequence[bytes]
"""Bytes, or parts that are joined. A part that was in the state before, as the same object, is not copied again."""

MAX_BATCH = 64
"""The most frames that a plugin may take at once; more is refused when it is inspected."""
MAX_BATCH_WAIT_MS = 1_000.0
"""The longest that a frame may wait for others; more is refused when the plugin is inspected."""

MAX_SKELETON = 1_000
"""The most pairs of a skeleton; it also bounds the numbers in them. More is refused when the plugin is inspected."""


def _names(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(given)


def _pairs(given: Iterable[Iterable[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((first, second) for first, second in given)


@attrs.frozen(kw_only=True)
class PluginMetadata:
    """A plugin's description of itself. Only the name is required."""

    name: str
    """Unique among all plugins: lower-case letters, digits, ``-`` and ``_``."""
    version: str = "0.0.0"
    description: str = ""
    author: str = ""
    tags: tuple[str, ...] = attrs.field(default=(), converter=_names)
    inputs: tuple[str, ...] = attrs.field(default=("frame",), converter=_names)
    outputs: tuple[str, ...] = attrs.field(default=(), converter=_names)
    permissions: tuple[str, ...] = attrs.field(default=(), converter=_names)
    config_schema: Mapping[str, Any] | None = None
    """JSON Schema of the options. If there is one, unknown options are refused before a job starts."""
    capabilities: tuple[str, ...] = attrs.field(default=(), converter=_names)
    devices: tuple[str, ...] = attrs.field(default=("cpu",), converter=_names)
    """The kinds of device that it can run on: ``cpu``, ``cuda``."""
    stateless: bool = False
    """True if the result of a frame does not depend on earlier frames.

    Nothing is lost then when the plugin begins anew, and it may work on several frames at once, each in a process.
    A plugin that is not stateless should define ``save_state`` and ``load_state``.
    """
    latency_budget_ms: float | None = None
    """A soft limit: a frame that takes longer makes the plugin ``degraded`` and warns once."""
    memory_limit_mb: int | None = None
    """Resident memory in MB beyond which its worker process is killed."""
    max_batch: int = 1
    """The most frames that ``process_batch`` takes at once, up to 64. With 1, frames come one by one."""
    batch_wait_ms: float = 20.0
    """How long the first frame of a batch waits at most for others, up to 1,000; 0 takes what is there already."""
    skeleton: tuple[tuple[int, int], ...] = attrs.field(default=(), converter=_pairs)
    """Pairs of numbers of ``keypoints``, counted from 0, that are joined by a line where they are drawn."""


@attrs.frozen(kw_only=True, eq=False)
class Frame:
    """One picture of the source, as a plugin gets it."""

    image: NDArray[np.uint8]
    """HxWx3, uint8, BGR, read-only: draw on a copy.

    The array, and each view or tensor of it, stays as it is for as long as it is kept. The plugin gets the picture
    without a copy, until it has kept one; from then on each picture is copied for it. Only a bare address
    (``image.ctypes.data``) is valid no longer than ``process_frame`` or ``process_batch`` runs.
    """
    index: int
    """The frame's number in the source, from 0; with a stride of 3 it goes 0, 3, 6."""
    timestamp_ms: float
    """Milliseconds since the source's start, from the stream's own clock."""
    results: Mapping[str, Any] = attrs.field(factory=dict)
    """Plugin name → its result on this frame, for the plugins before this one in the job."""


class PluginContext(Protocol):
    """Passed to ``prepare``; the plugin may use it until ``finalize`` has returned, from its own thread."""

    @property
    def options(self) -> Mapping[str, Any]:
        """The job's options for this plugin, with the defaults of ``config_schema`` filled in."""

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda:N``."""

    @property
    def models_dir(self) -> Path:
        """The operator's folder of model files. Options name files in it: open nothing outside it for a client."""

    def warn(self, message: str, severity: Severity = "low") -> None:
        """Show a warning to everyone who watches the job."""

    def partial(self, result: Mapping[str, Any]) -> None:
        """Publish a result found so far, as a ``partial_result``."""

    def event(self, kind: str, message: str = "", data: Any = None) -> None:
        """Report that something has happened: it is kept with the job, and told to everyone who watches it.

        In ``process_frame`` it is an event of that frame, in ``process_batch`` of the batch's last one; name those of
        other frames in their results, as ``events``. ``kind`` is a word of at most 64 characters by which events are
        chosen; ``data`` is at most 16,000 bytes of JSON. A frame has at most 100 events of a plugin.

        Raises:
            ValueError: ``kind`` is not a text of 1 to 64 characters.
        """


class DeviceError(Exception):
    """Raise this when the device failed and not the plugin: out of memory, driver gone, library built without it.

    The plugin is then prepared again on ``cpu``, in a fresh process, and its frame is tried again there. CUDA errors
    that libraries raise are recognised without it. On ``cpu`` it is an error like any other.
    """


class Plugin:
    """A vision tool: ``prepare`` → ``process_frame`` for each frame, in order → ``finalize``.

    With ``max_batch`` in its metadata, ``process_batch`` gets several frames at once in place of ``process_frame``.

    Each job has its own instance in a process of its own. If an instance raises, hangs or crashes, the job goes on.
    Results are mappings that JSON can express. Turned into JSON are also numpy numbers, arrays and tensors up to 10,000
    elements, dataclasses and other records, enums, sets, times, paths and their like; null stands for anything else.
    """

    metadata: ClassVar[PluginMetadata]
    max_batch: int | None = None
    """Set it in ``prepare`` to take fewer frames at once than the metadata says, as for a model that takes one."""

    def prepare(self, context: PluginContext) -> None:
        """Load what is needed; runs once per worker process, before the first frame."""

    def process_frame(self, frame: Frame) -> Result:
        """Return the result for one frame, or None if there is none.

        A plugin that defines ``process_batch`` alone gets a batch of one.
        """
        if type(self).process_batch is Plugin.process_batch:
            raise NotImplementedError(f"{type(self).__name__} must define process_frame(self, frame)")
        result: Result
        (result,) = one_for_each(self.process_batch([frame]), 1)
        return result

    def process_batch(self, frames: Sequence[Frame]) -> Sequence[Result]:
        """Return one result for each of these frames, in their order; None where there is nothing to say.

        The frames follow each other in the job, 1 to ``max_batch`` of them. If this raises, hangs, crashes or returns
        anything else, the same frames come again one by one, to ``process_frame``.
        """
        return [self.process_frame(frame) for frame in frames]

    def finalize(self) -> Result:
        """Sum up. The returned result becomes the last ``partial_result``."""
        return None

    def merge(self, results: Sequence[Mapping[str, Any]]) -> Result:
        """Join what several instances of the plugin returned from ``finalize``, each of which has seen some frames.

        Define it, for a stateless plugin with ``finalize``, so that files may be cut into segments. It is called on an
        instance without ``prepare``; which result is of which frames is not said.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define merge(self, results)")

    def save_state(self) -> State:
        """Return what the plugin knows of the frames so far, at most 64 MiB; called between two frames.

        Define it together with :meth:`load_state`: the plugin then goes on after a crash, and after a restart of the
        server, as if nothing had happened. It is called after each frame while that costs little, and seldom otherwise.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define save_state(self)")

    def load_state(self, data: bytes) -> None:
        """Go on from a state that :meth:`save_state` has returned in another process; called after ``prepare``.

        The state may come from another version of the plugin. Raise an exception if it cannot be used: the plugin then
        begins anew, in a fresh process, and a warning tells the reason.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define load_state(self, data)")


def one_for_each(results: object, frames: int) -> list[Any]:
    """The results of a batch of so many frames.

    Raises:
        TypeError, ValueError: it is not a sequence, or not of one result for each frame; the text says what to return.
    """
    if not isinstance(results, Sequence) or isinstance(results, str | bytes):
        kind = type(results).__name__
        raise TypeError(f"process_batch must return a list with one result for each frame, not {kind}")
    if len(results) != frames:
        raise ValueError(
            f"process_batch returned {len(results)} results for {frames} frames: return one for each, in their order, "
            "and None where there is nothing to say"
        )
    return list(results)


@overload
def tool(name: Callable[[Frame], Result]) -> type[Plugin]: ...
@overload
def tool(name: str | None = None, **metadata: Any) -> Callable[[Callable[[Frame], Result]], type[Plugin]]: ...
def tool(name: Any = None, **metadata: Any) -> Any:
    """Make a plugin from a plain function: ``@tool("brightness")`` above ``def brightness(frame): ...``.

    A plain ``@tool`` gives the plugin the function's name. ``metadata`` are further fields of :class:`PluginMetadata`;
    the description defaults to the docstring.
    """
    if callable(name):
        return tool()(name)

    def decorate(function: Callable[[Frame], Result]) -> type[Plugin]:
        described = {"description": (function.__doc__ or "").strip(), **metadata}
        own_name = getattr(function, "__name__", type(function).__name__)  # a partial and an object have none

        class FunctionTool(Plugin):
            def process_frame(self, frame: Frame) -> Result:
                return function(frame)

        FunctionTool.process_frame.__wrapped__ = function  # type: ignore[attr-defined]  # for who inspects it
        FunctionTool.metadata = PluginMetadata(name=own_name if name is None else name, **described)
        FunctionTool.__doc__ = function.__doc__
        FunctionTool.__name__ = FunctionTool.__qualname__ = own_name
        FunctionTool.__module__ = function.__module__
        return FunctionTool

    return decorate
