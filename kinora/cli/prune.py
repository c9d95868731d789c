"""``kinora jobs prune``: delete many jobs of a server."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any, get_args

import click

from kinora.actors.messages import EndStatus
from kinora.cli.client.client_flags import of_client
from kinora.cli.client.short_ids import SHORT_ID
from kinora.cli.exits import Misuse
from kinora.cli.flags import options
from kinora.cli.flags.amounts import Age, Size, size_text
from kinora.cli.process.running import run_interruptible
from kinora.cli.terminal.output import counted, local_time, print_json, print_line, print_table
from kinora.client import KinoraClient

COLUMNS = ("job_id", "status", "finished_at", "bytes")


@click.command
@click.option(
    "--older-than", "older_than_s", type=Age(), help="Jobs that ended longer ago than this go: 30d, 12h, 90m."
)
@click.option(
    "--keep-bytes",
    type=Size(),
    help="The jobs that ended first go, until the database and the uploads take no more than this: 10G, 500M.",
)
@click.option(
    "--status",
    type=click.Choice(get_args(EndStatus)),
    multiple=True,
    help="Only jobs with this status go; alone, all of them.  Repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Delete nothing, and tell what would go.")
@of_client
@options.as_json
def prune(status: Sequence[str], dry_run: bool, client: KinoraClient, as_json: bool, **limits: Any) -> None:
    """Delete jobs that have ended, with all their results and uploads, for good; those that ended first go first.

    What waits, runs or is paused stays, and so does what somebody reads at the moment.
    """
    asked = {name: limit for name, limit in limits.items() if limit is not None}
    if status:
        asked["status"] = list(status)
    if not asked:
        raise Misuse("Say which jobs go: --older-than, --keep-bytes or --status")
    pruned = run_interruptible(partial(client.prune, {**asked, "dry_run": dry_run}))
    if as_json:
        print_json(pruned)
        return
    shown = map(_for_people, pruned["jobs"]) if sys.stdout.isatty() else pruned["jobs"]
    print_table(COLUMNS, [[job[column] for column in COLUMNS] for job in shown])
    for sentence in _summary(pruned):
        print_line(sentence, file="stderr")


def _for_people(job: dict[str, Any]) -> dict[str, Any]:
    """A job with its short id, in local time, and with a size that can be read."""
    shown = {"job_id": job["job_id"][:SHORT_ID], "finished_at": local_time(job["finished_at"])}
    return {**job, **shown, "bytes": size_text(job["bytes"])}


def _summary(pruned: dict[str, Any]) -> list[str]:
    """What was done or would be, in sentences."""
    would = pruned["dry_run"]
    done, gives = ("would be deleted", "would give back") if would else ("deleted", "gives back")
    number, listed = pruned["count"], len(pruned["jobs"])
    sentences = [f"{counted(number, 'job')} {done}, which {gives} at least {size_text(pruned['bytes'])}"]
    if number > listed:
        sentences.append(f"The first {listed} are listed")
    if pruned["in_use"]:
        sentences.append(
            f"{counted(pruned['in_use'], 'further job')} would go, but stay while they are read or resumed"
        )
    return sentences
