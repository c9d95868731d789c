"""What a process makes the pipelines of jobs with: its own means, and what it has of one job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from kinora.actors.pipeline.job_spec import PlannedPlugin
from kinora.actors.pipeline.viewer import Viewer
from kinora.actors.plugins.device_health import DeviceHealth
from kinora.actors.plugins.plugin_records import PluginRecords
from kinora.actors.sources.cameras import Cameras
from kinora.actors.sources.held_sources import HeldSource
from kinora.actors.sources.push_inlet import PushInlet
from kinora.actors.sources.recording import Recording
from kinora.actors.stages.inspector import InspectorService
from kinora.actors.stages.job_trace import JobTrace, NoTrace
from kinora.actors.store.earlier_frames import EarlierFrames
from kinora.media.source_types import SourceLimits
from kinora.plugins.devices import Device, Resolution
from kinora.plugins.registry import PluginEntry
from kinora.runtime.forking.cores import Cores
from kinora.runtime.forking.workers import ForkServer


@attrs.frozen(kw_only=True)
class Means:
    """The means of a process, the server's or an agent's, for all its jobs."""

    find_plugin: Callable[[str], PluginEntry | None]
    devices: Callable[[], Sequence[Device]]
    device_health: DeviceHealth
    records: PluginRecords
    fork_server: ForkServer
    cores: Cores
    inspectors: InspectorService
    source_limits: SourceLimits
    cameras: Cameras
    models_dir: Path
    max_jobs: int
    """The number of jobs that share the cores."""
    viewer: Viewer | None = None
    """Looks at each finished frame of all jobs. They are not cut into segments then: a viewer sees one at a time."""


@attrs.frozen(kw_only=True)
class Chosen:
    """The plugins and the device that a process uses for a job."""

    plugins: Sequence[PlannedPlugin]
    device: Resolution
    device_told: bool = False
    """True if clients were told already when the device is not the one that was asked for."""


@attrs.frozen(kw_only=True)
class JobHere:
    """What a process has of one job beside its order."""

    earlier: EarlierFrames
    inlet: PushInlet | None = None
    """Where clients push its pictures in, if they do."""
    held: HeldSource | None = None
    """The source if it is live and its check has left it open."""
    recording: Recording | None = None
    """Where the packets of its live source are kept, if clips of it are wanted."""
    trace: JobTrace = attrs.field(factory=NoTrace)
