"""The flags of ``kinora serve``, for all commands that need to know what a server would be given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from kinora.cli.flags import options

Command = TypeVar("Command", bound=Callable[..., Any])

SERVER_FLAGS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--host",
        help="Address to listen on; where other machines reach it, clients need a token.  [default: 127.0.0.1]",
    ),
    click.option("--port", type=int, help="Port to listen on; 0 takes a free one.  [default: 8000]"),
    click.option(
        "--allowed-hosts",
        "--allowed-host",
        metavar="NAME,...",
        help="Further names of this server, as behind a reverse proxy, without ports.  [default: none]",
    ),
    click.option("--token", flag_value=True, default=None, type=bool, help="Clients need a token on loopback too."),
    click.option(
        "--root-path", metavar="PATH", help="Path under which a reverse proxy shows the server, such as /kinora."
    ),
    click.option(
        "--trusted-proxies",
        metavar="ADDRESS,...",
        help="Reverse proxies, also as networks, whose word about their clients is taken.  [default: none]",
    ),
    click.option(
        "--tls-cert",
        type=click.Path(path_type=Path),
        help="Certificate in PEM, with which the server speaks HTTPS.  [default: none]",
    ),
    click.option(
        "--tls-key",
        type=click.Path(path_type=Path),
        help="Its private key in PEM, if the certificate's file has none.",
    ),
    click.option("--data-dir", type=click.Path(path_type=Path), help="Where jobs and results are kept."),
    click.option(
        "--media-dir", type=click.Path(path_type=Path), help="The folder of sources.  [default: the current folder]"
    ),
    click.option(
        "--url-hosts",
        metavar="HOST,...",
        help="Hosts that sources may be read from by URL, with or without a port; * for all public ones.  "
        "[default: none]",
    ),
    options.models_dir,
    options.plugins_dir,
    options.watch,
    click.option("--max-jobs", type=int, help="Jobs that run at once.  [default: 2]"),
    click.option("--agents", type=int, help="Agents to start on this machine, in which jobs run then.  [default: 0]"),
    click.option("--engine", help="embedded, or ray to have Ray start agents for jobs.  [default: embedded]"),
    click.option(
        "--ray-address",
        metavar="ADDRESS",
        help="The Ray cluster: auto or HOST:PORT.  [default: one of this machine that ends with the server]",
    ),
    click.option(
        "--no-realtime",
        "realtime",
        flag_value=False,
        default=None,
        type=bool,
        help="Jobs and REST only, no live messages.",
    ),
    click.option("--log-level", help="debug, info, warning or error.  [default: info]"),
    options.config,
)
"""Each sets the setting of its name, but ``--config``, which names the file."""


def of_server(command: Command) -> Command:
    """Give a command the flags of a server: the setting of each as an argument, None if it is not given."""
    for flag in reversed(SERVER_FLAGS):
        command = flag(command)
    return command
