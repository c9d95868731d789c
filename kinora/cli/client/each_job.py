"""What the commands share that do one thing to each of several jobs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import trio

from kinora.cli.client.short_ids import whole_ids
from kinora.cli.process.running import run_interruptible
from kinora.cli.terminal.output import print_json, print_table
from kinora.client import KinoraClient

Do = Callable[[KinoraClient, str], Awaitable[dict[str, Any]]]
"""Does it to the job with this id, and returns what to print of it."""


def for_each_job(client: KinoraClient, given: Sequence[str], do: Do, columns: Sequence[str], *, as_json: bool) -> None:
    """Do it to the jobs in the order given, each one once, and print the answers; the first refusal ends it."""
    answers = run_interruptible(lambda: _all(client, given, do))
    if as_json:
        print_json(answers)
    else:
        print_table(columns, [[answer[column] for column in columns] for answer in answers])


async def _all(client: KinoraClient, given: Sequence[str], do: Do) -> list[dict[str, Any]]:
    await trio.lowlevel.checkpoint()
    return [await do(client, job_id) for job_id in dict.fromkeys(await whole_ids(client, given))]
