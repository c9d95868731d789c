"""Makes jobs from requests. All errors in a request are found here, before the job is acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from kinora.actors.audience import Audience
from kinora.actors.device_health import DeviceHealth
from kinora.actors.errors import FieldError, InvalidRequest
from kinora.actors.inspector import InspectorService
from kinora.actors.job import Job
from kinora.actors.job_request import JobRequest
from kinora.actors.job_spec import JobPlan, JobSpec, PlannedPlugin, ResumePoint
from kinora.actors.options_checker import OptionsChecker, OptionsUnchecked
from kinora.actors.pipeline import Pipeline, PipelineSpec
from kinora.actors.plugin_process import PluginProcess, ProcessSpec
from kinora.actors.plugin_records import PluginRecords
from kinora.actors.source_finder import SourceFinder
from kinora.actors.source_reader import SourceSpec
from kinora.actors.store import Store
from kinora.actors.tool_runner import StageSpec, ToolRunner
from kinora.actors.warnings import WarningLog
from kinora.plugins.devices import CPU, Device, resolve
from kinora.plugins.option_errors import OptionsError
from kinora.plugins.registry import PluginEntry, PluginRegistry
from kinora.runtime.machine import cores, threads_per_worker
from kinora.runtime.workers import MB, ForkServer


@attrs.frozen(kw_only=True)
class JobLimits:
    """The operator's settings for all jobs."""

    models_dir: Path
    ring_bytes: int
    max_failures: int
    max_errors: int
    max_jobs: int
    """The number of jobs that share the cores."""
    paused_keep_s: float
    """The time for which a paused job's workers stay."""


class JobFactory:
    """Plans requests, and makes jobs from the plans."""

    def __init__(
        self,
        *,
        limits: JobLimits,
        sources: SourceFinder,
        registry: PluginRegistry,
        devices: Callable[[], Sequence[Device]],
        device_health: DeviceHealth,
        records: PluginRecords,
        fork_server: ForkServer,
        inspectors: InspectorService,
        store: Store,
        audience: Audience,
    ) -> None:
        self._limits = limits
        self._sources = sources
        self._registry = registry
        self._devices = devices
        self._device_health = device_health
        self._records = records
        self._fork_server = fork_server
        self._options_checker = OptionsChecker(fork_server)
        self._inspectors = inspectors
        self._store = store
        self._audience = audience

    async def plan(self, request: JobRequest, upload: Path | None) -> JobPlan:
        """Find the plugins and the source, and check that they can be used.

        Raises:
            InvalidRequest: plugins, options or the source's name are wrong; each wrong plugin and option is named.
            UnsupportedSource: the source is neither a video nor an image.
            TooLarge: its pictures exceed the limit.
            QueueFull: the options of too many requests are being checked.
        """
        plugins = await self._find_plugins(request)
        location = str(upload) if upload is not None else await self._sources.locate(request.source)
        info = await self._sources.examine(location, request.source)
        device = resolve(request.device_requested, [plugin.metadata.devices for plugin in plugins], self._devices())
        return JobPlan(
            request=request,
            location=location,
            uploaded=upload is not None,
            info=info,
            plugins=plugins,
            device=device,
        )

    def build(self, spec: JobSpec) -> Job:
        """Make the job; it does not run yet."""
        plan = spec.plan
        inspector = self._inspectors.open_job(spec.job_id, {plugin.name: plugin.metadata for plugin in plan.plugins})
        warnings = WarningLog(spec.job_id)
        stages = [
            ToolRunner(
                self._stage_spec(spec, plugin),
                process=PluginProcess(self._process_spec(spec, plugin), self._fork_server),
                inspector=inspector,
                warnings=warnings,
                device_health=self._device_health,
                record=self._records.of(plugin.name),
            )
            for plugin in plan.plugins
        ]

        def make_pipeline(begin: ResumePoint) -> Pipeline:
            return Pipeline(
                self._pipeline_spec(spec, begin),
                stages=stages,
                inspector=inspector,
                warnings=warnings,
                fork_server=self._fork_server,
            )

        return Job(
            spec,
            make_pipeline=make_pipeline,
            store=self._store,
            audience=self._audience,
            paused_keep_s=self._limits.paused_keep_s,
        )

    def _stage_spec(self, spec: JobSpec, plugin: PlannedPlugin) -> StageSpec:
        wanted, device = spec.plan.request.options, spec.plan.device.device_used
        return StageSpec(
            job_id=spec.job_id,
            plugin=plugin.name,
            options=plugin.options,
            device=device if device.partition(":")[0] in plugin.metadata.devices else CPU,
            plugin_timeout_ms=wanted.plugin_timeout_ms,
            prepare_timeout_ms=wanted.prepare_timeout_ms,
            max_failures=self._limits.max_failures,
            max_errors=self._limits.max_errors,
        )

    def _process_spec(self, spec: JobSpec, plugin: PlannedPlugin) -> ProcessSpec:
        memory_limit_mb = plugin.metadata.memory_limit_mb
        return ProcessSpec(
            job_id=spec.job_id,
            plugin=plugin.name,
            origin=plugin.origin,
            options=plugin.options,
            models_dir=self._limits.models_dir,
            threads=threads_per_worker(cores(), self._limits.max_jobs, len(spec.plan.plugins)),
            memory_limit=memory_limit_mb * MB if memory_limit_mb is not None else None,
        )

    def _pipeline_spec(self, spec: JobSpec, begin: ResumePoint) -> PipelineSpec:
        plan, options = spec.plan, spec.plan.request.options
        left = None if options.max_frames is None else max(0, options.max_frames - begin.frames)
        source = SourceSpec(
            location=plan.location,
            name=plan.request.source,
            limits=self._sources.limits,
            start=begin.start,
            stride=options.stride,
            max_frames=left,
            policy=options.policy or ("latest" if plan.info.kind == "stream" else "wait"),
        )
        return PipelineSpec(job_id=spec.job_id, source=source, device=plan.device, ring_bytes=self._limits.ring_bytes)

    async def _find_plugins(self, request: JobRequest) -> tuple[PlannedPlugin, ...]:
        found: list[PlannedPlugin] = []
        errors: list[FieldError] = []
        uncounted = 0
        async with self._options_checker.open() as check:
            for number, wanted in enumerate(request.plugins):
                entry = self._registry.get(wanted.name)
                if entry is None or entry.metadata is None:
                    errors.append(FieldError(f"plugins[{number}]", self._why_not(wanted.name, entry)))
                    continue
                place = f"plugins[{number}].options"
                try:
                    options = await check.filled(entry, wanted.options)
                except OptionsError as error:
                    errors += [FieldError(_joined(place, path), text) for path, text in error.errors]
                    uncounted += error.total - len(error.errors)
                except OptionsUnchecked as error:
                    errors.append(FieldError(place, str(error)))
                    break
                else:
                    found.append(
                        PlannedPlugin(name=entry.name, origin=entry.origin, metadata=entry.metadata, options=options)
                    )
        if errors:
            raise InvalidRequest("The plugins or their options are not valid.", errors, len(errors) + uncounted)
        return tuple(found)

    def _why_not(self, name: str, entry: PluginEntry | None) -> str:
        if entry is not None:
            return f"{name} is broken: {entry.broken}"
        return f"there is no plugin {name!r}; there are: {', '.join(self._registry.names())}"


def _joined(place: str, path: str) -> str:
    return place + (path if path.startswith("[") or not path else f".{path}")
