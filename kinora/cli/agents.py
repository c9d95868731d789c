"""``kinora agents``: the agents that run jobs for a server, and why one gets none."""

from __future__ import annotations

import sys
from typing import Any

import click

from kinora.cli.client.client_flags import of_client
from kinora.cli.client.short_ids import SHORT_ID
from kinora.cli.flags import options
from kinora.cli.flags.amounts import size_text
from kinora.cli.process.running import run_interruptible
from kinora.cli.terminal.output import local_time, print_json, print_line, print_table
from kinora.client import KinoraClient

COLUMNS = ("agent", "kind", "host", "status", "places", "cpus", "busy_cpus", "memory", "version", "jobs", "told")
OPTIONAL = ("kind", "version", "host", "memory")
"""The columns that a narrow terminal goes without, the first one first."""


@click.command
@of_client
@options.as_json
@click.pass_context
def agents(ctx: click.Context, /, client: KinoraClient, as_json: bool) -> None:
    """List the agents that run jobs for a server: what each does, what is free, and why it gets no job.

    Places and cores are free ones of all. Exit codes: 0 all are there, 1 one is away.
    """
    found = run_interruptible(client.agents)
    if as_json:
        print_json(found)
    else:
        _print(found)
    ctx.exit(1 if any(agent["status"] == "away" for agent in found["agents"]) else 0)


def _print(found: dict[str, Any]) -> None:
    shown = map(for_people, found["agents"]) if sys.stdout.isatty() else found["agents"]
    print_table(COLUMNS, [_row(agent) for agent in shown], optional=OPTIONAL)
    if not found["agents"]:
        print_line("There are no agents: kinora agent --server URL starts one, see docs/scale.md.", file="stderr")
    for lost in found["lost"]:
        how = "has left" if lost["left"] else "was lost"
        print_line(f"{lost['name']} {how} at {local_time(lost['lost_at'])}: {lost['reason']}", file="stderr")


def for_people(agent: dict[str, Any]) -> dict[str, Any]:
    """An agent with the short ids of its jobs."""
    return {**agent, "jobs": [job[:SHORT_ID] for job in agent["jobs"]]}


def _row(agent: dict[str, Any]) -> tuple[object, ...]:
    load = agent["load"]
    return (
        agent["name"],
        agent["kind"],
        agent["host"],
        agent["status"],
        f"{agent['places_free']}/{agent['places']}",
        f"{agent['cpus_free']:g}/{agent['cpus']:g}",
        None if load is None else load["busy_cpus"],
        None if load is None else size_text(load["memory"]),
        agent["kinora"],
        " ".join(agent["jobs"]),
        told(agent),
    )


def told(agent: dict[str, Any]) -> str:
    """Why the agent gets no job, and how its plugins differ; empty if there is nothing to tell."""
    differing = [f"{plugin['name']}: {plugin['reason']}" for plugin in agent["differing"]]
    lost_at = agent["lost_at"]
    away = [f"It counts as lost at {local_time(lost_at)}."] if lost_at else []
    return " ".join([*filter(None, [agent["reason"]]), *away, *differing])
