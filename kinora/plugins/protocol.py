"""The messages between the server and a plugin's worker process; they carry results as JSON text.

The server sends one ``Request`` at a time. The worker answers each with one ``Answer``, and may send ``Note``s before
it. The worker's messages are checked as they are decoded, because its process runs the plugin's code.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from kinora.plugins.api import Severity
from kinora.plugins.forms.catalogue import MAX_EVENT_KIND
from kinora.plugins.option_errors import MAX_ERRORS, MAX_MESSAGE, MAX_PATH
from kinora.runtime.forking.program import Program

MESSAGE_CHARACTERS = 1_000
TRACEBACK_CHARACTERS = 8_000
PLACE_CHARACTERS = 300
KIND_CHARACTERS = MAX_EVENT_KIND
"""The most characters of an event's kind."""
EVENT_BYTES = 16_000
"""The most JSON text of an event's data. A plugin's larger data is left out, with a warning."""
MAX_EVENTS = 100
"""The most events that a plugin reports on one frame, and in each of ``prepare`` and ``finalize``. Further ones are
left out, with a warning."""
BATCH_BYTES = 12 * 2**20
"""The most JSON text of a batch in either direction. A batch with more goes in, or comes, one by one."""

Message = Annotated[str, msgspec.Meta(max_length=MESSAGE_CHARACTERS)]
Traceback = Annotated[str, msgspec.Meta(max_length=TRACEBACK_CHARACTERS)]
OptionError = tuple[
    Annotated[str, msgspec.Meta(max_length=MAX_PATH)], Annotated[str, msgspec.Meta(max_length=MAX_MESSAGE)]
]
"""A path within the options, and a sentence."""
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """The place of a plugin's class."""

    kind: Literal["builtin", "entry_point", "file"]
    location: str
    """The module's dotted name; for ``file`` the absolute path of a ``*.py`` file or of a package's folder."""
    attribute: str
    """The name of the class in that module; empty stands for all plugins that it defines."""
    python: str = ""
    """The path of the interpreter that it runs under; empty for Kinora's own."""


class Inspect(msgspec.Struct, tag_field="op", tag="inspect", frozen=True, kw_only=True):
    """Import a module and find its plugins; answered with Plugins."""

    origin: Origin


class CheckSchema(msgspec.Struct, tag_field="op", tag="check_schema", frozen=True, kw_only=True):
    """Check a plugin's ``config_schema``; answered with OptionsChecked as if no options were given, or SchemaFaulty."""

    plugin: str
    schema: bytes
    """JSON text."""


class UseRing(msgspec.Struct, tag_field="op", tag="ring", frozen=True, kw_only=True):
    """Map the ring, whose descriptor is sent along, in place of the one before; answered with Done or Raised."""

    slots: int
    slot_bytes: int


class Prepare(msgspec.Struct, tag_field="op", tag="prepare", frozen=True, kw_only=True):
    """Map the ring, whose descriptor is sent along, make the plugin and run its ``prepare``."""

    origin: Origin
    options: bytes
    device: str
    models_dir: str
    ring: UseRing
    threads: int
    """The most threads that the plugin's libraries may use, until a frame says otherwise."""
    address_space: int | None
    """The most bytes that its process may map in addition to those mapped already; None for no cap."""


class Remember(msgspec.Struct, tag_field="op", tag="remember", frozen=True, kw_only=True):
    """Keep the plugin's states in the memory whose descriptor is sent along, after each frame while that is cheap.

    With a second descriptor, which has an earlier state, run ``load_state`` first. Answered with Done or Raised; after
    Raised the process must be ended.
    """

    places: list[tuple[int, int]] = []
    """Offset and size of each part of the earlier state."""


class SaveState(msgspec.Struct, tag_field="op", tag="save_state", frozen=True, kw_only=True):
    """Keep the plugin's state now, whatever it costs; answered with Done, after Unsaved if that has failed."""

    index: int
    """The last frame before."""


class Process(msgspec.Struct, tag_field="op", tag="process", frozen=True, kw_only=True):
    """Run ``process_frame`` on the picture in a slot of the ring that is mapped."""

    slot: int
    index: int
    timestamp_ms: float
    width: int
    height: int
    results: dict[str, bytes]
    threads: int = 1
    """The most threads that the plugin's libraries may use now, if they can change it."""


class ProcessBatch(msgspec.Struct, tag_field="op", tag="process_batch", frozen=True, kw_only=True):
    """Run ``process_batch`` on pictures in the ring that is mapped; answered with BatchDone, or Raised for all."""

    frames: list[Process]


class Finalize(msgspec.Struct, tag_field="op", tag="finalize", frozen=True, kw_only=True):
    """Run ``finalize``."""


class Merge(msgspec.Struct, tag_field="op", tag="merge", frozen=True, kw_only=True):
    """Make the plugin, and run ``merge`` on what several instances of it returned from ``finalize``."""

    origin: Origin
    results: list[bytes]
    """JSON texts of objects."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One plugin of an inspected module."""

    attribute: str
    metadata: bytes
    """A PluginMetadata as JSON text."""
    sums_up: bool = False
    """True if it defines ``finalize``."""
    merges: bool = False
    """True if it defines ``merge``."""


