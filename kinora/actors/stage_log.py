"""The output and the last error of one plugin in one job."""

from __future__ import annotations

from kinora.actors.messages import Code, utc_now
from kinora.actors.models import StageError
from kinora.actors.plugin_records import PluginRecord
from kinora.plugins.protocol import TRACEBACK_CHARACTERS
from kinora.runtime.tail import Tail
from kinora.runtime.worker_log import LOG_BYTES


class StageLog:
    """Joins the output of the plugin's processes, one after the other, and keeps the last ``LOG_BYTES`` of it."""

    def __init__(self, job_id: str, record: PluginRecord) -> None:
        self.last_error: StageError | None = None
        self._job_id = job_id
        self._record = record
        self._output = Tail(LOG_BYTES)
        self._last_words = ""

    def text(self, running: bytes) -> str:
        """Return the output so far; ``running`` is the output of the running process, which is not kept yet."""
        if not running:
            return self._output.text()
        both = Tail(LOG_BYTES)
        both.add(self._output.data())
        both.add(running)
        return both.text()

    def restore(self, output: str, last_error: StageError | None) -> None:
        """Go on after the output and the last error of an earlier server."""
        self._output.add(output.encode())
        self.last_error = last_error

    def take(self, output: bytes) -> None:
        """Keep the output of a process that has ended."""
        self._last_words = output.decode("utf-8", "backslashreplace")
        self._output.add(output)

    def note_failure(self, code: Code, message: str, traceback: str, frame_id: str | None) -> None:
        """Note an exception of the plugin."""
        error = StageError(message=message, code=code, traceback=traceback or None, frame_id=frame_id, at=utc_now())
        self.last_error = error
        self._record.failures += 1
        self._record.last_error, self._record.last_job = error, self._job_id

    def note_death(self, code: Code, message: str, traceback: str, frame_id: str | None) -> None:
        """Note that its process ended or was killed. Without a traceback, the end of its output may say why."""
        self.note_failure(code, message, traceback or self._last_words[-TRACEBACK_CHARACTERS:], frame_id)
        self._output.add(f"[{message}]\n".encode())

    def note_restart(self) -> None:
        """Note that a new process is started for one that died."""
        self._record.restarts += 1
