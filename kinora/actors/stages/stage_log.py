"""The output and the failures of one plugin in one job."""

from __future__ import annotations

from kinora.actors.messages import Code
from kinora.actors.models import StageError, StageState
from kinora.actors.plugins.plugin_records import PluginRecord
from kinora.actors.times import utc_now
from kinora.plugins.protocol import TRACEBACK_CHARACTERS
from kinora.runtime.forking.worker_log import LOG_BYTES
from kinora.runtime.tail import Tail, readable

KINDS = 5
"""The kinds of errors of which the first is kept; errors of further kinds are not."""


class StageLog:
    """Joins the output of the plugin's processes, one after the other, and keeps the last ``LOG_BYTES`` of it."""

    def __init__(self, job_id: str, record: PluginRecord) -> None:
        self.failures = 0
        self.last_error: StageError | None = None
        self._first: dict[object, StageError] = {}
        """Kind → the first error of that kind, in the order in which they came."""
        self._job_id = job_id
        self._record = record
        self._output = Tail(LOG_BYTES)
        self._shown = b"", ""
        """The output that was last asked for, and its text."""

    @property
    def errors(self) -> tuple[StageError, ...]:
        """The first error of each kind: of those with the same code that came from the same lines."""
        return tuple(self._first.values())

    def text(self, running: bytes) -> str:
        """Return the output so far; ``running`` is the output of the running process, which is not kept yet.

        Only new output is made text: a pipeline asks several times a second.
        """
        output = (self._output.data() + running)[-LOG_BYTES:]
        if output != self._shown[0]:
            self._shown = output, readable(output)
        return self._shown[1]

    def restore(self, past: StageState, output: str) -> None:
        """Go on after the output and the failures of an earlier server."""
        self._output.add(output.encode())
        self.failures, self.last_error = past.failures, past.last_error
        self._first = {_kind(error): error for error in past.errors}

    def take(self, output: bytes) -> None:
        """Keep the output of a process that has ended."""
        self._output.add(output)

    def note_failure(self, code: Code, message: str, traceback: str, frame_id: str | None) -> None:
        """Count a failure of the plugin, and note its error; the traceback is empty if there is none."""
        error = StageError(message=message, code=code, traceback=traceback or None, frame_id=frame_id, at=utc_now())
        self.failures += 1
        self.last_error = error
        if len(self._first) < KINDS:
            self._first.setdefault(_kind(error), error)
        self._record.failed[code] += 1
        self._record.last_error, self._record.last_job = error, self._job_id

    def note_death(
        self, code: Code, message: str, traceback: str, frame_id: str | None, last_words: bytes = b""
    ) -> None:
        """Note that its process ended or was killed. Without a traceback, the end of its output may say why."""
        words = readable(last_words[-TRACEBACK_CHARACTERS:])[-TRACEBACK_CHARACTERS:]
        self.note_failure(code, message, traceback or words, frame_id)
        self._output.add(f"[{message}]\n".encode())

    def note_restart(self) -> None:
        """Note that a new process is started for one that died."""
        self._record.restarts += 1


def _kind(error: StageError) -> object:
    """What errors of one kind have in common: the code, and the lines that the traceback names, else the message."""
    lines = tuple(line for line in (error.traceback or "").splitlines() if line.startswith('  File "'))
    return error.code, lines or error.message
