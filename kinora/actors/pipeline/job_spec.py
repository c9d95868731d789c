"""The facts of a job: its request, its plan, and the point where an earlier server left it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

from kinora.actors.frames.live_count import Moment
from kinora.actors.models import JobState
from kinora.actors.requests.job_request import JobRequest, PluginRequest, Policy
from kinora.actors.sources.held_sources import HeldSource
from kinora.media.source_types import SourceInfo
from kinora.plugins.api import PluginMetadata
from kinora.plugins.devices import Resolution
from kinora.plugins.protocol import Origin


@attrs.frozen(kw_only=True)
class PlannedPlugin:
    """A plugin of the job that can be used."""

    asked: PluginRequest
    """Its entry in the request."""
    name: str
    origin: Origin
    metadata: PluginMetadata
    options: Mapping[str, Any]
    """The options, with defaults filled in."""
    code: str = ""
    """The hash of its code."""
    sums_up: bool = False
    """True if it defines ``finalize``."""
    merges: bool = False
    """True if it defines ``merge``."""


@attrs.frozen(kw_only=True)
class JobPlan:
    """A request that was checked, with all that is needed to carry it out."""

    request: JobRequest
    location: str
    """The source's absolute path or URL, or ``push:``."""
    info: SourceInfo
    held: HeldSource | None = None
    """The source if it is live and its check has left it open."""
    plugins: tuple[PlannedPlugin, ...]
    device: Resolution
    lanes: int = 1
    """The pipelines that share the source's frames; more than one only for a file that is cut into segments."""
    key_frames: tuple[int, ...] = ()
    """Where it may be cut, if so."""

    @property
    def policy(self) -> Policy:
        """The request's policy; if it has none, the one for this kind of source."""
        return policy_of(self.request, self.info)

    @property
    def frames_expected(self) -> int | None:
        """The number of frames after stride and max_frames; None if the length is unknown."""
        options = self.request.options
        if self.info.frames_total is None:
            return None
        strided = -(-self.info.frames_total // options.stride)
        return strided if options.max_frames is None else min(strided, options.max_frames)


@attrs.frozen(kw_only=True)
class ResumePoint:
    """The point at which a job goes on, after a long pause or on the next server; for a new job, its beginning."""

    frames: int = 0
    """The number of frames that are stored already."""
    start: int = 0
    """The index of the first frame to read."""
    events: int = 0
    """The number of the last event that is stored."""
    after: Moment | None = None
    """The last frame before it, if the source is live."""


@attrs.frozen(kw_only=True)
class Past:
    """What an earlier server has left of a job."""

    state: JobState
    """As it was stored last: at most a second before the last frame."""
    logs: Mapping[str, str]
    """Plugin → the end of its output."""
    source: SourceInfo | None
    """The source when the job was accepted; None if an earlier version has stored the job."""


@attrs.frozen(kw_only=True)
class JobSpec:
    """The facts of a job that are fixed before it runs."""

    job_id: str
    created_at: str
    request: JobRequest
    uploaded: bool
    """True if the source was uploaded with the job."""
    resumed: ResumePoint = ResumePoint()
    past: Past | None = None
    """None for a new job."""
    standing: str | None = None
    """The name of the operator's standing job that it is."""

    def as_asked(self) -> dict[str, Any]:
        """The request as JSON, to be sent again; that of an upload has no source, which is the file sent with it."""
        return asked_again(self.request, uploaded=self.uploaded)


def policy_of(request: JobRequest, info: SourceInfo) -> Policy:
    """Return the request's policy; if it has none, the one for this kind of source."""
    return request.options.policy or ("latest" if info.kind == "stream" else "wait")


def asked_again(request: JobRequest, *, uploaded: bool) -> dict[str, Any]:
    """The JSON that asks for the same once more; without ``source`` if that was uploaded, to be sent with the file.

    What a plugin's entry has beside its options is left out where it is the default, as a client would write it.
    """
    document: dict[str, Any] = msgspec.to_builtins(request)
    document["plugins"] = [_as_written(plugin) for plugin in request.plugins]
    return {name: value for name, value in document.items() if not (uploaded and name == "source")}


def _as_written(plugin: PluginRequest) -> dict[str, Any]:
    usual = PluginRequest(name=plugin.name)
    entry: dict[str, Any] = msgspec.to_builtins(plugin)
    return {key: value for key, value in entry.items() if key in {"name", "options"} or value != getattr(usual, key)}
