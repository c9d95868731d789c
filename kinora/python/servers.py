"""``kinora.connect``: runs on a server, for a program as if they were its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from kinora.client.errors import ClientError
from kinora.client.http import server_address
from kinora.client.rest import KinoraClient
from kinora.media.source_names import without_query
from kinora.python.errors import RunError, as_run_error
from kinora.python.options import Policy, job_options
from kinora.python.plugins import Plugins, WantedPlugin, wanted_plugins
from kinora.python.quiet import quieten
from kinora.python.remote import RemoteRun
from kinora.python.report import Report
from kinora.python.run import Run
from kinora.python.wanted import Wanted, source_text
from kinora.runtime.files.home_paths import in_home
from kinora.runtime.files.missing_paths import no_such_path


@attrs.frozen
class Server:
    """A Kinora server; made by :func:`kinora.connect`. Nothing is asked of it before a run begins."""

    client: KinoraClient

    def run(
        self,
        source: str | os.PathLike[str],
        plugins: Plugins,
        *,
        upload: bool = False,
        device: str = "auto",
        strict: bool = False,
        max_frames: int | None = None,
        stride: int | None = None,
        policy: Policy | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Run:
        """Run a source through plugins on the server; the arguments are those of :func:`kinora.run`.

        The run is the same as one in this program. It goes on after a lost connection, in which no frame is lost.
        Leaving the loop cancels the job. ``frame.image`` is fetched when it is asked for.

        Args:
            source: what the server can reach: a path under its media folder, a URL, ``camera:NAME``; with ``upload`` a
                file of this machine, which is sent.
            plugins: names of the server's plugins, or mappings with a ``name``.
            upload: send the source.
            device: as for :func:`kinora.run`; so are the others.
            strict: raise PluginFailed as soon as a plugin fails.
            max_frames: stop after so many frames.
            stride: take every Nth frame only.
            policy: ``wait`` or ``latest``.
            options: further options of a job.

        Raises:
            RunError: a plugin cannot be used, or there is no file to send. What the server refuses is raised in the
                loop.
        """
        quieten()
        wanted = Wanted(
            source=source_text(source),
            plugins=tuple(_named(plugin) for plugin in wanted_plugins(plugins)),
            device=device,
            options=job_options(options, max_frames=max_frames, stride=stride, policy=policy),
        )
        sent = in_home(source) if upload else None
        if sent is not None and not sent.is_file():
            raise RunError(no_such_path("file", os.fspath(source)))
        report = Report(without_query(wanted.source))
        work = RemoteRun(self.client, wanted, sent, report)
        return Run(work.run, report, work.annotate, strict=strict)


def connect(url: str, *, token: str | None = None, ca_file: str | os.PathLike[str] | None = None) -> Server:
    """A server at ``url``, such as ``http://127.0.0.1:8000``, for runs on it.

    Args:
        url: the server's address.
        token: shown to the server; without one, that in ``KINORA_TOKEN`` or in the file ``KINORA_TOKEN_FILE``.
        ca_file: a file of further certificates to trust, in PEM.

    Raises:
        RunError: the address cannot be read.
    """
    try:
        server_address(url)
        return Server(KinoraClient(url, token, None if ca_file is None else Path(ca_file)))
    except ClientError as error:
        raise as_run_error(error) from None


def _named(plugin: WantedPlugin) -> WantedPlugin:
    if plugin.path is not None or plugin.pickle is not None:
        raise RunError(
            f"{plugin.name} is a plugin of this program: a server runs only its own, such as in --plugins-dir"
        )
    return plugin
