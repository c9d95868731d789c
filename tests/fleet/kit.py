"""What tests of the server's side of agents share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from kinora import __version__
from kinora.actors.store.earlier_frames import NoEarlierFrames
from kinora.fleet.agent_book import Admitted, AgentBook
from kinora.fleet.assigned import Assigned
from kinora.fleet.joined import Joined
from kinora.fleet.link import PROTOCOL, Attempt, Facts, FromServer, Hello, Plugin, Running

JOB = "00000000-0000-4000-8000-000000000001"


def facts(**given: Any) -> Facts:
    """What an agent has, unless given otherwise."""
    usual: Mapping[str, Any] = {
        "name": "north",
        "host": "north.example",
        "pid": 4711,
        "kinora": __version__,
        "versions": {},
        "cpus": 4.0,
        "memory": 2**30,
        "places": 2,
        "plugins": {"count": Plugin(version="1", code="c0de")},
    }
    return Facts(**{**usual, **given})


def hello(instance: str = "one", *running: Running, server: str | None = None, **given: Any) -> Hello:
    """The first message of an agent."""
    return Hello(protocol=PROTOCOL, instance=instance, server=server, facts=facts(**given), running=running)


@attrs.define(eq=False)
class Noted:
    """A connection that notes what is sent."""

    sent: list[FromServer] = attrs.field(factory=list)
    ended: str | None = None

    def send(self, message: FromServer) -> None:
        """Note a message."""
        self.sent.append(message)

    def end(self, reason: str) -> None:
        """Note the end."""
        self.ended = self.ended or reason


@attrs.define
class Clock:
    """A clock that stands still."""

    now: float = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def assigned(number: int = 1, job_id: str = JOB) -> Assigned:
    """An attempt."""
    return Assigned(Attempt(job_id, number), b"{}", NoEarlierFrames())


def join(book: AgentBook, line: Noted | None = None, **given: Any) -> Joined:
    """An agent that has been let in."""
    decision = book.admit(hello(**given), line or Noted())
    assert isinstance(decision, Admitted)
    return decision.agent
