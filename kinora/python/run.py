"""Run: one source on its way through plugins, as a loop over its frames, and what is left of it afterwards."""

from __future__ import annotations

import os
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from kinora.python.beside import finish_in_thread, in_thread
from kinora.python.errors import PluginFailed, RunError, as_run_error
from kinora.python.frame import RunFrame
from kinora.python.kept import KeptFrames
from kinora.python.report import Report
from kinora.python.shown import Shown
from kinora.python.turns import STOP_S, Turns

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Annotate = Callable[[KeptFrames, Path], None]
"""Writes a video of the frames with their results drawn in."""

CLOSE_S = 2 * STOP_S
"""The time that leaving an ``async for`` waits for the end of the run, which is to come well before."""


class Run:
    """A run; made by :func:`kinora.run`, and by ``run`` of a server.

    ``for frame in run`` starts it and goes through its frames, once; in an async program ``async for frame in run``
    does the same without holding up its loop. Leaving the loop cancels the run: when the ``for`` is left, by ``break``
    or an error, all its processes are gone. Tables, exports and videos are of the frames that were gone through; if the
    run has not begun, they go through all of it.
    """

    def __init__(
        self, work: Callable[[Turns[Shown]], Awaitable[None]], report: Report, annotate: Annotate, *, strict: bool
    ) -> None:
        self._turns = Turns(work)
        self._report = report
        self._annotate = annotate
        self._strict = strict
        self._kept = KeptFrames()
        self._frame: RunFrame | None = None
        self._is_begun = False
        self._ended = weakref.finalize(self, self._turns.close)

    # The frames

    def __iter__(self) -> Iterator[RunFrame]:
        self._begin()
        try:
            while (frame := self._next()) is not None:
                yield frame
        finally:
            self.close()

    async def __aiter__(self) -> AsyncIterator[RunFrame]:  # noqa: ASYNC900 - it has neither scope nor nursery
        self._begin()
        try:
            while (frame := await in_thread(self._next)) is not None:
                yield frame
        finally:
            self._leave_frame()
            await finish_in_thread(self._turns.close, CLOSE_S)  # noqa: ASYNC102 - it has a shield and a limit

    def close(self) -> None:
        """Cancel the run if it goes on, and return once all its processes are gone."""
        self._leave_frame()
        self._turns.close()

    def _leave_frame(self) -> None:
        if self._frame is not None:
            self._frame.end_turn(left=True)
            self._frame = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self) -> None:
        if self._is_begun:
            raise RunError("This run was gone through already: call run again, or use what it has found")
        self._is_begun = True

    def _next(self) -> RunFrame | None:
        """The next frame; None at the end."""
        if self._frame is not None:
            self._frame.end_turn(left=False)
            self._frame = None
        failure: BaseException | None = None
        try:
            shown = self._turns.next()
        except Exception as error:  # noqa: BLE001 - it is raised, or its sentence
            failure = as_run_error(error)
        if failure is not None:  # raised here, as IPython does not show an error properly whose context is a group
            raise failure
        if shown is None:
            self._check_plugins()
            return None
        self._kept.add(shown.line)
        self._frame = frame = RunFrame(shown, self._report.counted, self._report.skeletons)
        if self._strict and frame.errors:
            plugin, message = next(iter(frame.errors.items()))
            raise PluginFailed(plugin, message, frame.index)
        return frame

    def _check_plugins(self) -> None:
        """Raise PluginFailed if one failed beside the frames, and the run is strict."""
        for plugin, stage in self._report.state.get("plugins", {}).items():
            if self._strict and (stage["status"] == "failed" or stage["failures"]):
                error = stage["last_error"]
                raise PluginFailed(plugin, error["message"] if error else "it was disabled")

    def _go_through(self) -> None:
        """Go through all frames if the run has not begun."""
        if not self._is_begun:
            for _ in self:
                pass

    # What is known of it

    @property
    def job_id(self) -> str | None:
        """The id of its job; None before it has one."""
        return self._report.state.get("job_id")

    @property
    def status(self) -> str:
        """``waiting`` before it begins, then that of its job, such as ``running``, ``done`` or ``cancelled``."""
        return str(self._report.state.get("status", "waiting"))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Each different warning so far, as ``plugin: message``."""
        return tuple(self._report.state.get("warnings", ()))

    @property
    def events(self) -> Sequence[Mapping[str, Any]]:
        """What plugins say has happened so far, as ``GET /v1/jobs/{job_id}/events`` gives it."""
        return tuple(self._report.events)

    @property
    def logs(self) -> Mapping[str, str]:
        """Plugin → the end of what it has printed; of a run on a server, once that has ended."""
        return self._report.logs

    @property
    def final(self) -> Mapping[str, Any]:
        """Plugin → what its ``finalize`` has returned, of those that have returned something."""
        stages = self._report.state.get("plugins", {})
        return {name: stage["finalize"] for name, stage in stages.items() if stage["finalize"] is not None}

    @property
    def state(self) -> Mapping[str, Any]:
        """All that is known of its job, as ``GET /v1/jobs/{job_id}/extended`` gives it; empty before it has one."""
        return self._report.state

    # What is left of it

    def to_pandas(self) -> pd.DataFrame:
        """A row for each detection, class, metric and text, with the columns of Kinora's CSV; needs pandas."""
        from kinora.python.tables import to_pandas  # noqa: PLC0415 - an extra

        self._go_through()
        return to_pandas(self._kept)

    def to_arrow(self) -> pa.Table:
        """The same rows as :meth:`to_pandas`, as a table of Arrow; needs pyarrow."""
        from kinora.python.tables import to_arrow  # noqa: PLC0415 - an extra

        self._go_through()
        return to_arrow(self._kept)

    def export(self, form: str, folder: str | os.PathLike[str]) -> list[Path]:
        """Write what was found for another program, and return the files.

        ``form`` is ``coco``, ``yolo``, ``mot``, ``cvat``, ``parquet``, ``csv``, ``ndjson`` or ``json``. Files of these
        names in the folder are replaced; the folder is made.

        Raises:
            RunError: there is no such form, or a file cannot be written.
        """
        from kinora.python.saving import export  # noqa: PLC0415 - few runs export

        self._go_through()
        return export(self._kept, self._report, form, Path(folder))

    def annotate(self, out: str | os.PathLike[str]) -> Path:
        """Write a video of the frames with the results drawn in, and return its path; its suffix names the kind.

        Raises:
            RunError: it cannot be made, as of a camera, whose pictures are gone.
        """
        self._go_through()
        self._annotate(self._kept, Path(out))
        return Path(out)

    def __repr__(self) -> str:
        source = self._report.source
        if not self._is_begun:
            return f"<run of {source}, not begun: go through it by 'for frame in run'>"
        return f"<run of {source}: {self.status}, {self._kept.count} frames>"

    def _repr_html_(self) -> str:
        """What is known of the run, for notebooks."""
        from kinora.python.html import run_html  # noqa: PLC0415 - for notebooks

        return run_html(self.state, self._kept.count, self.warnings) if self.state else f"<p>{escape(repr(self))}</p>"