class Plugins(msgspec.Struct, tag_field="op", tag="plugins", frozen=True, kw_only=True):
    """The plugins that were found."""

    plugins: list[Found]
    faults: list[Message] = []
    """What is wrong with further classes, which cannot be used; a sentence for each."""


class SchemaFaulty(msgspec.Struct, tag_field="op", tag="schema_faulty", frozen=True):
    """The ``config_schema`` cannot be used; the message is a sentence that says why."""

    message: Message


class OptionsChecked(msgspec.Struct, tag_field="op", tag="options_checked", frozen=True, kw_only=True):
    """The options are accepted, or have errors."""

    filled: bytes | None = None
    """The options as JSON text, with the defaults filled in; None if there are errors."""
    errors: Annotated[tuple[OptionError, ...], msgspec.Meta(max_length=MAX_ERRORS)] = ()
    total: int = 0
    """The number of errors that were found."""


class Event(msgspec.Struct, tag_field="op", tag="event", frozen=True, kw_only=True):
    """The plugin called ``context.event``, or has an event in its result."""

    kind: Annotated[str, msgspec.Meta(min_length=1, max_length=KIND_CHARACTERS)]
    message: Message = ""
    data: Annotated[bytes, msgspec.Meta(max_length=EVENT_BYTES)] = b"null"
    """JSON text."""


Events = Annotated[tuple[Event, ...], msgspec.Meta(max_length=MAX_EVENTS)]


class Done(msgspec.Struct, tag_field="op", tag="done", frozen=True, kw_only=True):
    """The plugin's method returned."""

    result: bytes | None
    """The result as JSON text; None if the method returned None."""
    run_ms: Milliseconds
    """Wall time inside the plugin."""
    fault: Message | None = None
    """The reason why the result, or a part of it, could not be encoded as JSON."""
    events: Events = ()
    """The events in the result of a frame."""
    remembers: bool = False
    """Of Prepare: True if the plugin has ``save_state`` and ``load_state``."""
    max_batch: Annotated[int, msgspec.Meta(ge=1)] = 1
    """In the answer to Prepare: the most frames that the plugin takes at once."""


class BatchDone(msgspec.Struct, tag_field="op", tag="batch_done", frozen=True, kw_only=True):
    """``process_batch`` returned one result for each frame, in their order."""

    frames: list[Done]
    """``run_ms`` of each is the batch's time divided by the number of frames."""


class Raised(msgspec.Struct, tag_field="op", tag="raised", frozen=True, kw_only=True):
    """The plugin's method raised, or the module could not be imported."""

    message: Message
    traceback: Traceback
    run_ms: Milliseconds
    device_failed: bool = False
    """True if the error seems to be the device's and not the plugin's; without meaning on ``cpu``."""
    place: Annotated[str, msgspec.Meta(max_length=PLACE_CHARACTERS)] | None = None
    """The last line of the plugin's own code on the way to the error: file, line and function."""
    no_plugin: bool = False
    """True if the module was imported and has no plugin in it."""


class Warned(msgspec.Struct, tag_field="op", tag="warned", frozen=True, kw_only=True):
    """The plugin called ``context.warn``."""

    message: Message
    severity: Severity


class Partial(msgspec.Struct, tag_field="op", tag="partial", frozen=True, kw_only=True):
    """The plugin called ``context.partial``."""

    result: bytes


class Unsaved(msgspec.Struct, tag_field="op", tag="unsaved", frozen=True, kw_only=True):
    """The plugin's state after this frame is not kept: ``save_state`` raised, or gave something else than a state."""

    message: Message
    traceback: Traceback = ""
    """Empty if nothing was raised."""
    place: Annotated[str, msgspec.Meta(max_length=PLACE_CHARACTERS)] | None = None


Request = Inspect | CheckSchema | Prepare | UseRing | Remember | SaveState | Process | ProcessBatch | Finalize | Merge
Note = Warned | Partial | Unsaved | Event
Answer = Plugins | SchemaFaulty | OptionsChecked | Done | BatchDone | Raised

PLUGIN: Program[Request, Answer | Note] = Program(
    "kinora.plugins.worker:main",
    msgspec.msgpack.Decoder(Request).decode,
    msgspec.msgpack.Decoder(Answer | Note).decode,
)


# The check of the options that a client gives: one CheckOptions for each plugin.


class CheckOptions(msgspec.Struct, tag_field="op", tag="check_options", frozen=True, kw_only=True):
    """Check options against a ``config_schema``; answered with OptionsChecked."""

    plugin: str
    schema: bytes
    """JSON text."""
    options: bytes
    """JSON text."""


OPTIONS_CHECKER: Program[CheckOptions, OptionsChecked] = Program(
    "kinora.plugins.options_worker:main",
    msgspec.msgpack.Decoder(CheckOptions).decode,
    msgspec.msgpack.Decoder(OptionsChecked).decode,
)
