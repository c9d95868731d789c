"""Ids of jobs by their beginnings."""

from __future__ import annotations

import attrs
import pytest

from kinora.cli.client.short_ids import CANDIDATES, whole_id, whole_ids
from kinora.cli.exits import Misuse
from kinora.client import KinoraClient
from kinora.serve import RunningServer

WHOLE = "00000000-0000-4000-8000-000000000000"


async def with_jobs(server: RunningServer, *ids: str) -> KinoraClient:
    """A client of the server, which has jobs with these ids too."""
    submitted = await KinoraClient(server.url).submit({"source": "clip.mp4", "plugins": ["motion"]})
    record = await server.system.store.job(submitted.job_id)
    assert record is not None
    for job_id in ids:
        state = record.state.replace(submitted.job_id.encode(), job_id.encode())
        await server.system.store.add_job(attrs.evolve(record, job_id=job_id, state=state))
    return KinoraClient(server.url)


async def test_the_beginning_of_an_id_is_enough(server: RunningServer) -> None:
    """In either case of letters; a whole id, and one that begins no job's id, stay as they are."""
    client = await with_jobs(server, "xabc1111", "xabc2222", "xdef1111")
    assert await whole_ids(client, ["xdef", "XABC2", "none", WHOLE]) == ["xdef1111", "xabc2222", "none", WHOLE]


async def test_an_ambiguous_beginning_names_the_candidates(server: RunningServer) -> None:
    """Up to a few of them, with their sources."""
    client = await with_jobs(server, *(f"xabc{number}" for number in range(CANDIDATES + 2)))
    with pytest.raises(
        Misuse, match=r"Several jobs begin with xabc: xabc6 \(clip.mp4, \w+\), xabc5 .* and more: write"
    ):
        await whole_id(client, "xabc")


@pytest.mark.parametrize("given", ["xab%", "xab_", "x\x7f\x7f\x7f", "\ud800abc"])
async def test_a_beginning_is_no_pattern(server: RunningServer, given: str) -> None:
    """Characters that mean something to a database mean nothing here."""
    await with_jobs(server, "xabc1111")
    found = await server.system.store.jobs(id_prefix=given)
    assert found == ([], None)
