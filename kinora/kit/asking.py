"""Puts the questions to a plugin, each in a process of its own, within a time limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import msgspec
import trio

from kinora.doctor.finding import Finding, failed, ok, warning
from kinora.kit.messages import QUESTION, Ask, Broken, Kept, Passed
from kinora.plugins.protocol import Origin, Raised
from kinora.runtime.forking.channel import ProtocolError
from kinora.runtime.forking.workers import ForkServer, WorkerGone

QUESTION_S = 60.0
"""The time for a question, with an import and one ``prepare`` or several; what takes longer is told, and ended."""
FRAME_S = 10.0
"""The time for a single frame, a batch or ``finalize`` in it."""
HANGS = "Timeout ("
"""The beginning of what Python prints when a frame takes longer."""
NAMES = ("no frame", "other sizes", "same again", "stateless", "restart", "batches", "segments", "resources")
"""The questions, as ``questions.QUESTIONS`` has them; that module is imported by the process that answers only."""


@attrs.frozen(kw_only=True)
class Asked:
    """The plugin that is asked, with its options."""

    origin: Origin
    options: Mapping[str, Any]
    models_dir: Path
    pictures: Sequence[Path]
    """The first frames, as numpy saves arrays."""
    results: Sequence[Mapping[str, Any]]
    """The results of the plugins before it on each."""
    frame_s: float = FRAME_S


async def ask(fork_server: ForkServer, asked: Asked, question: str) -> Finding | None:
    """What one question finds; None if it is not for this plugin. If cancelled, its process has ended.

    Raises:
        ForkServerGone: no process can be started.
    """
    request = Ask(
        question=question,
        origin=asked.origin,
        options=msgspec.json.encode(asked.options),
        models_dir=str(asked.models_dir),
        pictures=[str(path) for path in asked.pictures],
        results=[msgspec.json.encode(results) for results in asked.results],
        frame_s=asked.frame_s,
    )
    async with fork_server.worker(QUESTION, f"check/{question}", interpreter=asked.origin.python) as talk:
        try:
            with trio.fail_after(QUESTION_S):
                return _finding(question, await talk.ask(request))
        except trio.TooSlowError:
            return warning(
                question, f"no answer within {QUESTION_S:.0f} s", "load less in prepare, or do less on a frame"
            )
        except WorkerGone as error:
            gone = error
        except ProtocolError:
            return failed(question, "it wrote into the channel to Kinora", "leave descriptor 3 alone")
    output = talk.worker.log.text()  # its last words are there now that the worker is stopped
    fault = "it hangs" if HANGS in output else str(gone)
    return failed(question, fault, own_line(output, asked.origin))


def _finding(question: str, answer: Kept | Broken | Passed | Raised) -> Finding | None:
    match answer:
        case Kept(seen):
            return ok(question, seen)
        case Broken(fault, mend, grave):
            return failed(question, fault, mend) if grave else warning(question, fault, mend)
        case Raised(message=message, place=place):
            return failed(question, f"it raises {message}", f"see {place}" if place else "see its traceback")
        case Passed():
            return None


def own_line(log: str, origin: Origin) -> str:
    """Where the plugin was, by what Python printed when the process crashed or was ended."""
    own = (line.strip() for line in log.splitlines() if origin.location in line)
    return next((f"see {line}" for line in own), "see what it calls in native code")
