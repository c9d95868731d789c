"""The composition root: builds the tree of actors from the settings, for ``serve``, ``run`` and the tests."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from functools import partial

import attrs
import trio

from kinora import __version__
from kinora.actors.access.local_token import FILE as LOCAL_TOKEN
from kinora.actors.access.tokens import TokenBook
from kinora.actors.audience import Audience, Nobody
from kinora.actors.clips.clips import Clips
from kinora.actors.errors import KinoraError
from kinora.actors.jobs.embedded_engine import EmbeddedEngine
from kinora.actors.jobs.job_archive import JobArchive
from kinora.actors.jobs.job_factory import JobFactory, JobLimits
from kinora.actors.jobs.job_figures import JobFigures
from kinora.actors.jobs.job_manager import JobManager
from kinora.actors.jobs.standing_jobs import StandingJobs
from kinora.actors.messages import MetadataPayload
from kinora.actors.pictures.annotated_videos import Videos
from kinora.actors.pictures.source_pictures import SourcePictures
from kinora.actors.pictures.stills import Stills
from kinora.actors.pipeline.means import Means
from kinora.actors.pipeline.viewer import Viewer
from kinora.actors.pipeline.work_order import WorkOrder
from kinora.actors.plugins.device_health import DeviceHealth
from kinora.actors.plugins.library_list import LibraryList
from kinora.actors.plugins.plugin_records import PluginRecords
from kinora.actors.plugins.plugin_watch import PluginWatch
from kinora.actors.realtime.connection_manager import ConnectionManager
from kinora.actors.retention.leftovers import remove_leftovers
from kinora.actors.retention.retention import Kept, Retention
from kinora.actors.retention.usage import UsageMeter
from kinora.actors.sources.camera_checks import CameraChecks
from kinora.actors.sources.cameras import Cameras
from kinora.actors.sources.held_sources import HeldSources
from kinora.actors.sources.source_finder import SourceFinder
from kinora.actors.stages.inspector import InspectorService
from kinora.actors.stages.job_trace import Tracer
from kinora.actors.stages.merging import Merger
from kinora.actors.store.disk_floor import DiskFloor
from kinora.actors.store.store import Store
from kinora.actors.store.used_room import RoomMeter
from kinora.actors.webhooks.webhooks import Webhooks
from kinora.data_folder import CLIPS, DATABASE, LOCK, UPLOADS, own_data_folder
from kinora.fleet.agent_book import AgentBook
from kinora.fleet.agent_engine import AgentEngine
from kinora.fleet.agent_state import FleetView
from kinora.fleet.fleet_view import BookView
from kinora.fleet.lease_watch import watch_leases
from kinora.fleet.local_agents import LocalAgents
from kinora.fleet.placement import plugins_of
from kinora.fleet.provider import Dismiss
from kinora.fleet.ray.ray_provider import RayProvider
from kinora.plugins.devices import CPU, Device, detect, with_gpus
from kinora.plugins.opencv import opencv_damage
from kinora.plugins.registry import PluginEntry, PluginRegistry
from kinora.preloading import launch_of
from kinora.runtime.files.private_files import make_private, make_private_folder
from kinora.runtime.forking.cores import Cores
from kinora.runtime.forking.launching import Launched
from kinora.runtime.forking.workers import MB, ForkServer, HearOutput, nobody_hears
from kinora.runtime.linux.machine import cores
from kinora.runtime.loop_watch import LoopWatch
from kinora.runtime.requirements import unmet_requirements
from kinora.runtime.supervisor import ChildSpec, Supervisor, SupervisorStatistics
from kinora.settings import Settings, SettingsError, require_usable_paths, source_limits

RAY = "ray"
"""The engine by which Ray starts agents."""


class MachineUnfit(KinoraError):
    """This machine, or the container, lacks what Kinora needs; the text says what."""


class System:
    """All actors of one server, and their connections. :func:`make_system` makes it, :meth:`start` runs it."""

    def __init__(
        self,
        settings: Settings,
        devices: Sequence[Device] | None = None,
        hear_output: HearOutput = nobody_hears,
        *,
        token_needed: bool = False,
        tracer: Tracer | None = None,
        needed_plugins: Collection[str] | None = None,
        launched: Launched | None = None,
        viewer: Viewer | None = None,
    ) -> None:
        self.settings = settings
        self._tracer = tracer
        self._viewer = viewer
        self.started = trio.Event()
        """Set once all actors have been up."""
        self.ended = trio.Event()
        """Set once all actors have ended."""
        self.uploads = settings.data_dir / UPLOADS
        """The folder of uploaded files."""
        self.loop_watch = LoopWatch()
        launch = launch_of(settings)
        self.cores = Cores(cores())
        self.fork_server = ForkServer(
            launch.preload,
            memory_limit=settings.worker_memory_mb * MB,
            memory_budget=settings.workers_memory_mb * MB,
            grace_s=settings.cancel_grace_ms / 1000,
            environment=launch.environment,
            variables=launch.variables,
            hear_output=hear_output,
            launched=launched,
        )
        self.store = Store(
            settings.data_dir / DATABASE, floor=settings.min_free_bytes, beside=[settings.data_dir / LOCK]
        )
        self.tokens = TokenBook(self.store, settings.data_dir / LOCAL_TOKEN, needed=token_needed)
        self.room = RoomMeter(self.store, settings.data_dir / DATABASE, self.uploads, settings.data_dir / CLIPS)
        self.webhooks = Webhooks(settings.webhooks, self.store)
        self.inspectors = InspectorService()
        self.held_sources = HeldSources()
        self.connections = ConnectionManager(max_connections=settings.max_connections) if settings.realtime else None
        self.plugins = PluginRegistry(
            self.fork_server,
            plugins_dir=settings.plugins_dir,
            plugin_files=settings.plugin_files,
            needed=needed_plugins,
        )
        self.libraries = LibraryList(self.fork_server)
        self._given_devices = devices
        self._devices = tuple(devices) if devices is not None else detect()
        self._described: Sequence[PluginEntry] = ()
        """The plugins whose metadata ``_metadata`` has."""
        self._metadata: Sequence[MetadataPayload] = ()
        self.plugin_records = PluginRecords()
        self._watch = PluginWatch(self.plugins, self.plugin_records)
        self.job_figures = JobFigures()
        self.agent_book = AgentBook(__version__)
        self.location_in_agent: Callable[[str], str | None] = self.agent_book.location_of
        """Returns the location of a job's source while an agent works on the job; None else."""
        self.agents: FleetView = BookView(self.agent_book, self.plugins.all)
        self.local_agents = LocalAgents(self.agent_book.lose_process)
        self._cameras = Cameras(settings.cameras, settings.webcams)
        self.ray = _ray(settings, self._dismiss) if settings.engine == RAY else None
        self.engine = self._make_engine()
        self.jobs = self._job_manager()
        self.camera_checks.watching = self.jobs.watching
        self.standing_jobs = StandingJobs(settings.jobs, self.jobs)
        kept = Kept(days=settings.keep_days, bytes=settings.keep_bytes)
        self.retention = Retention(kept, store=self.store, jobs=self.jobs, meter=self.room)
        self.jobs.on_end = self.retention.note_end
        self.usage = UsageMeter(self.store, self.room, kept, settings.data_dir, lambda: self.videos.kept_bytes)
        if self.connections is not None:
            self.connections.plugins = self._plugin_metadata
            self.connections.active = self.jobs.current
        self._specs = self._children()
        self._supervisor = Supervisor("system", self._specs)

    def devices(self) -> Sequence[Device]:
        """Return the devices of this machine."""
        return self._devices

    def ready(self) -> Sequence[str]:
        """Return the reasons why new jobs cannot be accepted, a sentence each; empty if they are accepted."""
        if not self.started.is_set():
            return ["the server is starting"]
        reasons = self._down(optional=False)
        if self.store.failing:
            reasons.append(f"the store cannot write: {self.store.failing}")
        elif self.store.low:
            reasons.append(self.store.low)
        return reasons

    def degraded(self) -> Sequence[str]:
        """Return the optional parts that jobs now lack, a sentence each: such as timings or live messages."""
        fault = self.inspectors.fault
        standing = [f"the standing job {name} cannot begin: the log says why" for name in self.standing_jobs.faults]
        return [*([f"the inspector is unavailable: {fault}"] if fault else []), *standing, *self._down(optional=True)]

    def _down(self, *, optional: bool) -> list[str]:
        optionals = {spec.name for spec in self._specs if spec.optional}
        return [
            f"{child.name} is {child.state}" + (f": {child.last_error}" if child.last_error else "")
            for child in self._supervisor.statistics().children
            if child.state != "up" and (child.name in optionals) is optional
        ]

    def statistics(self) -> SupervisorStatistics:
        """Return the state of each actor."""
        return self._supervisor.statistics()

    async def start(self, nursery: trio.Nursery) -> None:
        """Run all actors in ``nursery``, and return when they are up. They end, in order, when it is cancelled.

        Raises as :meth:`run`, or makes the nursery raise that.
        """
        await nursery.start(self.run)
        await self.tokens.load()
        await remove_leftovers(self.store, self.settings.data_dir, self.uploads)
        self.started.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:  # noqa: ASYNC128
        """Start the actors in order, report ready, and run until cancelled; then they end in reverse order.

        Raises:
            RestartIntensityExceeded: a needed actor crashed again and again.
            Exception: raised by a needed actor in its first start.
        """
        try:
            await self._supervisor.run(task_status=task_status)
        finally:
            self.ended.set()

    def _children(self) -> list[ChildSpec]:
        return [
            ChildSpec(name="workers", run=self.fork_server.run),
            ChildSpec(name="store", run=self.store.run, stop=self.store.stop),
            ChildSpec(name="webhooks", run=self.webhooks.run, optional=True),
            *([ChildSpec(name="realtime", run=self.connections.run, optional=True)] if self.connections else []),
            ChildSpec(name="devices", run=self._find_devices, optional=True),
            ChildSpec(name="plugins", run=self._find_plugins),
            *([ChildSpec(name="watch", run=self._watch.run, optional=True)] if self.settings.watch else []),
            ChildSpec(name="sources", run=self.held_sources.run),
            ChildSpec(name="cameras", run=self.camera_checks.run, optional=True),
            ChildSpec(name="agents", run=partial(watch_leases, self.agent_book)),
            ChildSpec(name="local agents", run=self.local_agents.run, optional=True),
            *([ChildSpec(name="ray", run=self.ray.run, optional=True)] if self.ray else []),
            ChildSpec(name="clips", run=partial(self.clips.run, self.archive.film, self.started), optional=True),
            ChildSpec(name="jobs", run=self.jobs.run, stop=self.jobs.stop),
            ChildSpec(name="standing jobs", run=self.standing_jobs.run, optional=True),
            ChildSpec(name="retention", run=self.retention.run, optional=True),
        ]

    def _make_engine(self) -> AgentEngine:
        """The engine of all jobs: with agents, and here too unless the server or Ray starts agents for them."""
        settings = self.settings
        return AgentEngine(
            self.agent_book,
            EmbeddedEngine(settings.max_jobs, self.devices),
            store=self.store,
            cameras=self._cameras,
            ours=lambda: plugins_of(self.plugins.all()),
            devices=self.devices,
            open_to_all=self._runs_all_jobs,
            merger=self._merger,
            provider=self.ray,
        )

    @property
    def _runs_all_jobs(self) -> bool:
        """True if jobs run here too, beside agents that join: neither the server nor Ray starts agents for them."""
        return self.settings.engine == "embedded" and not self.settings.agents

    def _merger(self, order: WorkOrder) -> Merger:
        """What merges the sums of agents that share a job."""
        entries = [self.plugins.get(plugin.asked.name) for plugin in order.plugins]
        origins = {entry.name: entry.origin for entry in entries if entry is not None and entry.merges}
        return Merger(self.fork_server, order.job_id, origins)

    def _dismiss(self, name: str) -> bool:
        return self.engine.dismiss(name)

    def _job_manager(self) -> JobManager:
        settings = self.settings
        audience: Audience = self.connections or Nobody()
        limits = source_limits(settings)
        cameras = self._cameras
        self.camera_checks = CameraChecks(self.fork_server, cameras, limits)
        sources = SourceFinder(
            self.fork_server,
            self.held_sources,
            media_dir=settings.media_dir,
            data_dir=settings.data_dir,
            uploads=self.uploads,
            limits=limits,
            cameras=cameras,
        )
        self.source_pictures = SourcePictures(self.fork_server, sources)
        stills = Stills(self.fork_server, limits, self.plugins.skeletons)
        disk = DiskFloor(settings.data_dir, settings.min_free_bytes)
        self.clips = Clips(
            self.store,
            self.fork_server,
            limits,
            settings.data_dir / CLIPS,
            disk,
            webhooks=settings.webhooks,
            standing=settings.jobs,
        )
        self.videos = Videos(self.fork_server, limits, settings.data_dir, disk, self.plugins.skeletons)
        self.archive = JobArchive(self.store, sources, stills, self.videos, self.clips)
        return JobManager(
            engine=self.engine,
            max_jobs=settings.max_jobs,
            max_queued=settings.max_queued,
            disk=disk,
            store=self.store,
            factory=self._job_factory(sources, audience),
            archive=self.archive,
            audience=audience,
            figures=self.job_figures,
        )

    def _job_factory(self, sources: SourceFinder, audience: Audience) -> JobFactory:
        settings = self.settings
        limits = JobLimits(
            ring_bytes=settings.ring_bytes,
            max_failures=settings.max_failures,
            max_errors=settings.max_errors,
            paused_keep_s=settings.paused_keep_s,
            push_grace_s=settings.push_grace_s,
            root_path=settings.root_path,
        )
        return JobFactory(
            limits=limits,
            sources=sources,
            registry=self.plugins,
            means=self._means(sources),
            store=self.store,
            audience=audience,
            figures=self.job_figures,
            webhooks=self.webhooks,
            clips=self.clips,
            tracer=self._tracer,
            has_agents=lambda: not self._runs_all_jobs or bool(self.agent_book.all()),
            runs_all_jobs=self._runs_all_jobs,
        )

    def _means(self, sources: SourceFinder) -> Means:
        """The means of this process for pipelines."""
        settings = self.settings
        return Means(
            find_plugin=self.plugins.get,
            devices=self.devices,
            device_health=DeviceHealth(settings.device_cool_down_s),
            records=self.plugin_records,
            fork_server=self.fork_server,
            cores=self.cores,
            inspectors=self.inspectors,
            source_limits=sources.limits,
            cameras=sources.cameras,
            models_dir=settings.models_dir,
            max_jobs=settings.max_jobs,
            viewer=self._viewer,
        )

    def _plugin_metadata(self) -> Sequence[MetadataPayload]:
        """The metadata of the plugins that work; the same object until plugins are found anew."""
        entries = self.plugins.all()
        if entries is not self._described:
            self._described = entries
            self._metadata = [
                MetadataPayload(plugin=entry.name, metadata=attrs.asdict(entry.metadata))
                for entry in entries
                if entry.metadata is not None and not entry.broken
            ]
        return self._metadata

    async def _find_devices(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """If NVML shows no GPU, ask torch, which may know some. The start does not wait for that."""
        task_status.started()
        found_some = any(gpu.available for gpu in self._devices if gpu.kind != CPU)
        if self._given_devices is None and not found_some and importlib.util.find_spec("torch"):
            found = await self.libraries.get()
            self._devices = with_gpus(self._devices, [name for library in found for name in library.gpus])
        await trio.sleep_forever()

    async def _find_plugins(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await self.plugins.reload()
        task_status.started()
        await trio.sleep_forever()


@asynccontextmanager
async def open_system(
    settings: Settings,
    devices: Sequence[Device] | None = None,
    hear_output: HearOutput = nobody_hears,
    *,
    needed_plugins: Collection[str] | None = None,
    launched: Launched | None = None,
    viewer: Viewer | None = None,
) -> AsyncIterator[System]:
    """Run a system; when the block is left, all of it has ended, worker processes included.

    Its jobs run in it: no agent can reach a system without a web interface.

    ``devices`` are those that jobs may use; None stands for the detected ones. ``hear_output`` gets the output of all
    workers as it comes. ``needed_plugins`` are the names of the only plugins that are used; None for any. ``launched``
    is the process of the fork server, if that was started beforehand by :func:`~kinora.preloading.launch_of`.
    ``viewer`` looks at each finished frame.

    Raises:
        MachineUnfit, SettingsError, DataDirInUse: as :func:`make_system`.
        ExceptionGroup: of RestartIntensityExceeded, if a needed actor crashes again and again.
    """
    settings = attrs.evolve(settings, agents=0, engine="embedded")
    making = make_system(
        settings, devices, hear_output, needed_plugins=needed_plugins, launched=launched, viewer=viewer
    )
    with making as system:
        async with trio.open_nursery() as nursery:
            try:
                await system.start(nursery)
                yield system
            finally:
                nursery.cancel_scope.cancel(reason="the system is closed")


@contextmanager
def make_system(
    settings: Settings,
    devices: Sequence[Device] | None = None,
    hear_output: HearOutput = nobody_hears,
    *,
    token_needed: bool = False,
    needed_plugins: Collection[str] | None = None,
    launched: Launched | None = None,
    viewer: Viewer | None = None,
) -> Iterator[System]:
    """A system that does not run yet; during the block its data folder is locked, and private.

    The arguments are those of :func:`open_system`; ``token_needed`` says if clients need a token.

    Raises:
        MachineUnfit: Kinora cannot work here.
        SettingsError: the path of a folder cannot be used, or traces or Ray are wanted without what they need.
        DataDirInUse: another server uses this data folder.
    """
    if unmet := [*unmet_requirements(), *filter(None, [opencv_damage()])]:
        raise MachineUnfit(" ".join(unmet))
    require_usable_paths(settings)
    _require_ray(settings)
    with own_data_folder(settings.data_dir), _open_tracer(settings.trace_frames) as tracer:
        system = System(
            settings,
            devices,
            hear_output,
            token_needed=token_needed,
            tracer=tracer,
            needed_plugins=needed_plugins,
            launched=launched,
            viewer=viewer,
        )
        make_private_folder(system.uploads)
        make_private(system.uploads.iterdir())
        make_private_folder(settings.data_dir / CLIPS)
        with system.loop_watch:
            yield system


def _ray(settings: Settings, dismiss: Dismiss) -> RayProvider:
    return RayProvider(settings.ray_address, idle_s=settings.agent_idle_s, dismiss=dismiss)


def _require_ray(settings: Settings) -> None:
    if settings.engine == RAY and importlib.util.find_spec("ray") is None:
        raise SettingsError(
            "engine: Ray is not installed: pip install 'kinora[ray]' with a Python that Ray has a wheel for,"
            " or set it to embedded."
        )


def _open_tracer(every: int) -> AbstractContextManager[Tracer | None]:
    """A tracer of every ``every``-th frame; None for 0, and then nothing of OpenTelemetry is imported."""
    if not every:
        return nullcontext()
    try:
        otel = importlib.import_module("kinora.actors.jobs.otel")
    except ImportError as error:
        raise SettingsError(
            f"trace_frames: OpenTelemetry cannot be imported ({error}): pip install 'kinora[otel]', or set it to 0."
        ) from error
    tracer: AbstractContextManager[Tracer] = otel.open_tracer(every)
    return tracer
