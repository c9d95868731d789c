"""From a request to a Job: everything that can be wrong with it is found here, before it is acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import msgspec
import trio

from kinora.actors.device_health import DeviceHealth
from kinora.actors.errand import ErrandFailed, run_errand
from kinora.actors.errors import FieldError, InvalidRequest, TooLarge, Unavailable, UnsupportedSource
from kinora.actors.inspector import InspectorService, PluginInspector
from kinora.actors.job import Job, JobSpec
from kinora.actors.job_request import JobRequest
from kinora.actors.messages import Payload
from kinora.actors.picture_taker import PictureTaker, Watchers
from kinora.actors.plugin_records import PluginRecords
from kinora.actors.source_reader import DECODER_TARGET, OPEN_TIMEOUT_S, SourceReader, SourceSpec, probe
from kinora.actors.store import Store
from kinora.actors.tool_runner import StageSpec, ToolRunner
from kinora.actors.warnings import WarningLog
from kinora.media.source_types import SourceError, SourceInfo, SourceLimits
from kinora.media.url_access import is_url
from kinora.plugins.devices import Device, Resolution, resolve
from kinora.plugins.options import OptionsError, check_options
from kinora.plugins.registry import PluginEntry, PluginRegistry
from kinora.runtime.actor import ActorGone
from kinora.runtime.machine import cores, threads_per_worker
from kinora.runtime.workers import MB, ForkServer

DEMO_SOURCE = "demo:"
DEMO_TARGET = "kinora.media.programs.demo_clip:main"
DEMO_TIMEOUT_S = 120.0


@attrs.frozen(kw_only=True)
class JobLimits:
    """What an operator has set for all jobs."""

    media_dir: Path
    data_dir: Path
    models_dir: Path
    source: SourceLimits
    ring_bytes: int
    max_failures: int
    max_errors: int
    grace_s: float
    max_jobs: int
    """How many of them share the cores."""


@attrs.frozen(kw_only=True)
class Checked:
    """A request of which everything is known to be right."""

    request: JobRequest
    location: str
    uploaded: bool
    info: SourceInfo
    plugins: tuple[tuple[PluginEntry, Mapping[str, Any]], ...]
    """Each with its options, defaults filled in."""
    device: Resolution

    @property
    def frames_expected(self) -> int | None:
        """How many frames there will be after stride and max_frames."""
        options = self.request.options
        if self.info.frames_total is None:
            return None
        strided = -(-self.info.frames_total // options.stride)
        return strided if options.max_frames is None else min(strided, options.max_frames)


@attrs.frozen(kw_only=True)
class Resumed:
    """How far an earlier server has come with a job."""

    frames: int = 0
    start: int = 0
    """The first index that is missing."""


class Submissions:
    """Checks requests and makes jobs of them."""

    def __init__(
        self,
        *,
        limits: JobLimits,
        registry: PluginRegistry,
        devices: Callable[[], Sequence[Device]],
        device_health: DeviceHealth,
        records: PluginRecords,
        fork_server: ForkServer,
        inspectors: InspectorService,
        store: Store,
        publish: Callable[[Payload], object],
        watchers: Watchers,
    ) -> None:
        self._limits = limits
        self._registry = registry
        self._devices = devices
        self._device_health = device_health
        self._records = records
        self._fork_server = fork_server
        self._inspectors = inspectors
        self._store = store
        self._publish = publish
        self._watchers = watchers
        self._making_demo = trio.Lock()

    async def check(self, request: JobRequest, upload: Path | None) -> Checked:
        """Find the plugins and the source, and see that they can be used.

        Raises:
            InvalidRequest: a plugin, an option or the source's name is wrong; all of them are named.
            UnsupportedSource: the source is no video or image.
            TooLarge: its pictures are beyond the limit.
        """
        plugins = self._find_plugins(request)
        location = str(upload) if upload is not None else await self.locate(request.source)
        info = await self._probe(location, request.source)
        kinds = [entry.metadata.devices for entry, _ in plugins if entry.metadata is not None]
        device = resolve(request.device_requested, kinds, self._devices())
        return Checked(
            request=request,
            location=location,
            uploaded=upload is not None,
            info=info,
            plugins=plugins,
            device=device,
        )

    async def locate(self, source: str) -> str:
        """Where the source of this name is: an absolute path or, as it stands, a URL.

        Raises:
            InvalidRequest: it is not there, or not where sources may be.
        """
        if source == DEMO_SOURCE:
            return await self._demo_clip()
        return source if is_url(source) else str(find_in_folder(source, self._limits.media_dir))

    async def build(self, checked: Checked, job_id: str, created_at: str, resumed: Resumed = Resumed()) -> Job:
        """Make the job; nothing of it runs yet."""
        request, limits = checked.request, self._limits
        warnings = WarningLog(job_id)
        inspector = await self._inspector(checked, job_id)
        stages = [
            ToolRunner(
                self._stage_spec(checked, entry, options, job_id),
                fork_server=self._fork_server,
                inspector=inspector,
                warnings=warnings,
                publish=self._publish,
                device_health=self._device_health,
                record=self._records.of(entry.name),
            )
            for entry, options in checked.plugins
        ]
        spec = JobSpec(
            job_id=job_id,
            source=request.source,
            uploaded=checked.uploaded,
            options=msgspec.to_builtins(request.options),
            device_requested=request.device_requested,
            device=checked.device,
            created_at=created_at,
            frames_expected=checked.frames_expected,
            frames_before=resumed.frames,
        )
        return Job(
            spec=spec,
            source=self._source_reader(checked, job_id, resumed),
            stages=stages,
            pictures=PictureTaker(job_id, self._watchers, self._fork_server, limits.grace_s),
            inspector=inspector,
            warnings=warnings,
            store=self._store,
            publish=self._publish,
            ring_bytes=limits.ring_bytes,
        )

    async def _inspector(self, checked: Checked, job_id: str) -> PluginInspector | None:
        """None while the inspector is down: the job then runs without timings."""
        metadata = {entry.name: entry.metadata for entry, _ in checked.plugins if entry.metadata is not None}
        try:
            return await self._inspectors.open_job(job_id, metadata)
        except ActorGone:
            return None

    def _stage_spec(self, checked: Checked, entry: PluginEntry, options: Mapping[str, Any], job_id: str) -> StageSpec:
        wanted, limits = checked.request.options, self._limits
        assert entry.metadata is not None  # noqa: S101 - see _find_plugins()
        kinds, memory_limit_mb = entry.metadata.devices, entry.metadata.memory_limit_mb
        kind = checked.device.device_used.partition(":")[0]
        return StageSpec(
            job_id=job_id,
            plugin=entry.name,
            origin=entry.origin,
            options=options,
            device=checked.device.device_used if kind in kinds else "cpu",
            models_dir=limits.models_dir,
            plugin_timeout_ms=wanted.plugin_timeout_ms,
            prepare_timeout_ms=wanted.prepare_timeout_ms,
            max_failures=limits.max_failures,
            max_errors=limits.max_errors,
            grace_s=limits.grace_s,
            threads=threads_per_worker(cores(), limits.max_jobs, len(checked.plugins)),
            memory_limit=memory_limit_mb * MB if memory_limit_mb is not None else None,
        )

    def _source_reader(self, checked: Checked, job_id: str, resumed: Resumed) -> SourceReader:
        options = checked.request.options
        left = None if options.max_frames is None else max(0, options.max_frames - resumed.frames)
        spec = SourceSpec(
            location=checked.location,
            name=checked.request.source,
            limits=self._limits.source,
            start=resumed.start,
            stride=options.stride,
            max_frames=left,
            policy=options.policy or ("latest" if checked.info.kind == "stream" else "wait"),
        )
        return SourceReader(spec, self._fork_server, f"{job_id}/source", self._limits.grace_s)

    def _find_plugins(self, request: JobRequest) -> tuple[tuple[PluginEntry, Mapping[str, Any]], ...]:
        found: list[tuple[PluginEntry, Mapping[str, Any]]] = []
        errors: list[FieldError] = []
        for number, wanted in enumerate(request.plugins):
            entry = self._registry.get(wanted.name)
            if entry is None or entry.metadata is None:
                errors.append(FieldError(f"plugins[{number}]", self._why_not(wanted.name, entry)))
                continue
            try:
                found.append((entry, check_options(entry.metadata, wanted.options)))
            except OptionsError as error:
                place = f"plugins[{number}].options"
                errors += [
                    FieldError(place + (path if path.startswith("[") or not path else f".{path}"), text)
                    for path, text in error.errors
                ]
        if errors:
            raise InvalidRequest("The plugins of this request cannot be used as asked for.", errors)
        return tuple(found)

    def _why_not(self, name: str, entry: PluginEntry | None) -> str:
        if entry is not None:
            return f"{name} is broken: {entry.broken}"
        usable = sorted(e.name for e in self._registry.all() if e.metadata is not None and not e.broken)
        return f"there is no plugin {name!r}; there are: {', '.join(usable)}"

    async def _probe(self, location: str, name: str) -> SourceInfo:
        """What the source is; whoever asked for it knows it by ``name``, also when it is an upload."""
        try:
            with trio.fail_after(OPEN_TIMEOUT_S):
                worker = await self._fork_server.fork(DECODER_TARGET, "probe")
                try:
                    return await probe(worker, location, name, self._limits.source)
                finally:
                    with trio.CancelScope(shield=True):  # Worker.kill bounds itself
                        await worker.kill()
        except trio.TooSlowError:
            raise UnsupportedSource(f"The source did not open within {OPEN_TIMEOUT_S:.0f} s.") from None
        except SourceError as error:
            if error.kind == "too_large":
                raise TooLarge(error.message) from error
            if error.kind == "unreadable":
                raise InvalidRequest("The source cannot be read.", [FieldError("source", error.message)]) from error
            raise UnsupportedSource(error.message) from error

    async def _demo_clip(self) -> str:
        """The bundled clip, which the first job that asks for it has made."""
        async with self._making_demo:
            order = {"op": "make", "folder": str(self._limits.data_dir)}
            try:
                made = await run_errand(self._fork_server, DEMO_TARGET, "demo clip", order, patience_s=DEMO_TIMEOUT_S)
            except ErrandFailed as error:
                raise Unavailable(f"The bundled clip could not be made: {error}") from error
        return str(made["path"])


def find_in_folder(source: str, folder: Path) -> Path:
    """The file or folder that ``source`` names below ``folder``, with all links resolved.

    Raises:
        InvalidRequest: it is not there, or lies outside.
    """
    root = folder.resolve()
    try:
        found = (root / source).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        found = None
    if found is None or not found.is_relative_to(root):
        raise InvalidRequest(
            "The source is not in the media folder.",
            [FieldError("source", f"{source[:200]!r} is no file or folder below {root}")],
        )
    return found
