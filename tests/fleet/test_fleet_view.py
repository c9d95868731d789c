"""What clients see of the agents in the book."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kinora import __version__
from kinora.actors.jobs.engine import Needs
from kinora.fleet.agent_book import LOST_AFTER_S, AgentBook
from kinora.fleet.agent_state import LOST_KEPT_S
from kinora.fleet.fleet_view import BookView
from kinora.fleet.link import Device, Load
from kinora.plugins.api import PluginMetadata
from kinora.plugins.protocol import Origin
from kinora.plugins.registry import PluginEntry
from kinora.serve import RunningServer
from tests.client_kit import get
from tests.fleet.fake_agent import agent
from tests.fleet.kit import JOB, Clock, Noted, assigned, join
from tests.jobs_kit import until

GPU = Device(id="cuda:0", kind="cuda", name="L4", available=True)


def plugin(name: str, version: str, code: str) -> PluginEntry:
    """A plugin of the server."""
    metadata = PluginMetadata(name=name, version=version)
    return PluginEntry(
        name=name, origin=Origin(kind="file", location=name, attribute=name), metadata=metadata, code=code
    )


def view(*plugins: PluginEntry) -> tuple[AgentBook, BookView, Clock]:
    """An empty book, what is seen of it, and the clock of both."""
    clock = Clock()
    book = AgentBook(__version__, clock=clock)
    return book, BookView(book, lambda: plugins, clock), clock


def test_what_is_free_is_what_no_job_has_asked_for() -> None:
    """Places, cores, GPUs and resources; a job that has a place and an attempt is told once."""
    book, seen, _ = view()
    joined = join(book, devices=(GPU,), resources={"licence": 2.0})
    joined.load = Load(busy_cpus=1.26, memory=100, workers=2)
    joined.held.append(Needs(job_id=JOB, plugins=("count",), cpus=3.0, gpus=0.5, resources={"licence": 1.0}))
    book.assign(joined, assigned())
    (told,) = seen.agents()
    assert (told.status, told.reason, told.jobs, told.places_free) == ("ready", None, (JOB,), 1)
    assert (told.cpus_free, told.gpus_free, told.resources_free) == (1.0, 0.5, {"licence": 1.0})
    assert told.load is not None
    assert told.load.busy_cpus == 1.3
    joined.held.append(Needs(job_id="other", plugins=("count",)))
    (told,) = seen.agents()
    assert (told.status, told.reason) == ("busy", "All its places are taken.")


def test_an_agent_that_is_away_is_told_when_it_counts_as_lost() -> None:
    """That moment is the same however often one asks; then it is among the lost, for an hour."""
    book, seen, clock = view()
    joined = join(book, line := Noted())
    book.note_away(joined, line)
    (told,) = seen.agents()
    clock.now += 1.234
    assert seen.agents() == [told]
    assert told.lost_at is not None
    assert (told.status, told.reason) == ("away", "Its connection is broken.")
    assert abs(datetime.fromisoformat(told.lost_at).timestamp() - datetime.now().timestamp() - LOST_AFTER_S) < 60  # noqa: DTZ005
    clock.now += LOST_AFTER_S
    assert seen.leases() == {joined.id: 0.0}
    book.lose_expired()
    (lost,) = seen.lost()
    assert (seen.agents(), lost.id, lost.left, lost.reason) == ([], joined.id, False, joined.lost)
    assert book.figures.lost == 1
    clock.now += LOST_KEPT_S + 1
    assert seen.lost() == []


def test_who_leaves_in_good_order_is_not_counted_as_lost() -> None:
    """Its reason is its own."""
    book, seen, _ = view()
    joined = join(book, line := Noted())
    book.note_leaving(joined, "It is stopped.")
    assert [(told.status, told.reason) for told in seen.agents()] == [("leaving", "It is stopped.")]
    book.note_away(joined, line)
    assert [(lost.left, lost.reason) for lost in seen.lost()] == [(True, "It is stopped.")]
    assert book.figures.lost == 0


def test_plugins_that_differ_are_told_with_the_reason() -> None:
    """Those that are the same are not, nor those that only the agent has."""
    entries = [
        plugin("count", "1", "c0de"),
        plugin("older", "2", "a"),
        plugin("changed", "1", "b"),
        plugin("new", "1", "c"),
    ]
    book, seen, _ = view(*entries)
    theirs = join(book).facts.plugins["count"]
    book.lose(book.all()[0], "It is replaced.")
    join(book, plugins={"count": theirs, "older": theirs, "changed": theirs, "own": theirs})
    (told,) = seen.agents()
    assert {each.name: each.reason for each in told.differing} == {
        "older": "The agent has the plugin older in version 1, and the server in 2.",
        "changed": "The agent has the plugin changed with other code than the server, though of the same version.",
        "new": "The agent has no plugin new.",
    }


def test_who_has_started_it_is_known_by_what_it_says() -> None:
    """Those of Ray have names of their own; those of the server share its files."""
    book, seen, _ = view()
    facts: list[dict[str, Any]] = [{"name": "ray-1-2"}, {"shares_files": True}, {}]
    for instance, given in enumerate(facts):
        join(book, instance=str(instance), **given)
    assert [told.kind for told in seen.agents()] == ["ray", "local", "joined"]


async def test_an_agent_that_has_joined_is_listed_and_counted(server: RunningServer) -> None:
    """With all its plugins differing, and the bytes of the link; one that is cut off is away."""
    async with agent(server) as opened:
        await opened.renew()
        (told,) = (await get(f"{server.url}/v1/agents")).json()["agents"]
        assert (told["id"], told["status"], told["load"]["workers"]) == ("north-1", "ready", 3)
        assert "motion" in {plugin["name"] for plugin in told["differing"]}
        counted = server.system.agents.figures.all()["north"]
        assert min(counted.received_bytes, counted.sent_bytes) > 0
    await until(lambda: server.system.agents.agents()[0].status == "away")
