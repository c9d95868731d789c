"""What the faces need of the system behind them; the system does not know them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from kinora.actors.connection_manager import ConnectionManager
from kinora.actors.job_request import JobRequest
from kinora.actors.library_list import LibraryList
from kinora.actors.models import CancelAnswer, JobPage, JobState
from kinora.actors.plugin_records import PluginRecords
from kinora.plugins.api import PluginMetadata


class Submitted(Protocol):
    """An accepted job."""

    @property
    def state(self) -> JobState:
        """How it stands."""

    @property
    def last_event_id(self) -> str | None:
        """Who connects with it to the realtime side misses nothing of the job; None without that side."""


class Jobs(Protocol):
    """The job manager. Every method may raise a KinoraError."""

    async def submit(
        self, request: JobRequest, *, upload: Path | None = None, idempotency_key: str | None = None
    ) -> Submitted:
        """Accept a job; on return it is stored. The upload then belongs to the manager; after an error it is ours."""

    async def state(self, job_id: str) -> JobState:
        """How a job stands."""

    async def cancel(self, job_id: str) -> CancelAnswer:
        """Stop a job; returns when its processes are gone."""

    async def pause(self, job_id: str) -> JobState:
        """Take no new frame."""

    async def resume(self, job_id: str) -> JobState:
        """Go on."""

    async def delete(self, job_id: str) -> None:
        """Stop and forget a job."""

    async def jobs(self, status: str | None, limit: int, cursor: str | None) -> JobPage:
        """One page, newest first."""

    async def frames(self, job_id: str, after: int | None, limit: int | None) -> list[bytes]:
        """FrameData as JSON texts, in order, those behind index ``after``."""

    async def logs(self, job_id: str) -> Mapping[str, str]:
        """Plugin → what it has printed, the last of it."""

    async def wait_changed(self, job_id: str, seen: JobState) -> JobState:
        """Return once the state is another than ``seen``, or the job has ended."""

    async def picture(self, job_id: str, index: int, overlay: bool) -> bytes:
        """One frame as JPEG."""

    async def video(self, job_id: str) -> BinaryIO:
        """The frames so far as MP4, what was found drawn on them; to be closed."""


class PluginEntry(Protocol):
    """One plugin that was found, whether or not it works."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def origin(self) -> Any:
        """Where it was found."""

    @property
    def metadata(self) -> PluginMetadata | None:
        """What it says of itself; None if it is broken."""

    @property
    def broken(self) -> str | None:
        """Why it cannot be used."""

    @property
    def traceback(self) -> str | None:
        """The Python traceback behind ``broken``, if there is one."""


class Plugins(Protocol):
    """The plugin registry."""

    def all(self) -> Iterable[PluginEntry]:
        """Every plugin that was found."""

    def get(self, name: str) -> PluginEntry | None:
        """The one of this name, the one that works if there are several."""

    async def reload(self) -> None:
        """Look again."""


class Device(Protocol):
    """Something plugins can run on."""

    @property
    def id(self) -> str:
        """``cpu`` or ``cuda:N``."""

    @property
    def kind(self) -> str:
        """``cpu`` or ``cuda``."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def available(self) -> bool:
        """Whether it can be used."""

    @property
    def reason(self) -> str | None:
        """Why not."""


class WebSettings(Protocol):
    """The settings that concern the faces."""

    @property
    def allowed_hosts(self) -> Sequence[str]:
        """Names in ``Host`` that are ours, beside loopback's."""

    @property
    def media_dir(self) -> Path:
        """The folder that sources are named in."""

    @property
    def max_upload_bytes(self) -> int:
        """The largest file that may be sent."""


class SystemView(Protocol):
    """The system, as far as it can be seen from the web."""

    @property
    def jobs(self) -> Jobs:
        """The job manager."""

    @property
    def connections(self) -> ConnectionManager | None:
        """The realtime side; None without one."""

    @property
    def plugins(self) -> Plugins:
        """The plugin registry."""

    @property
    def settings(self) -> WebSettings:
        """The settings."""

    @property
    def uploads(self) -> Path:
        """The folder for uploaded files; it exists."""

    @property
    def libraries(self) -> LibraryList:
        """What the libraries can use that plugins compute with."""

    @property
    def plugin_records(self) -> PluginRecords:
        """How the plugins have done so far."""

    def devices(self) -> Sequence[Device]:
        """What there is to run on, best first or not."""

    def ready(self) -> Sequence[str]:
        """Why new jobs cannot be taken, a sentence each; empty when all is well."""

    def degraded(self) -> Sequence[str]:
        """What jobs have to do without, a sentence each; empty when all is well."""
