"""The composition root of an agent: the fork server, the plugins, the attempts and the uplink; no web, no store."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence

import attrs
import structlog
import trio

from kinora.actors.pipeline.means import JobHere, Means
from kinora.actors.pipeline.pipeline_link import AnyPipeline
from kinora.actors.pipeline.pipeline_maker import PipelineMaker
from kinora.actors.pipeline.work_order import WorkOrder
from kinora.actors.plugins.device_health import DeviceHealth
from kinora.actors.plugins.library_list import LibraryList
from kinora.actors.plugins.plugin_records import PluginRecords
from kinora.actors.plugins.plugin_watch import PluginWatch
from kinora.actors.sources.cameras import Cameras
from kinora.actors.stages.inspector import InspectorService
from kinora.agent.attempts import Attempts
from kinora.agent.bell import Bell
from kinora.agent.ends import Dismissed
from kinora.agent.facts import Offer, facts
from kinora.agent.home import Home
from kinora.agent.load import LoadMeter
from kinora.agent.questions import Questions
from kinora.agent.tenure import Tenure
from kinora.agent.uplink import Uplink
from kinora.fleet.agent_sources import AgentSources
from kinora.fleet.link import Facts
from kinora.plugins.devices import CPU, Device, detect, with_gpus
from kinora.plugins.registry import PluginRegistry
from kinora.preloading import launch_of
from kinora.runtime.forking.cores import Cores
from kinora.runtime.forking.workers import MB, ForkServer
from kinora.runtime.linux.machine import cores
from kinora.runtime.supervisor import ChildSpec, Supervisor
from kinora.runtime.versions import versions
from kinora.settings import Settings, source_limits

LEAVE_S = 3.0
"""The time for attempts to save their states and for the server to take these when the agent leaves; what is not
acknowledged by then is lost, and done again elsewhere."""
END_S = 5.0
"""The time for the processes of what is left to end then; the fork server kills what remains."""

log = structlog.get_logger()


class Agent:
    """All actors of an agent, and their connections.

    Args:
        settings: the operator's; those of plugins, workers and sources count.
        home: the server.
        offer: what of this machine the server may use.
        lifeline: a descriptor that is open until all processes of the agent are gone.
    """

    def __init__(self, settings: Settings, home: Home, offer: Offer, lifeline: int | None = None) -> None:
        launch = launch_of(settings)
        self._settings = settings
        self._offer = offer
        self._cores = Cores(cores())
        self._fork_server = ForkServer(
            launch.preload,
            memory_limit=settings.worker_memory_mb * MB,
            memory_budget=settings.workers_memory_mb * MB,
            grace_s=settings.cancel_grace_ms / 1000,
            environment=launch.environment,
            variables=launch.variables,
            lifeline=lifeline,
        )
        self._plugins = PluginRegistry(
            self._fork_server, plugins_dir=settings.plugins_dir, plugin_files=settings.plugin_files
        )
        self._devices: Sequence[Device] = ()
        self._versions: Mapping[str, str] = {}
        self._load = LoadMeter(self._fork_server)
        self._means = self._own_means()
        self._files = None if offer.shares_files else home.files
        self._tenure = Tenure(self._fork_server)
        bell = Bell()
        self._attempts = Attempts(self._make_pipeline, bell)
        self._uplink = Uplink(
            home,
            facts=self._facts,
            load=lambda: self._load.load,
            attempts=self._attempts,
            tenure=self._tenure,
            bell=bell,
        )
        watch = PluginWatch(self._plugins, self._means.records, self._uplink.tell_plugins)
        self._supervisor = Supervisor(
            "agent",
            [
                ChildSpec(name="workers", run=self._tenure.keep_workers),
                ChildSpec(name="devices", run=self._find_devices),
                ChildSpec(name="plugins", run=self._find_plugins),
                *([ChildSpec(name="watch", run=watch.run, optional=True)] if settings.watch else []),
                ChildSpec(name="attempts", run=self._attempts.run),
            ],
        )

    async def run(self, leaving: trio.Event) -> None:
        """Run jobs of the server until it dismisses the agent, or ``leaving`` is set; then all processes are gone.

        Raises:
            ClientError: the server refuses this agent for good.
            RestartIntensityExceeded: a part of the agent crashed again and again.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._leave_at, leaving, nursery.cancel_scope)
            await nursery.start(self._supervisor.run)
            nursery.start_soon(self._load.run)
            try:
                await self._uplink.run()
            except Dismissed as dismissed:
                log.info("the server dismisses this agent", reason=str(dismissed))
            nursery.cancel_scope.cancel(reason="the agent ends")

    async def _leave_at(self, leaving: trio.Event, running: trio.CancelScope) -> None:
        """Once it is set, tell the server, end all attempts so that they go on elsewhere, and end everything."""
        await leaving.wait()
        self._uplink.leave("The agent was stopped by its operator.")
        with trio.move_on_after(LEAVE_S):
            await self._uplink.hand_back()
        self._attempts.drop_all()
        with trio.move_on_after(END_S):
            await self._attempts.wait_ended()
        await self._uplink.close()
        running.cancel(reason="the agent leaves")

    def _own_means(self) -> Means:
        settings = self._settings
        return Means(
            find_plugin=self._plugins.get,
            devices=lambda: self._devices,
            device_health=DeviceHealth(settings.device_cool_down_s),
            records=PluginRecords(),
            fork_server=self._fork_server,
            cores=self._cores,
            inspectors=InspectorService(),
            source_limits=source_limits(settings),
            cameras=Cameras(),
            models_dir=settings.models_dir,
            max_jobs=settings.max_jobs,
        )

    def _make_pipeline(self, order: WorkOrder, questions: Questions) -> AnyPipeline:
        sources = AgentSources(order.job_id, self._files, questions.camera)
        maker = PipelineMaker(attrs.evolve(self._means, cameras=sources))
        return maker.pipeline(order, JobHere(earlier=questions))

    def _facts(self) -> Facts:
        return facts(
            self._offer,
            cores=self._cores.count,
            versions=self._versions,
            devices=self._devices,
            plugins=self._plugins.all(),
        )

    async def _find_devices(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Find the GPUs, by torch if NVML shows none, and the versions of the libraries."""
        self._versions = await trio.to_thread.run_sync(versions)
        self._devices = await trio.to_thread.run_sync(detect)
        found_some = any(gpu.available for gpu in self._devices if gpu.kind != CPU)
        if not found_some and importlib.util.find_spec("torch"):
            found = await LibraryList(self._fork_server).get()
            self._devices = with_gpus(self._devices, [name for library in found for name in library.gpus])
        task_status.started()
        await trio.sleep_forever()

    async def _find_plugins(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await self._plugins.reload()
        task_status.started()
        await trio.sleep_forever()
