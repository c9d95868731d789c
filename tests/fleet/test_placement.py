"""Which agent gets a job, who else does, and what is said of those that wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest

from kinora import __version__
from kinora.actors.errors import InvalidRequest
from kinora.actors.jobs.embedded_engine import EmbeddedEngine
from kinora.actors.jobs.engine import Needs, Taken
from kinora.actors.sources.cameras import Cameras
from kinora.actors.store.store import Store
from kinora.fleet.agent_book import AgentBook
from kinora.fleet.agent_engine import AgentEngine
from kinora.fleet.link import Device, Plugin
from kinora.fleet.placement import choose, reason
from kinora.fleet.provider import Present
from kinora.plugins import devices
from tests.fleet.kit import Noted, join

OURS = {"count": Plugin(version="1", code="c0de"), "ocr": Plugin(version="2", code="0c12")}
CUDA = Device(id="cuda:0", kind="cuda", name="L4", available=True)
HERE_CUDA = devices.Device(id="cuda:0", kind="cuda", name="L4")


def needs(job_id: str = "job", **given: Any) -> Needs:
    """What a job needs, unless given otherwise."""
    return Needs(**{"job_id": job_id, "plugins": ("count",), **given})


@attrs.define
class NotedProvider:
    """A provider that notes what it is told."""

    on_change: Callable[[], None] = lambda: None
    refused: str | None = None
    waits: str | None = None
    reviewed: list[tuple[list[str], list[Present]]] = attrs.field(factory=list)

    def review(self, waiting: Sequence[Needs], present: Sequence[Present]) -> None:
        """Note it."""
        self.reviewed.append(([needs.job_id for needs in waiting], list(present)))

    def refusal(self, needs: Needs) -> str | None:
        """As was set."""
        return self.refused

    def waiting_for(self, job_id: str) -> str | None:
        """As was set."""
        return self.waits


@pytest.fixture
def book() -> AgentBook:
    """A book without agents."""
    return AgentBook(__version__)


def engine_of(book: AgentBook, *, open_to_all: bool = True, gpus: int = 0, provider: Any = None) -> AgentEngine:
    """An engine with two places in the server."""
    here = (HERE_CUDA,) * gpus
    return AgentEngine(
        book,
        EmbeddedEngine(2, lambda: here),
        store=Store(":memory:"),
        cameras=Cameras(),
        ours=lambda: OURS,
        devices=lambda: here,
        open_to_all=open_to_all,
        provider=provider,
    )


def agents_of(taken: Taken | None) -> str | None:
    """The agent of a place that was taken."""
    assert taken is not None
    return taken.place.agent


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"plugins": ("nothing",)}, "has no plugin nothing"),
        ({"plugins": ("ocr",)}, "in version 1, and the server in 2"),
        ({"plugins": ("count", "other")}, "has no plugin other"),
        ({"cpus": 5.0}, "has 4 of the 5 cores"),
        ({"gpus": 0.5}, "has 0 of the 0.5 GPUs"),
        ({"resources": {"licence": 2.0}}, "has 1 of the 2 licence"),
        ({"where": "this_machine"}, "not on the server's machine"),
    ],
)
def test_one_that_cannot_run_a_job_is_passed_over_with_a_reason(
    book: AgentBook, given: dict[str, Any], part: str
) -> None:
    """The sentence names the agent and what is missing."""
    join(
        book,
        resources={"licence": 1.0},
        plugins={"count": OURS["count"], "ocr": Plugin(version="1", code="old")},
    )
    asked = needs(**given)
    assert choose(asked, book.all(), OURS) is None
    why = reason(asked, book.all(), OURS)
    assert why is not None
    assert "north-1" in why
    assert part in why


def test_the_same_version_with_other_code_does_not_suit(book: AgentBook) -> None:
    """The hash of the code decides."""
    join(book, plugins={"count": Plugin(version="1", code="changed")})
    assert "other code" in (reason(needs(), book.all(), OURS) or "")


def test_the_requested_device_comes_first_then_the_most_cores(book: AgentBook) -> None:
    """Among agents that suit."""
    small = join(book, instance="small", cpus=2.0)
    large = join(book, instance="large", cpus=16.0)
    gpu = join(book, instance="gpu", cpus=4.0, devices=(CUDA,))
    agents = book.all()
    assert choose(needs(device="cpu"), agents, OURS) is large
    assert choose(needs(device="cuda"), agents, OURS) is gpu
    assert choose(needs(device="auto"), agents, OURS) is gpu
    assert choose(needs(avoid=frozenset({gpu.id, large.id})), agents, OURS) is small
    assert choose(needs(at=small.id), agents, OURS) is small
    assert choose(needs(at="gone-1"), agents, OURS) is None


def test_what_jobs_hold_is_not_left_for_others(book: AgentBook) -> None:
    """Places, cores, GPUs and resources; all come back with the place."""
    engine = engine_of(book, open_to_all=False)
    agent = join(book, places=2, cpus=4.0, devices=(CUDA,), resources={"licence": 1.0})
    line = [
        needs("one", cpus=3.0, gpus=0.5, resources={"licence": 1.0}),
        needs("two", cpus=2.0),
        needs("three", gpus=0.6),
        needs("four", resources={"licence": 0.1}),
        needs("five", gpus=0.5),
    ]
    first = engine.take(line)
    second = engine.take(line[1:])
    assert (first and first.job_id, second and second.job_id) == ("one", "five")
    assert (agent.places_left, agent.cpus_left, agent.gpus_left) == (0, 0.0, 0.0)
    assert engine.take(line[1:4]) is None
    assert [engine.waiting_for(name) for name in ("two", "three", "four")] == [None] * 3
    assert first is not None
    first.place.give_back()
    first.place.give_back()
    assert agent.cpus_left == 3.0
    assert (taken := engine.take(line[1:4])) is not None
    assert taken.job_id == "two"


def test_without_agents_the_server_runs_the_jobs_in_their_order(book: AgentBook) -> None:
    """As many as it has places."""
    engine = engine_of(book)
    line = [needs(name) for name in ("one", "two", "three")]
    changes: list[None] = []
    engine.on_change = lambda: changes.append(None)
    first, second = engine.take(line), engine.take(line[1:])
    assert first is not None
    assert second is not None
    assert [first.job_id, second.job_id] == ["one", "two"]
    assert first.place.agent is second.place.agent is None
    assert engine.take(line[2:]) is None
    assert engine.waiting_for("three") is None
    first.place.give_back()
    assert len(changes) == 1
    assert engine.take(line[2:]) is not None


def test_an_agent_that_joins_takes_jobs_too(book: AgentBook) -> None:
    """It comes first; the server takes what it cannot, and what only the server has the device for."""
    engine = engine_of(book, gpus=1)
    line, changes = Noted(), list[None]()
    engine.on_change = lambda: changes.append(None)
    agent = join(book, line, places=1)
    assert changes
    assert agents_of(engine.take([needs(device="cuda")])) is None
    assert agents_of(engine.take([needs(device="cpu")])) == agent.id
    assert agents_of(engine.take([needs(device="cpu")])) is None
    assert engine.take([needs()]) is None
    book.note_away(agent, line)
    assert engine.take([needs()]) is None


def test_some_jobs_run_in_the_server_in_any_case(book: AgentBook) -> None:
    """Those with pushed pictures, and those that are paused with their workers there; no others if agents are there."""
    engine = engine_of(book, open_to_all=False)
    join(book, shares_files=True, cpus=1.0, places=1)
    assert agents_of(engine.take([needs(where="server")])) is None
    assert agents_of(engine.take([needs(where="this_machine")])) == "north-1"
    assert engine.take([needs()]) is None


def test_it_is_said_that_no_agent_has_joined(book: AgentBook) -> None:
    """Or what the provider says of it, which learns of all that waits and of all that are there."""
    provider = NotedProvider(waits="It waits for Ray.")
    engine = engine_of(book, open_to_all=False, provider=provider)
    assert engine.take([needs("one"), needs("two", where="server"), needs("three")]) is not None
    assert engine.take([needs("one"), needs("three")]) is None
    assert provider.reviewed == [(["one", "three"], [])]
    assert engine.waiting_for("one") == "It waits for Ray."
    provider.waits = None
    assert "none has joined" in (engine.waiting_for("one") or "")
    assert engine.waiting_for("unknown") is None
    join(book)
    assert engine.take([]) is None
    assert provider.reviewed[-1] == ([], [Present(name="north", attempts=0)])
    assert not engine.dismiss("south")
    assert engine.dismiss("north")


def test_it_is_said_why_the_provider_has_no_agent_beside_those_that_are_busy(book: AgentBook) -> None:
    """Such as that Ray has no room; without such a reason the job waits for its turn."""
    provider = NotedProvider()
    engine = engine_of(book, open_to_all=False, provider=provider)
    join(book, places=1)
    assert engine.take([needs("one")]) is not None
    assert engine.take([needs("two")]) is None
    assert engine.waiting_for("two") is None
    provider.waits = "Ray has no room."
    assert engine.waiting_for("two") == "Ray has no room."


def test_what_can_never_run_is_refused(book: AgentBook) -> None:
    """Unless an agent suits, or agents may come."""
    asked = needs(resources={"licence": 1.0})
    plain = engine_of(book)
    with pytest.raises(InvalidRequest):
        plain.require(asked)
    provider = NotedProvider(refused="No node has it.")
    provided = engine_of(book, open_to_all=False, provider=provider)
    with pytest.raises(InvalidRequest, match="No node has it"):
        provided.require(asked)
    engine_of(book, open_to_all=False).require(asked)
    join(book, resources={"licence": 1.0})
    plain.require(asked)
    provided.require(asked)
    with pytest.raises(InvalidRequest):
        plain.require(needs(where="server", gpus=1.0))
