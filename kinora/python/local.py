"""A run in this program: a whole system for one job, whose frames are looked at where their decoder put them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import msgspec
import trio

from kinora.actors.found_events import FoundEvent
from kinora.actors.frames.job_ring import JobRing
from kinora.actors.frames.ticket import FrameTicket
from kinora.actors.jobs.next_state import next_state
from kinora.actors.models import JobState
from kinora.actors.requests.job_request import parse_job_request
from kinora.preloading import launch_of
from kinora.python.errors import RunError
from kinora.python.kept import KeptFrames
from kinora.python.local_settings import settings_for
from kinora.python.pictures import RingPicture
from kinora.python.plugins import WantedPlugin, write_plugin
from kinora.python.report import Report
from kinora.python.shown import Shown, check_end
from kinora.python.turns import Turns
from kinora.python.wanted import Wanted
from kinora.results.job import exported_job
from kinora.runtime.files.temporary import temporary_folder
from kinora.runtime.shared_memory.frames import RingReader
from kinora.settings import Settings
from kinora.system import System, open_system


class RingViewer:
    """Gives each frame its turn in the program, with its picture in the ring."""

    def __init__(self, turns: Turns[Shown]) -> None:
        self._turns = turns
        self._ring: JobRing | None = None
        self._reader: RingReader | None = None

    async def show(self, ticket: FrameTicket, data: bytes) -> None:
        """As :class:`~kinora.actors.pipeline.viewer.Viewer` says."""
        if self._reader is None or self._ring is not ticket.ring:
            self._ring = ticket.ring
            self._reader = RingReader(os.dup(ticket.ring.fd), ticket.ring.slots, ticket.ring.slot_bytes)
        view = self._reader.view(ticket.slot, ticket.height, ticket.width)
        await self._turns.give(Shown(data, RingPicture(view), [_told(event) for event in ticket.events]))


@attrs.frozen
class LocalRun:
    """The work of one run."""

    wanted: Wanted
    settings: Settings
    report: Report

    async def run(self, turns: Turns[Shown]) -> None:
        """Run the job to its end, or until it is to stop; then all its processes are gone.

        Raises:
            RunError: the job failed.
            KinoraError: it cannot begin.
        """
        with temporary_folder() as folder:
            plugins = [write_plugin(plugin, folder) for plugin in self.wanted.plugins]
            files = [plugin.path for plugin in plugins if plugin.path is not None]
            settings, source = settings_for(self.settings, self.wanted.source, files, folder)
            with launch_of(settings).start() as launched:
                opening = open_system(
                    settings,
                    needed_plugins=[plugin.name for plugin in plugins if plugin.path is None],
                    launched=launched,
                    viewer=RingViewer(turns),
                )
                async with opening as system:
                    await self._run_job(system, plugins, source, turns)

    def annotate(self, kept: KeptFrames, out: Path) -> None:
        """Write the video; see :meth:`Run.annotate <kinora.python.run.Run.annotate>`."""
        from kinora.python.saving import annotate_kept  # noqa: PLC0415 - loads FFmpeg and OpenCV, which few runs need

        annotate_kept(self.wanted.source, self.settings, self.report, kept, out)

    async def _run_job(self, system: System, plugins: Sequence[WantedPlugin], source: str, turns: Turns[Shown]) -> None:
        entries = [entry for plugin in plugins for entry in _entries(system, plugin)]
        request = parse_job_request(self.wanted.request(entries, source))
        state = (await system.jobs.submit(request)).state
        self.report.skeletons = system.plugins.skeletons()
        self.report.exported = exported_job(system.plugins, state, "")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_on_stop, system, state.job_id, turns)
            state = await self._follow(system, state)
            nursery.cancel_scope.cancel()
        check_end(self.report.state, stopped=turns.stopping.is_set())

    async def _follow(self, system: System, state: JobState) -> JobState:
        while True:
            await self._take_events(system, state.job_id)
            self.report.logs = await system.jobs.logs(state.job_id)
            self.report.state = msgspec.json.decode(msgspec.json.encode(state))
            if state.ended:
                return state
            state = await next_state(system.jobs, state)

    async def _take_events(self, system: System, job_id: str) -> None:
        while found := (await system.jobs.events(job_id, after=self.report.last_event)).events:
            self.report.events += [msgspec.json.decode(event.data, type=dict[str, Any]) for event in found]


def _told(event: FoundEvent) -> dict[str, Any]:
    """An event of a frame, as the program sees it."""
    data = msgspec.json.decode(event.data)
    return {"plugin": event.plugin, "kind": event.kind, "message": event.message, "data": data}


async def _cancel_on_stop(system: System, job_id: str, turns: Turns[Shown]) -> None:
    await turns.stopping.wait()
    await system.jobs.cancel(job_id)


def _entries(system: System, plugin: WantedPlugin) -> list[dict[str, Any]]:
    """The entries of a job's request for a plugin: one, or one for each plugin that its file defines."""
    if plugin.path is None:
        return [{"name": plugin.name, **plugin.request}]
    found = system.plugins.defined_in(plugin.path)
    broken = [entry.broken for entry in found if entry.broken]
    if broken or not found:
        raise RunError(f"{plugin.name}: {broken[0] if broken else 'defines no plugin'}")
    return [{"name": entry.name, **plugin.request} for entry in found]
