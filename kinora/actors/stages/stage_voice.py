"""StageVoice: what a stage tells clients about its plugin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from kinora.actors.found_events import FoundEvent, found_event
from kinora.actors.frames.ticket import FrameTicket
from kinora.actors.messages import Code, FramePayload, Health, PartialResultPayload, Payload, PluginStatusPayload
from kinora.actors.messages import StageStatus as Status
from kinora.actors.stages.stage_spec import StageSpec
from kinora.actors.stages.warnings import WarningLog
from kinora.plugins import protocol
from kinora.plugins.api import Severity

Tell = Callable[[Payload | FoundEvent], Awaitable[None]]


async def _tell_nobody(_payload: Payload | FoundEvent) -> None:
    """Drop a message: the stage does not run."""


class StageVoice:
    """Puts what happens in a stage into messages, and tells them; telling may wait."""

    def __init__(self, spec: StageSpec, warnings: WarningLog) -> None:
        self.tell: Tell = _tell_nobody
        """Takes each message; set for each run of the stage."""
        self._spec = spec
        self._warnings = warnings

    async def warn(self, code: Code, message: str, severity: Severity, frame_id: str | None) -> None:
        """Count a warning, and tell it unless it repeats others."""
        shown = self._warnings.add(self._spec.plugin, code, message, severity, frame_id)
        if shown is not None:
            await self.tell(shown)

    async def note(self, note: protocol.Warned | protocol.Partial | protocol.Event, frame_id: str | None) -> None:
        """Tell what the plugin said while it worked on a frame; None stands for ``prepare`` and ``finalize``."""
        match note:
            case protocol.Event():
                await self.tell(found_event(self._spec.plugin, note))
            case protocol.Warned(message=message, severity=severity):
                await self.warn(Code.PLUGIN_WARNING, message, severity, frame_id)
            case protocol.Partial(result=result):
                await self.partial(result)

    async def partial(self, result: bytes) -> None:
        """Tell a partial result, which is JSON text."""
        await self.tell(
            PartialResultPayload(job_id=self._spec.job_id, plugin=self._spec.plugin, result=msgspec.Raw(result))
        )

    async def status(self, status: Status, health: Health, frames: int, timing_ms: float | None) -> None:
        """Tell the status of the stage after so many frames; ``timing_ms`` is the plugin's time for the last one."""
        await self.tell(
            PluginStatusPayload(
                job_id=self._spec.job_id,
                plugin=self._spec.plugin,
                status=status,
                timing_ms=round(timing_ms, 1) if timing_ms is not None else None,
                frames_processed=frames,
                warnings_count=self._warnings.count(self._spec.plugin),
                health=health,
            )
        )

    async def result(self, ticket: FrameTicket, result: bytes, *, device: str, run_ms: float, queue_ms: float) -> None:
        """Tell the result for a frame, which is JSON text."""
        job_id = self._spec.job_id
        await self.tell(
            FramePayload(
                job_id=job_id,
                frame_id=ticket.frame_id,
                index=ticket.index,
                plugin=self._spec.plugin,
                data=msgspec.Raw(result),
                device_used=device,
                timing_ms=round(run_ms, 1),
                queue_ms=round(queue_ms, 1),
                width=ticket.width,
                height=ticket.height,
                timestamp_ms=round(ticket.timestamp_ms, 1),
                image_url=f"{self._spec.root_path}/v1/jobs/{job_id}/frames/{ticket.index}.jpg",
                file=ticket.file or msgspec.UNSET,
                pictured=ticket.pictured,
                every=self._spec.every if self._spec.every > 1 else msgspec.UNSET,
                side=self._spec.side or msgspec.UNSET,
            )
        )
