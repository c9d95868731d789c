"""The flags of all commands that are clients of a server: its address, and what it is shown and trusted by."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import SplitResult

import click

from kinora.actors.access.local_token import FILE as LOCAL_TOKEN
from kinora.actors.access.local_token import read_secret
from kinora.cli.client.command_client import CommandClient
from kinora.cli.client.this_machine import is_ones_own, is_this_machine
from kinora.cli.exits import Misuse
from kinora.cli.flags import options
from kinora.cli.terminal.output import print_line
from kinora.client import ClientError
from kinora.client.http import CA_FILE, PORTS, server_address
from kinora.client.token import token_in, token_of_environment
from kinora.settings import SettingsError, load_settings
from kinora.web.connection.addresses import reachable_here

Command = TypeVar("Command", bound=Callable[..., Any])


def _server_url() -> str:
    settings = options.load(options.NO_DATA_DIR)
    host = reachable_here(settings.host)
    host = f"[{host}]" if ":" in host else host
    return f"{'http' if settings.tls_cert is None else 'https'}://{host}:{settings.port}"


def checked_url(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """The server's address, if one is given; a callback of click for the option that names it."""
    try:
        if value is not None:
            server_address(value)
    except ClientError as error:
        raise Misuse(str(error)) from error
    return value


CLIENT_FLAGS = (
    click.option(
        "--url",
        envvar="KINORA_URL",
        default=_server_url,
        callback=checked_url,
        help="The server's address.  [default: as `serve` would use]",
    ),
    click.option(
        "--token",
        metavar="TOKEN",
        help="A token for it, which other users can see here.  [default: KINORA_TOKEN, or as --token-file]",
    ),
    click.option(
        "--token-file",
        type=click.Path(path_type=Path),
        help="A file with the token.  [default: KINORA_TOKEN_FILE, or for a server on this machine its data folder's]",
    ),
    click.option(
        "--ca-file",
        type=click.Path(path_type=Path),
        help=f"Certificates in PEM to trust too, as of a server's own authority.  [default: {CA_FILE}]",
    ),
)


def of_client(command: Command) -> Command:
    """Give a command the options that name a server, which it gets as ``client``."""

    @wraps(command)
    def with_client(*args: Any, url: str, ca_file: Path | None, **others: Any) -> Any:
        given = _given(others.pop("token"), others.pop("token_file"))
        client = CommandClient(url, ca_file=ca_file, find_token=lambda: given or _local_token(server_address(url)))
        return command(*args, client=client, **others)

    for flag in reversed(CLIENT_FLAGS):
        with_client = flag(with_client)
    return cast("Command", with_client)


def token_for(url: str, token: str | None, token_file: Path | None) -> str | None:
    """The token given by a flag, else by a variable, else that of a server on this machine; None if there is none."""
    return _given(token, token_file) or _local_token(server_address(url))


def _given(token: str | None, token_file: Path | None) -> str | None:
    try:
        return token or (token_in(token_file) if token_file else token_of_environment())
    except ClientError as error:
        raise Misuse(str(error)) from error


def _local_token(address: SplitResult) -> str | None:
    """The local token, if the server is on this machine, and no other user's program in its place; else None."""
    if not is_this_machine(address.hostname or ""):
        return None
    port = address.port or PORTS[address.scheme]
    try:
        file = load_settings({}, os.environ).data_dir / LOCAL_TOKEN
        if not is_ones_own(port, file.stat().st_uid):
            warning = f"another user's program listens on port {port}: it is not shown the token in {file}"
            print_line(f"kinora: warning: {warning}", file="stderr")
            return None
        return read_secret(file)
    except (SettingsError, OSError):
        return None
