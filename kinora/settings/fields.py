"""The settings themselves. A new one is a field here, with its docstring: all else is made from that."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated

import attrs

from kinora.actors.requests.standing_job import StandingJob
from kinora.actors.webhooks.webhook import Webhook
from kinora.media.live.placed_camera import PlacedCamera
from kinora.runtime.linux.machine import memory_bytes

HIDDEN = "hidden"
"""The metadata of a field whose value is a secret, which is shown nowhere."""
Bytes = Annotated[int, "bytes"]
"""A size, which may be written with a unit, as ``10G``."""
MAX_WEBCAM = 255
"""The highest number that Linux gives."""
GIB = 2**30
MIB = 2**20


class SettingsError(Exception):
    """A setting that cannot be used; ``str()`` of the error says where it is set and which values are valid."""


def _default_data_dir() -> Path:
    """``~/.local/share/kinora``, or ``$XDG_DATA_HOME/kinora`` where that is set."""
    try:
        base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    except RuntimeError as error:
        raise SettingsError("This user has no home folder: say with --data-dir where to keep jobs.") from error
    return Path(base) / "kinora"


def _current_folder() -> Path:
    """The current folder."""
    return Path.cwd()


def _half_of_memory() -> int:
    """Half of the machine's memory, or of the container's."""
    return memory_bytes() // MIB // 2


def _most_memory() -> int:
    """Three quarters of the machine's memory, or of the container's."""
    return memory_bytes() // MIB * 3 // 4


def _webcam(_settings: object, _field: object, value: int) -> None:
    if not 0 <= value <= MAX_WEBCAM:
        raise ValueError(f"{value} is not the number of a webcam: write 0 for /dev/video0")


def _no_cameras() -> Mapping[str, PlacedCamera]:
    """None."""
    return {}


def _no_jobs() -> Mapping[str, StandingJob]:
    """None."""
    return {}


def _no_webhooks() -> Mapping[str, Webhook]:
    """None."""
    return {}


def _absolute(path: Path) -> Path:
    return path.absolute()


_positive = attrs.validators.ge(1)
_not_negative = attrs.validators.ge(0)


def _host(_settings: object, _field: object, value: str) -> None:
    if not re.fullmatch(r"\*|[a-z0-9._:-]+", value):
        raise ValueError(f"{value!r} is not a host: write it in lower case as camera.local or camera.local:8080, or *")


def _host_name(_settings: object, _field: object, value: str) -> None:
    with suppress(ValueError):
        ip_address(value)
        return
    if not re.fullmatch(r"[A-Za-z0-9._-]+", value):
        raise ValueError(
            f"{value!r} is not the name of a host: write it as kinora.example, without a port; it holds for all ports"
        )


def _variable(_settings: object, _field: object, value: str) -> None:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*\*?", value):
        raise ValueError(f"{value!r} is not the name of a variable: write it as HF_TOKEN, or HF_* for all such names")


def _network(_settings: object, _field: object, value: str) -> None:
    try:
        ip_network(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is not an address or a network: write it as 127.0.0.1 or 10.0.0.0/8") from error


def _path_prefix(_settings: object, _field: object, value: str) -> None:
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]*[A-Za-z0-9_~-])*/?", value):
        raise ValueError(f"{value!r} is not the beginning of a path: write it as /kinora")


def _ray_address(_settings: object, _field: object, value: str) -> None:
    if not re.fullmatch(r"|auto|[A-Za-z0-9._-]+:\d+|\[[0-9a-fA-F:]+\]:\d+", value):
        raise ValueError(f"{value!r} is not the address of a Ray cluster: write it as auto or 10.0.0.5:6379")


def _url(_settings: object, _field: object, value: str) -> None:
    if not re.fullmatch(r"|https?://[^\s/?#@]+(/[^\s?#]*)?", value):
        raise ValueError(f"{value!r} is not an address of this server: write it as http://10.0.0.5:8000")


def _without_last_slash(path: str) -> str:
    return path.rstrip("/")


@attrs.frozen(kw_only=True)
class Settings:
    """All choices of an operator. Sizes are in bytes, ``_s`` in seconds, ``_ms`` in milliseconds.

    docs/settings.md is made of the docstrings of the fields, and of the functions that find a default.
    """

    host: str = "127.0.0.1"
    """The address to listen on; where other machines reach it, clients need a token."""
    port: int = attrs.field(default=8000, validator=[_not_negative, attrs.validators.le(65535)])
    """The port to listen on; 0 takes any free one."""
    allowed_hosts: tuple[str, ...] = attrs.field(default=(), validator=attrs.validators.deep_iterable(_host_name))
    """Further names that a request's ``Host`` may carry, as behind a reverse proxy; each holds for all ports."""
    token: bool = False
    """Clients need a token on loopback too, as behind a reverse proxy; on any other address they always do."""
    root_path: str = attrs.field(default="", converter=_without_last_slash, validator=_path_prefix)
    """The path under which a reverse proxy shows this server, such as ``/kinora``; it may take the path off or not."""
    trusted_proxies: tuple[str, ...] = attrs.field(default=(), validator=attrs.validators.deep_iterable(_network))
    """Addresses and networks of reverse proxies, whose ``X-Forwarded-For``, ``-Proto`` and ``-Host``, or ``Forwarded``,
    are believed; those of others are ignored."""
    tls_cert: Path | None = None
    """The server's certificate in PEM, followed by those between it and its authority: with it the server speaks HTTPS
    only. Read again on SIGHUP."""
    tls_key: Path | None = None
    """The certificate's private key in PEM, without a password, if it is not in the certificate's file."""
    realtime: bool = True
    """Without it there is no ``/v1/realtime``; jobs and REST work as usual."""
    max_connections: int = attrs.field(default=10_000, validator=_positive)
    """Realtime clients at once."""

    data_dir: Path = attrs.field(factory=_default_data_dir, converter=_absolute)
    """The folder of jobs, results and uploads; made if missing. It may be moved between two runs of the server."""
    media_dir: Path = attrs.field(factory=_current_folder, converter=_absolute)
    """The folder of sources; no file outside it is read."""
    follow_links: bool = False
    """Links in the media folder are followed out of it too, as ``kinora run`` does: only for links of one's own."""
    url_hosts: tuple[str, ...] = attrs.field(default=(), validator=attrs.validators.deep_iterable(_host))
    """Hosts that sources may be read from by URL, each with or without its port; ``*`` allows every host with a public
    address. Others are refused, also when a redirect leads to them."""
    cameras: Mapping[str, PlacedCamera] = attrs.field(factory=_no_cameras)
    """Cameras by name, each a table of ``kinora.toml`` such as ``[cameras.front]``. Clients watch one as
    ``camera:front``, and are told neither its address nor its password."""
    webcams: tuple[int, ...] = attrs.field(default=(), validator=attrs.validators.deep_iterable(_webcam))
    """Webcams of this machine that clients may watch: 0 is ``/dev/video0``, whose source is ``webcam:0``."""
    models_dir: Path = attrs.field(factory=_current_folder, converter=_absolute)
    """The folder of models; plugins must not read models outside it."""
    max_upload_bytes: Bytes = attrs.field(default=2 * GIB, validator=_positive)
    """The largest file that a client may upload."""
    max_pixels: int = attrs.field(default=50_000_000, validator=_positive)
    """Pixels of one frame beyond which a source is refused. OpenCV reads no larger images in any worker, for plugins
    either."""
    min_free_bytes: Bytes = attrs.field(default=200 * MIB, validator=_not_negative)
    """With less free disk space under ``data_dir`` no new job is accepted; below half of it the results of running jobs
    wait. A quarter of it, at most 16 MiB, is kept in a file, so that jobs can be deleted when the disk is full."""
    keep_days: float = attrs.field(default=0.0, validator=attrs.validators.ge(0.0))
    """Days after its end after which a job is deleted with its results and its upload; 0 keeps all. A job that waits,
    runs or is paused stays, and one whose results somebody reads stays until a minute after that."""
    keep_bytes: Bytes = attrs.field(default=0, validator=_not_negative)
    """The most bytes that database, uploads and clips take of the disk: beyond it jobs that have ended are deleted, the
    first to end first, as for ``keep_days``. 0 sets no limit. Both may be set."""

    plugins_dir: Path | None = None
    """A folder of further plugins, ``*.py`` files and packages."""
    plugin_files: tuple[Path, ...] = ()
    """Files of further plugins."""
    watch: bool = False
    """Look for plugins again when a file of one has changed, and say so in the log: the next job runs it as it is then.
    For authors of plugins; running jobs go on with what they have."""
    max_failures: int = attrs.field(default=3, validator=_positive)
    """Deaths or timeouts in a row after which a plugin is disabled for its job."""
    max_errors: int = attrs.field(default=25, validator=_positive)
    """Exceptions in a row after which a plugin is disabled for its job."""

    worker_memory_mb: int = attrs.field(factory=_half_of_memory, validator=_positive)
    """The most resident memory, in MiB, of one worker process and all that it starts. A plugin may set a lower limit by
    its ``memory_limit_mb``."""
    workers_memory_mb: int = attrs.field(factory=_most_memory, validator=_positive)
    """The most resident memory, in MiB, of all worker processes together. Beyond it the largest is killed."""

    worker_env: tuple[str, ...] = attrs.field(default=(), validator=attrs.validators.deep_iterable(_variable))
    """Further variables of the server's environment that its workers get, as plugins may need them: names, with a ``*``
    at the end for all that begin so. Workers always get those listed in
    kinora/runtime/forking/worker_environment.py."""

    device_cool_down_s: float = attrs.field(default=60.0, validator=attrs.validators.ge(0.0))
    """The time for which a plugin is kept off a GPU that failed under it; the first job after that tries it again."""

    jobs: Mapping[str, StandingJob] = attrs.field(factory=_no_jobs)
    """Standing jobs by name, each a table of ``kinora.toml`` such as ``[jobs.door]``: they start with the server and
    are started again. They count among ``max_jobs``."""
    webhooks: Mapping[str, Webhook] = attrs.field(factory=_no_webhooks)
    """Addresses that events, warnings and the ends of jobs are posted to, by name, each a table of ``kinora.toml`` such
    as ``[webhooks.alarm]``; see docs/webhooks.md."""
    max_jobs: int = attrs.field(default=2, validator=_positive)
    """Jobs that run at once."""
    paused_keep_s: float = attrs.field(default=600.0, validator=attrs.validators.ge(0.0))
    """The time for which a paused job's workers stay; after that they are prepared again when it goes on. A paused job
    does not count as one that runs."""
    push_grace_s: float = attrs.field(default=30.0, validator=attrs.validators.ge(0.0))
    """The time for which a job with the source ``push:`` waits for a client that pushes pictures: the first one from
    its start on, and for one that was cut off until it comes back."""
    max_queued: int = attrs.field(default=100, validator=_positive)
    """Jobs that may wait; a further one is refused and told when to try again. A client that has few may add some to a
    queue that others have filled; see kinora/actors/jobs/queue_shares.py."""
    ring_bytes: Bytes = attrs.field(default=64 * MIB, validator=_positive)
    """Shared memory for the frames of one job; at least two frames. Each plugin at the side has two more. Plugins that
    take several frames at once get fewer where it is small; see docs/plugins-at-work.md."""
    cancel_grace_ms: int = attrs.field(default=50, validator=_not_negative)
    """The time for a cancelled job's workers to end by themselves before they are killed."""
    shutdown_grace_s: float = attrs.field(default=5.0, validator=attrs.validators.ge(0.0))
    """The time for clients to take what is under way when the server stops. ``docker stop`` kills after 10 s, and the
    rest of the stop needs time as well."""

    agents: int = attrs.field(default=0, validator=_not_negative)
    """Agents that the server starts on this machine and keeps running; jobs run in these processes then, and not in the
    server's. ``max_jobs`` is spread over them, at least one for each, and the machine's cores are divided equally:
    a job that asks for more ``cpus`` than an agent has waits for another agent. 0 starts none."""
    engine: str = attrs.field(default="embedded", validator=attrs.validators.in_(("embedded", "ray")))
    """Where jobs get their places. ``embedded``: in this server, and in agents that join it. ``ray``: Ray starts an
    agent for each job that finds none, with the ``cpus``, ``gpus`` and ``resources`` that it asks for. Needs
    ``pip install 'kinora[ray]'``; see docs/ray.md."""
    ray_address: str = attrs.field(default="", validator=_ray_address)
    """The cluster for ``engine = "ray"``: the address of its head, such as ``10.0.0.5:6379``, or ``auto`` for the one
    that runs on this machine. Empty starts a Ray of this machine that ends with the server."""
    agent_url: str = attrs.field(default="", converter=_without_last_slash, validator=_url)
    """The address by which agents that Ray starts on other machines reach this server, such as behind a proxy. Empty
    takes the first one that the server listens on."""
    agent_idle_s: float = attrs.field(default=60.0, validator=attrs.validators.ge(0.0))
    """The time for which an agent that Ray has started is kept for the next job. If another job needs its room it is
    given back earlier."""

    log_level: str = attrs.field(default="info", validator=attrs.validators.in_(("debug", "info", "warning", "error")))
    """What is logged: ``debug``, ``info``, ``warning`` or ``error``, each with all behind it."""
    log_format: str = attrs.field(default="auto", validator=attrs.validators.in_(("auto", "console", "json")))
    """``console`` for people, ``json`` for one JSON object a line, or ``auto``: ``console`` on a terminal, else
    ``json``."""
    trace_frames: int = attrs.field(default=0, validator=_not_negative)
    """Jobs are traced with OpenTelemetry: one frame in so many has a span for each plugin. 0 traces nothing. Needs
    ``pip install 'kinora[otel]'``; the variables ``OTEL_*`` say where traces go."""
    access_log: bool = True
    """Requests are logged: those that change something or are refused at ``info``, those that fail because of an error
    in the server at ``warning``, all others at ``debug``. No line has a query string, a token or a cookie."""
