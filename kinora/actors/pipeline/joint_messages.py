"""What clients are told of the plugins of a job whose frames several pipelines share: as if it were one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from kinora.actors.found_events import FoundEvent
from kinora.actors.messages import PartialResultPayload, Payload, PluginStatusPayload, WarningPayload
from kinora.actors.pipeline.joint_state import OF_THE_FILE, joint_health, joint_status


class JointMessages:
    """Says what follows for clients from a message of one pipeline. It tells nothing itself."""

    def __init__(self, pipelines: int, frames_before: Mapping[str, int]) -> None:
        """``frames_before`` has, for each plugin, the frames that it has done in earlier attempts."""
        self._pipelines = pipelines
        self._frames_before = frames_before
        self._statuses: dict[str, dict[int, PluginStatusPayload]] = {}
        """Plugin → pipeline → the newest status."""
        self._partials: dict[tuple[int, str], PartialResultPayload] = {}
        """The newest partial result, until it is known whether the one of ``finalize``."""
        self._warned: dict[tuple[str | None, str, str], int] = {}
        """The highest count that was told of each warning."""

    def take(self, pipeline: int, payload: Payload | FoundEvent) -> Iterator[Payload | FoundEvent]:
        """Yield what to tell now. How a stage was completed is not told: see :meth:`completed`."""
        match payload:
            case PluginStatusPayload():
                yield from self._take_status(pipeline, payload)
            case PartialResultPayload():
                yield from self._flush_partial(pipeline, payload.plugin)
                self._partials[pipeline, payload.plugin] = payload
            case WarningPayload():
                if self._is_new(payload):
                    yield payload
            case _:
                yield payload

    def completed(self, plugin: str) -> PluginStatusPayload | None:
        """Return the message that the stage is completed; None unless it is one for all pipelines."""
        newest = list(self._statuses.get(plugin, {}).values())
        done = next((payload for payload in newest if payload.status == "completed"), None)
        return None if done is None else self._joint(done)

    def _take_status(self, pipeline: int, payload: PluginStatusPayload) -> Iterator[Payload]:
        newest = self._statuses.setdefault(payload.plugin, {})
        is_first = not newest
        newest[pipeline] = payload
        if payload.status == "completed":  # the last partial result was that of finalize
            self._partials.pop((pipeline, payload.plugin), None)
            return
        yield from self._flush_partial(pipeline, payload.plugin)
        all_failed = len(newest) == self._pipelines and all(one.status == "failed" for one in newest.values())
        if payload.status == "running" or is_first or all_failed:
            yield self._joint(payload)

    def _joint(self, payload: PluginStatusPayload) -> PluginStatusPayload:
        newest = self._statuses[payload.plugin].values()
        status = payload.status
        if status == "failed" and joint_status([one.status for one in newest]) != "failed":
            status = "running"
        return attrs.evolve(
            payload,
            status=status,
            frames_processed=self._frames_before.get(payload.plugin, 0) + sum(one.frames_processed for one in newest),
            warnings_count=sum(one.warnings_count for one in newest),
            health=joint_health([one.health for one in newest]),
        )

    def _flush_partial(self, pipeline: int, plugin: str) -> Iterator[Payload]:
        if (held := self._partials.pop((pipeline, plugin), None)) is not None:
            yield held

    def _is_new(self, warning: WarningPayload) -> bool:
        """False for what another pipeline has told already."""
        key = warning.plugin, warning.code, warning.message
        told = self._warned.get(key, 0)
        self._warned[key] = max(told, warning.count)
        return warning.count > told or (warning.plugin is None and warning.code not in OF_THE_FILE)
