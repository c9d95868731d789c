"""Makes jobs from requests. All errors in a request are found here, before the job is acknowledged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import attrs

from kinora.actors.audience import Audience
from kinora.actors.clips.clips import Clips
from kinora.actors.errors import Conflict, FieldError, InvalidRequest
from kinora.actors.jobs.job import Job, Work
from kinora.actors.jobs.job_figures import JobFigures
from kinora.actors.pipeline.job_spec import JobPlan, JobSpec, PlannedPlugin
from kinora.actors.pipeline.means import Chosen, JobHere, Means
from kinora.actors.pipeline.pipeline_maker import PipelineMaker
from kinora.actors.pipeline.replicas import NEEDS_ORDER, needs_order
from kinora.actors.pipeline.segments import lanes_of
from kinora.actors.pipeline.work_order import OrderedPlugin, WorkOrder, for_pipelines
from kinora.actors.requests.job_request import JobRequest
from kinora.actors.requests.options_checker import OptionsChecker, OptionsUnchecked
from kinora.actors.sources.push_inlet import PushInlet
from kinora.actors.sources.source_finder import Examined, SourceFinder
from kinora.actors.stages.job_trace import JobTrace, NoTracer, TracedJob, Tracer
from kinora.actors.store.store import Store
from kinora.actors.store.stored_frames import StoredFrames
from kinora.actors.webhooks.webhooks import Webhooks
from kinora.media.source_names import PUSH, is_watched, without_query
from kinora.media.source_types import SourceInfo
from kinora.plugins.devices import resolve
from kinora.plugins.option_errors import OptionsError
from kinora.plugins.registry import PluginEntry, PluginRegistry


@attrs.frozen(kw_only=True)
class JobLimits:
    """The operator's settings for all jobs."""

    ring_bytes: int
    max_failures: int
    max_errors: int
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
        means: Means,
        store: Store,
        audience: Audience,
        figures: JobFigures,
        webhooks: Webhooks,
        clips: Clips,
        tracer: Tracer | None = None,
        has_agents: Callable[[], bool] = lambda: False,
        runs_all_jobs: bool = True,
    ) -> None:
        """``has_agents`` says if jobs may run in agents, which have other devices.

        ``runs_all_jobs`` says if the server itself runs jobs of all sources.
        """
        self._limits = limits
        self._sources = sources
        self._registry = registry
        self._devices = means.devices
        self._maker = PipelineMaker(means)
        self._options_checker = OptionsChecker(means.fork_server)
        self._store = store
        self._audience = audience
        self._webhooks = webhooks
        self._clips = clips
        self._figures = figures
        self._tracer = tracer or NoTracer()
        self._has_agents = has_agents
        self._runs_all_jobs = runs_all_jobs

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
        source = Examined(known, None) if known else await self._examine(location, request)
        device = resolve(request.device_requested, [plugin.metadata.devices for plugin in plugins], self._devices())
        return JobPlan(
            request=request,
            location=location,
            info=source.info,
            held=source.held,
            plugins=plugins,
            device=device,
            lanes=lanes_of(request, source.info, plugins, source.key_frames),
            key_frames=source.key_frames,
        )

    async def _examine(self, location: str, request: JobRequest) -> Examined:
        return await self._sources.examine(location, request.source, key_frames=request.options.segments != 1)

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
            audience=self._audience_of(spec),
            paused_keep_s=self._limits.paused_keep_s,
            figures=self._figures,
            trace=trace,
            keeps_clips=self._runs_all_jobs and self._clips.wanted_of(spec),
        )
        job.inlet = inlet
        return job

    def _audience_of(self, spec: JobSpec) -> Audience:
        """Return the clients, with those that act on what the job tells before them."""
        return self._clips.audience_of(spec, self._webhooks.audience_of(spec.standing, self._audience))

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
        order, tells_device = self._order(spec, plan), not self._has_agents()
        chosen = Chosen(plugins=plan.plugins, device=plan.device, device_told=tells_device)
        earlier = StoredFrames(self._store, spec.job_id)
        recording = self._clips.recording_of(spec, plan.info)
        here = JobHere(earlier=earlier, inlet=inlet, held=plan.held, recording=recording, trace=trace)
        return Work(plan, order, self._maker.open_job(order, chosen, here), tells_device)

    def _order(self, spec: JobSpec, plan: JobPlan) -> WorkOrder:
        """Make the order of a job's first attempt on this server."""
        limits, past = self._limits, spec.past
        return WorkOrder(
            job_id=spec.job_id,
            attempt=1,
            request=spec.request,
            location=plan.location,
            info=plan.info,
            plugins=tuple(
                OrderedPlugin(asked=plugin.asked, options=plugin.options, code=plugin.code) for plugin in plan.plugins
            ),
            begin=spec.resumed,
            lanes=plan.lanes,
            key_frames=plan.key_frames if plan.lanes > 1 else (),
            past=None if past is None else for_pipelines(past.state),
            logs={} if past is None else past.logs,
            max_failures=limits.max_failures,
            max_errors=limits.max_errors,
            ring_bytes=limits.ring_bytes,
            root_path=limits.root_path,
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
                            sums_up=entry.sums_up,
                            merges=entry.merges,
                            code=entry.code,
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
