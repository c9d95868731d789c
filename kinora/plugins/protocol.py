"""The messages between the server and a plugin's worker process; results travel as JSON text inside.

The server sends one ``Request`` at a time. The worker answers each with one ``Answer``, and may send ``Note``s before
it. What the worker sends is checked as it is decoded, because its process is the plugin's.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from kinora.plugins.api import Severity
from kinora.runtime.program import Program

MESSAGE_CHARACTERS = 1_000
TRACEBACK_CHARACTERS = 8_000

Message = Annotated[str, msgspec.Meta(max_length=MESSAGE_CHARACTERS)]
Traceback = Annotated[str, msgspec.Meta(max_length=TRACEBACK_CHARACTERS)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a plugin's class is found."""

    kind: Literal["builtin", "entry_point", "file"]
    location: str
    """A module's dotted name; for ``file`` the absolute path of a ``*.py`` file or of a package's folder."""
    attribute: str
    """The class in that module; empty to ask for all that it defines."""


class Inspect(msgspec.Struct, tag_field="op", tag="inspect", frozen=True, kw_only=True):
    """Import a module and say which plugins it has."""

    origin: Origin


class Prepare(msgspec.Struct, tag_field="op", tag="prepare", frozen=True, kw_only=True):
    """Make the plugin and run its ``prepare``. The ring's descriptor comes along."""

    origin: Origin
    options: bytes
    device: str
    models_dir: str
    slots: int
    slot_bytes: int
    threads: int
    """How many the plugin's libraries may use."""
    address_space: int | None
    """Bytes that it may map beyond what its process has mapped by now; None for no such cap."""


class Process(msgspec.Struct, tag_field="op", tag="process", frozen=True, kw_only=True):
    """Run ``process_frame`` on the picture in a slot."""

    slot: int
    index: int
    timestamp_ms: float
    width: int
    height: int
    results: dict[str, bytes]


class Finalize(msgspec.Struct, tag_field="op", tag="finalize", frozen=True, kw_only=True):
    """Run ``finalize``."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One plugin of an inspected module."""

    attribute: str
    metadata: bytes
    """A PluginMetadata as JSON text."""


class Plugins(msgspec.Struct, tag_field="op", tag="plugins", frozen=True, kw_only=True):
    """What was found."""

    plugins: list[Found]


class Done(msgspec.Struct, tag_field="op", tag="done", frozen=True, kw_only=True):
    """The plugin's method returned."""

    result: bytes | None
    """As JSON text; None when it had nothing to say."""
    run_ms: Milliseconds
    """Wall time inside the plugin."""
    fault: Message | None = None
    """Why the result, or a part of it, could not be told as JSON."""


class Raised(msgspec.Struct, tag_field="op", tag="raised", frozen=True, kw_only=True):
    """The plugin's method raised, or the module could not be imported."""

    message: Message
    traceback: Traceback
    run_ms: Milliseconds
    device_failed: bool = False
    """Whether the error tells of its device rather than of the plugin; on ``cpu`` this means nothing."""


class Warned(msgspec.Struct, tag_field="op", tag="warned", frozen=True, kw_only=True):
    """The plugin called ``context.warn``."""

    message: Message
    severity: Severity


class Partial(msgspec.Struct, tag_field="op", tag="partial", frozen=True, kw_only=True):
    """The plugin called ``context.partial``."""

    result: bytes


Request = Inspect | Prepare | Process | Finalize
Note = Warned | Partial
Answer = Plugins | Done | Raised

PLUGIN: Program[Request, Answer | Note] = Program(
    "kinora.plugins.worker:main",
    msgspec.msgpack.Decoder(Inspect | Prepare | Process | Finalize).decode,
    msgspec.msgpack.Decoder(Plugins | Done | Raised | Warned | Partial).decode,
)
