"""``kinora agent``: runs jobs of a server here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import structlog
import trio

from kinora.agent.agent import Agent
from kinora.agent.facts import Offer
from kinora.agent.home import Home
from kinora.cli.client.client_flags import checked_url, token_for
from kinora.cli.exits import Failed, Misuse
from kinora.cli.flags import options
from kinora.cli.flags.folders import require_existing
from kinora.cli.process.root_warning import warn_of_root
from kinora.cli.process.running import run_to_end, stop_on_signal, stop_signals
from kinora.client import ClientError
from kinora.client.http import CA_FILE
from kinora.log import configure_logging
from kinora.plugins.opencv import opencv_damage
from kinora.runtime.linux.heap import give_back_freed_memory
from kinora.runtime.linux.process_names import name_main_thread
from kinora.runtime.requirements import unmet_requirements
from kinora.settings import Settings, require_usable_paths

log = structlog.get_logger()


@click.command
@click.option(
    "--server",
    envvar="KINORA_URL",
    metavar="URL",
    callback=checked_url,
    help="The server's address, such as http://10.0.0.5:8000.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="A file with a token that may operate.  [default: KINORA_TOKEN_FILE, or for a server on this machine its data"
    " folder's]",
)
@click.option(
    "--token",
    metavar="TOKEN",
    help="The token itself, which other users can see here.  [default: KINORA_TOKEN, or as --token-file]",
)
@click.option(
    "--ca-file",
    type=click.Path(path_type=Path),
    help=f"Certificates in PEM to trust too, as of the server's own authority.  [default: {CA_FILE}]",
)
@click.option("--name", help="A name to be shown for this agent.  [default: the machine's]")
@click.option("--places", type=click.IntRange(min=1), help="Jobs that run here at once.  [default: 2]")
@click.option(
    "--cpus",
    type=click.FloatRange(min=0, min_open=True),
    help="The cores that its jobs may ask for together.  [default: all]",
)
@click.option(
    "--resource",
    "resources",
    multiple=True,
    metavar="NAME=N",
    help="Something else that jobs may ask for, and how much of it is here.  Repeatable.",
)
@options.models_dir
@options.plugins_dir
@options.watch
@click.option("--log-level", help="debug, info, warning or error.  [default: info]")
@options.config
def agent(
    *,
    server: str | None,
    token_file: Path | None,
    token: str | None,
    ca_file: Path | None,
    name: str | None,
    places: int | None,
    cpus: float | None,
    resources: Sequence[str],
    config: Path | None,
    **flags: Any,
) -> None:
    """Run jobs of a server here, on its behalf; the folders and plugins are those of this machine."""
    name_main_thread("kinora: agent")
    give_back_freed_memory()
    if server is None:
        raise Misuse("name the server with --server, such as http://10.0.0.5:8000")
    settings = options.load({**flags, "max_jobs": places, **options.NO_DATA_DIR}, config)
    home = Home(url=server, token=token_for(server, token, token_file), ca_file=ca_file)
    offer = Offer(name=name, places=settings.max_jobs, cpus=cpus, resources=dict(map(_resource, resources)))
    configure_logging(settings.log_level, settings.log_format)
    warn_of_root()
    run_agent(settings, home, offer)


def run_agent(settings: Settings, home: Home, offer: Offer, lifeline: int | None = None) -> None:
    """Run an agent until the server dismisses it, or a signal; ``lifeline`` is that of :class:`Agent`."""
    try:
        home.address, home.headers  # noqa: B018 - they check what they are made of
    except ClientError as error:
        raise Misuse(str(error)) from error
    if unmet := [*unmet_requirements(), *filter(None, [opencv_damage()])]:
        raise Failed(" ".join(unmet))
    require_usable_paths(settings)
    run_to_end(lambda: _agent(settings, home, offer, lifeline))


async def _agent(settings: Settings, home: Home, offer: Offer, lifeline: int | None) -> None:
    """Run it; the first signal ends it politely, the second at once."""
    leaving = trio.Event()
    await require_existing(settings, "models_dir", "plugins_dir")
    with stop_signals() as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop_on_signal, signals, leaving.set)
            log.info("the agent starts", server=home.url, places=offer.places)
            await Agent(settings, home, offer, lifeline).run(leaving)
            nursery.cancel_scope.cancel()
    log.info("the agent has ended")


def _resource(text: str) -> tuple[str, float]:
    name, equals, amount = text.partition("=")
    try:
        found = float(amount)
    except ValueError:
        found = -1.0
    if not (name and equals and 0 <= found < float("inf")):
        raise Misuse(f"--resource {text}: write it as NAME=N, for example --resource camera_card=2")
    return name, found
