"""The agent that a server starts on its own machine; its standard input says all. It is no command for people."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import click

from kinora.agent.facts import Offer
from kinora.agent.home import Home
from kinora.cli.agent import run_agent
from kinora.cli.main import main
from kinora.fleet.local_start import LocalStart, decode_start
from kinora.log import configure_logging
from kinora.runtime.linux.heap import give_back_freed_memory
from kinora.runtime.linux.process_names import name_main_thread
from kinora.runtime.linux.processes import die_with_parent
from kinora.settings.transfer import decode_settings


@click.command
def local_agent() -> None:
    """Run jobs of the server that has started this process, and end with it."""
    name_main_thread("kinora: agent")
    give_back_freed_memory()
    start = _read_start()
    die_with_parent(signal.SIGKILL, start.server_pid)
    settings = decode_settings(start.settings)
    configure_logging(settings.log_level, settings.log_format)
    certificate = None if start.certificate is None else Path(start.certificate)
    run_agent(
        settings,
        Home(url=start.url, token=start.token, certificate=certificate),
        Offer(name=start.name, places=start.places, cpus=start.cpus, resources=start.resources, shares_files=True),
        start.lifeline,
    )


def _read_start() -> LocalStart:
    """Read the standard input, which is empty from then on."""
    start = decode_start(sys.stdin.buffer.read())
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, sys.stdin.fileno())
    os.close(null)
    return start


if __name__ == "__main__":
    main(command=local_agent)
