"""The messages between ``kinora plugins check`` and the process in which one question is put to a plugin."""

from __future__ import annotations

import msgspec

from kinora.plugins.protocol import Message, Origin, Raised
from kinora.runtime.forking.program import Program


class Ask(msgspec.Struct, tag_field="op", tag="ask", frozen=True, kw_only=True):
    """Put a question to a plugin; answered with Kept, Broken, Passed or Raised."""

    question: str
    """Its name in ``questions.QUESTIONS``."""
    origin: Origin
    options: bytes
    """JSON text."""
    models_dir: str
    pictures: list[str]
    """The paths of the first frames, as numpy saves arrays."""
    results: list[bytes]
    """The results of the plugins before this one on each, as JSON texts."""
    frame_s: float
    """The time for a frame; a plugin that takes longer hangs."""


class Kept(msgspec.Struct, tag_field="op", tag="kept", frozen=True):
    """The plugin keeps what it promises; the text says what was seen."""

    seen: Message


class Broken(msgspec.Struct, tag_field="op", tag="broken", frozen=True):
    """The plugin does not keep it."""

    fault: Message
    mend: Message
    grave: bool
    """True if results are wrong because of it."""


class Passed(msgspec.Struct, tag_field="op", tag="passed", frozen=True):
    """The question is not for this plugin."""


QUESTION: Program[Ask, Kept | Broken | Passed | Raised] = Program(
    "kinora.kit.question_worker:main",
    msgspec.msgpack.Decoder(Ask).decode,
    msgspec.msgpack.Decoder(Kept | Broken | Passed | Raised).decode,
)
