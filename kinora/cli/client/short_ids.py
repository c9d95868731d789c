"""Ids of jobs as people write them: their beginning is enough, as with git's commits."""

from __future__ import annotations

from collections.abc import Sequence

from kinora.cli.exits import Misuse
from kinora.client import KinoraClient

SHORT_ID = 8
"""The characters of an id that people are shown."""
SHORTEST = 4
"""The fewest characters that are taken for the beginning of an id."""
WHOLE = 36
"""The characters of a whole id, which is a UUID."""
CANDIDATES = 5
"""The most jobs that are named if several begin alike."""


async def whole_id(client: KinoraClient, given: str) -> str:
    """The id of the one job whose id begins with ``given``; ``given`` itself if there is none, or if it is a whole one.

    Raises:
        Misuse: there are several, or ``given`` is too short to be looked for.
    """
    if len(given) >= WHOLE:
        return given
    if len(given) < SHORTEST:
        raise Misuse(f"{given} is too short: write at least the first {SHORTEST} characters of a job's id")
    found = (await client.jobs(id_prefix=given, limit=CANDIDATES + 1))["jobs"]
    if len(found) > 1:
        listed = [f"{job['job_id']} ({job['source']}, {job['status']})" for job in found[:CANDIDATES]]
        more = ["and more"] if len(found) > CANDIDATES else []
        raise Misuse(f"Several jobs begin with {given}: {', '.join([*listed, *more])}: write more of the id")
    return str(found[0]["job_id"]) if found else given


async def whole_ids(client: KinoraClient, given: Sequence[str]) -> list[str]:
    """The same for several ids; nothing has been done yet if one of them is wrong."""
    return [await whole_id(client, text) for text in given]
