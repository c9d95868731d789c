"""Makes jobs from requests. All errors in a request are found here, before the job is acknowledged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import attrs

from kinora.actors.audience import Audience
from kinora.actors.device_health import DeviceHealth
from kinora.actors.errors import Conflict, FieldError, InvalidRequest
from kinora.actors.inspector import Inspector, InspectorService
from kinora.actors.job import Job, Work
from kinora.actors.job_figures import JobFigures
from kinora.actors.job_request import AUTO, JobRequest
from kinora.actors.job_spec import JobPlan, JobSpec, PlannedPlugin, ResumePoint
from kinora.actors.job_trace import JobTrace, NoTracer, TracedJob, Tracer
from kinora.actors.options_checker import OptionsChecker, OptionsUnchecked
from kinora.actors.pipeline import Pipeline, PipelineSpec
from kinora.actors.plugin_process import PluginProcess, ProcessSpec
from kinora.actors.plugin_records import PluginRecords
from kinora.actors.push_inlet import PushInlet
from kinora.actors.replicas import NEEDS_ORDER, most_replicas, needs_order
from kinora.actors.side_stage import SideStage
from kinora.actors.source_finder import Examined, SourceFinder
from kinora.actors.source_reader import SourceSpec
from kinora.actors.stage_spec import StageSpec
from kinora.actors.store import Store
from kinora.actors.stored_frames import StoredFrames
from kinora.actors.tool_runner import ToolRunner
from kinora.actors.warnings import WarningLog, kept_by_pipeline
from kinora.media.pushed import PUSH
from kinora.media.source_names import is_watched, without_query
from kinora.media.source_types import SourceInfo
from kinora.plugins.devices import CPU, Device, resolve
from kinora.plugins.option_errors import OptionsError
from kinora.plugins.registry import PluginEntry, PluginRegistry
from kinora.runtime.cores import Cores
from kinora.runtime.machine import threads_per_worker
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
    push_grace_s: float
    """The time for which a job waits for a client that pushes."""
    root_path: str
    """The beginning of each address that is told to clients."""


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
        cores: Cores,
        inspectors: InspectorService,
        store: Store,
        audience: Audience,
        figures: JobFigures,
        tracer: Tracer | None = None,
    ) -> None:
        self._limits = limits
        self._sources = sources
        self._registry = registry
        self._devices = devices
        self._device_health = device_health
        self._records = records
        self._fork_server = fork_server
        self._cores = cores
        self._options_checker = OptionsChecker(fork_server)
        self._inspectors = inspectors
        self._store = store
        self._audience = audience
        self._figures = figures
        self._tracer = tracer or NoTracer()

    async def plan(self, request: JobRequest, upload: Path | None, *, known: SourceInfo | None = None) -> JobPlan:
        """Find the plugins and the source, and check that they can be used.

        A live source whose facts are ``known`` is not opened: the job waits for it.

        Raises:
            InvalidRequest: plugins, options or the source's name are wrong; each wrong plugin and option is named.
            UnsupportedSource: the source is neither a video nor an image.
            TooLarge: its pictures exceed the limit.
            QueueFull: the options of too many requests are being checked.
        """
        plugins = await self._find_plugins(request)
        location = str(upload) if upload is not None else await self._sources.locate(request.source)
        source = Examined(known, None) if known else await self._sources.examine(location, request.source)
        device = resolve(request.device_requested, [plugin.metadata.devices for plugin in plugins], self._devices())
        return JobPlan(
            request=request,
            location=location,
            info=source.info,
            held=source.held,
            plugins=plugins,
            device=device,
        )

    async def check(self, request: JobRequest) -> None:
        """Check all of a request but its source, of which only a name that the settings have is looked for.

        Raises:
            InvalidRequest, QueueFull: as :meth:`plan`.
        """
        await self._find_plugins(request)
        if is_watched(request.source):
            self._sources.cameras.require(request.source)

    def build(self, spec: JobSpec, plan: JobPlan) -> Job:
        """Make a new job; it does not run yet."""
        trace, inlet = self._trace(spec), self._inlet(spec)
        return self._job(spec, trace, inlet, work=self._work(spec, plan, trace, inlet))

    def recall(self, spec: JobSpec, upload: str | None) -> Job:
        """Make a job that an earlier server has left; ``upload`` is what the store has of its uploaded file."""
        trace, inlet = self._trace(spec), self._inlet(spec)
        return self._job(spec, trace, inlet, find_work=partial(self._find_work, spec, upload, trace, inlet))

    def _inlet(self, spec: JobSpec) -> PushInlet | None:
        """Return where the pictures of the job come in if clients push them; else None."""
        request = spec.request
        if request.source != PUSH or spec.uploaded:
            return None
        return PushInlet(
            grace_s=self._limits.push_grace_s,
            newest_wins=request.options.policy != "wait",
            first_index=spec.resumed.start,
        )

    def _trace(self, spec: JobSpec) -> JobTrace:
        request = spec.request
        job = TracedJob(
            job_id=spec.job_id,
            source=without_query(request.source),
            plugins=tuple(plugin.name for plugin in request.plugins),
            stride=request.options.stride,
        )
        return self._tracer.trace(job)

    def _job(
        self,
        spec: JobSpec,
        trace: JobTrace,
        inlet: PushInlet | None,
        *,
        work: Work | None = None,
        find_work: Callable[[], Awaitable[Work]] | None = None,
    ) -> Job:
        job = Job(
            spec,
            work=work,
            find_work=find_work,
            store=self._store,
            audience=self._audience,
            paused_keep_s=self._limits.paused_keep_s,
            figures=self._figures,
            trace=trace,
        )
        job.inlet = inlet
        return job

    async def _find_work(self, spec: JobSpec, upload: str | None, trace: JobTrace, inlet: PushInlet | None) -> Work:
        """Plan a job of an earlier server again. Raises as :meth:`plan`, and Conflict if its source is another now."""
        before = None if spec.past is None else spec.past.source
        known = before if before is not None and before.kind == "stream" else None
        plan = await self.plan(spec.request, None if upload is None else self._sources.upload(upload), known=known)
        if spec.resumed.frames and before is not None and before.mark and plan.info.mark not in {before.mark, ""}:
            raise Conflict(
                f"{spec.request.source} was replaced or changed after {spec.resumed.frames} frames: submit it again."
            )
        return self._work(spec, plan, trace, inlet)

    def _work(self, spec: JobSpec, plan: JobPlan, trace: JobTrace, inlet: PushInlet | None) -> Work:
        """Make the stages of a job. They and all its pipelines share their inspector and their warnings."""
        inspector = self._inspectors.open_job(spec.job_id, {plugin.name: plugin.metadata for plugin in plan.plugins})
        warnings = WarningLog(spec.job_id)
        if spec.past is not None:
            inspector.restore(spec.past.state)
            warnings.restore(filter(kept_by_pipeline, spec.past.state.warning_groups))
        stages = [
            self._stage(spec, plan, plugin, inspector=inspector, warnings=warnings, trace=trace)
            for plugin in plan.plugins
        ]

        def make_pipeline(begin: ResumePoint) -> Pipeline:
            return Pipeline(
                self._pipeline_spec(spec, plan, begin),
                stages=stages,
                inspector=inspector,
                warnings=warnings,
                fork_server=self._fork_server,
                cores=self._cores,
                inlet=inlet,
                earlier=StoredFrames(self._store, spec.job_id),
            )

        return Work(plan, make_pipeline)

    def _stage(
        self,
        spec: JobSpec,
        plan: JobPlan,
        plugin: PlannedPlugin,
        *,
        inspector: Inspector,
        warnings: WarningLog,
        trace: JobTrace,
    ) -> ToolRunner | SideStage:
        runner = ToolRunner(
            self._stage_spec(spec, plan, plugin),
            make_process=partial(PluginProcess, self._process_spec(spec, plan, plugin), self._fork_server),
            cores=Cores(self._cores.count) if plugin.asked.side else self._cores,
            inspector=inspector,
            warnings=warnings,
            device_health=self._device_health,
            record=self._records.of(plugin.name),
            trace=trace,
        )
        stage = SideStage(runner) if plugin.asked.side else runner
        past = spec.past
        if past is not None and plugin.name in past.state.plugins:
            stage.restore(past.state.plugins[plugin.name], past.logs.get(plugin.name, ""))
        return stage

    def _stage_spec(self, spec: JobSpec, plan: JobPlan, plugin: PlannedPlugin) -> StageSpec:
        wanted, used = spec.request.options, plan.device.device_used
        device = used if used.partition(":")[0] in plugin.metadata.devices else CPU
        return StageSpec(
            job_id=spec.job_id,
            plugin=plugin.name,
            options=plugin.options,
            device=device,
            every=plugin.asked.every,
            side=plugin.asked.side,
            plugin_timeout_ms=wanted.plugin_timeout_ms,
            prepare_timeout_ms=wanted.prepare_timeout_ms,
            max_failures=self._limits.max_failures,
            max_errors=self._limits.max_errors,
            replicas=most_replicas(plugin, device, self._cores.count),
            fixed_replicas=plugin.asked.replicas != AUTO,
            max_batch=1 if plugin.asked.side else plugin.metadata.max_batch,
            batch_wait_ms=plugin.metadata.batch_wait_ms,
            root_path=self._limits.root_path,
        )

    def _process_spec(self, spec: JobSpec, plan: JobPlan, plugin: PlannedPlugin) -> ProcessSpec:
        memory_limit_mb = plugin.metadata.memory_limit_mb
        return ProcessSpec(
            job_id=spec.job_id,
            plugin=plugin.name,
            origin=plugin.origin,
            options=plugin.options,
            models_dir=self._limits.models_dir,
            threads=threads_per_worker(self._cores.count, self._limits.max_jobs, len(plan.plugins)),
            memory_limit=memory_limit_mb * MB if memory_limit_mb is not None else None,
        )

    def _pipeline_spec(self, spec: JobSpec, plan: JobPlan, begin: ResumePoint) -> PipelineSpec:
        options = plan.request.options
        left = None if options.max_frames is None else max(0, options.max_frames - begin.frames)
        source = SourceSpec(
            location=plan.location,
            name=plan.request.source,
            limits=self._sources.limits,
            start=begin.start,
            stride=options.stride,
            max_frames=left,
            policy=plan.policy,
            after=begin.after,
            patient=plan.info.kind == "stream" and plan.location != PUSH,  # it was there when the job was accepted
            max_outage_s=options.max_outage_s,
        )
        return PipelineSpec(
            job_id=spec.job_id,
            source=source,
            cameras=self._sources.cameras,
            held=plan.held,
            live=plan.info.kind == "stream",
            device=plan.device,
            first_number=begin.frames,
            ring_bytes=self._limits.ring_bytes,
        )

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
                if needs_order(wanted, entry.metadata):
                    errors.append(FieldError(f"plugins[{number}].replicas", NEEDS_ORDER.format(entry.name)))
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
                        PlannedPlugin(
                            asked=wanted,
                            name=entry.name,
                            origin=entry.origin,
                            metadata=entry.metadata,
                            options=options,
                        )
                    )
        if errors:
            raise InvalidRequest("The plugins or their options are not valid.", errors, len(errors) + uncounted)
        return tuple(found)

    def _why_not(self, name: str, entry: PluginEntry | None) -> str:
        if entry is not None:
            return f"{name} is broken: {entry.broken}"
        names = self._registry.names()
        nearest = "".join(f". Did you mean {found}?" for found in get_close_matches(name, names, n=1))
        return f"there is no plugin {name!r}; there are: {', '.join(names)}{nearest}"


def _joined(place: str, path: str) -> str:
    return place + (path if path.startswith("[") or not path else f".{path}")
