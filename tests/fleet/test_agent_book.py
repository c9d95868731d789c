"""Who is let in, whose attempts go on, and who is lost when: plain decisions by a clock that the test sets."""

from __future__ import annotations

from typing import Any

import pytest

from kinora import __version__
from kinora.actors.pipeline.pipeline_link import Pause, Resume, Stop, Watch
from kinora.fleet.agent_book import LOST_AFTER_S, Admitted, AgentBook
from kinora.fleet.assigned import LinkMisused
from kinora.fleet.joined import Joined
from kinora.fleet.link import (
    LEASE_S,
    MARGIN_S,
    Acknowledged,
    Assign,
    Attempt,
    Hello,
    Leave,
    Plugin,
    Refused,
    Running,
    Tell,
    Welcome,
)
from tests.fleet.kit import JOB, Clock, Noted, assigned, hello, join


@pytest.fixture
def clock() -> Clock:
    """The book's clock."""
    return Clock()


@pytest.fixture
def book(clock: Clock) -> AgentBook:
    """A book without agents."""
    return AgentBook(__version__, clock=clock)


def test_an_agent_is_welcome(book: AgentBook) -> None:
    """It gets the server's name and an id of its own, which is never given again."""
    admitted = book.admit(hello(), Noted())
    assert isinstance(admitted, Admitted)
    assert admitted.messages == (Welcome(server=book.server, agent="north-1", running=()),)
    assert join(book, instance="two").id == "north-2"
    assert [agent.id for agent in book.all()] == ["north-1", "north-2"]


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"kinora": "9.9"}, "install the same version"),
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"places": 0}, "place"),
        ({"cpus": 0.0}, "core"),
    ],
)
def test_one_that_never_can_work_is_refused_for_good(book: AgentBook, given: dict[str, Any], part: str) -> None:
    """The sentence says why."""
    refused = book.admit(hello(**given), Noted())
    assert isinstance(refused, Refused)
    assert refused.final
    assert part in refused.reason
    assert book.all() == ()


def test_another_protocol_is_refused(book: AgentBook) -> None:
    """It may belong to another version that calls itself the same."""
    usual = hello()
    refused = book.admit(Hello(protocol=0, instance="one", server=None, facts=usual.facts), Noted())
    assert isinstance(refused, Refused)


def test_a_new_connection_takes_the_place_of_the_old_one(book: AgentBook) -> None:
    """The agent stays the same; what then ends is no longer its connection."""
    first, second = Noted(), Noted()
    agent = join(book, first)
    assert join(book, second) is agent
    assert first.ended is not None
    book.note_away(agent, first)
    assert [known.available for known in book.all()] == [True]
    book.note_away(agent, second)
    assert [known.available for known in book.all()] == [False]
    assert book.all() == (agent,)


def test_the_plugins_that_an_agent_told_last_count(book: AgentBook) -> None:
    """On its connection, or as it says Hello on another one; it may get other jobs then."""
    agent, changes = join(book), list[str]()
    book.on_change = lambda: changes.append(agent.facts.plugins["count"].code)
    book.note_plugins(agent, {"count": Plugin(version="1", code="edited")})
    book.admit(hello(plugins={"count": Plugin(version="1", code="again")}), Noted())
    assert changes[-2:] == ["edited", "again"]


def test_an_attempt_goes_on_where_the_server_left_it(book: AgentBook) -> None:
    """Repeated events are taken once; the newest command of each kind is told again, with what was acknowledged."""
    agent, attempt = join(book), assigned()
    book.assign(agent, attempt)
    assert attempt.take(1, [("a", b""), ("b", b"")]) == 2
    attempt.acknowledge(1)
    for command in (Pause(), Watch(5.0), Resume(), Stop(saving=True), Stop()):
        attempt.command(command)
    admitted = book.admit(hello("one", Running(attempt=attempt.attempt, told=4)), Noted())
    assert isinstance(admitted, Admitted)
    welcome, *further = admitted.messages
    assert isinstance(welcome, Welcome)
    assert welcome.running == (Running(attempt=attempt.attempt, told=2),)
    where = attempt.attempt
    assert further == [
        Acknowledged(attempt=where, upto=1),
        Tell(attempt=where, command="watch", fps=5.0),
        Tell(attempt=where, command="resume"),
        Tell(attempt=where, command="stop"),
    ]
    assert attempt.take(2, [("b", b""), ("c", b"")]) == 1
    assert attempt.told == 3


@pytest.mark.parametrize("first", [0, -1, 2, 99])
def test_missing_events_are_not_passed_over(first: int) -> None:
    """A number that leaves others out is refused, and so is one below the first."""
    with pytest.raises(LinkMisused):
        assigned().take(first, [("a", b"")])


def test_an_order_that_was_lost_is_told_again(book: AgentBook) -> None:
    """The connection broke before the agent had heard of the attempt."""
    agent, attempt = join(book), assigned()
    book.assign(agent, attempt)
    admitted = book.admit(hello(), Noted())
    assert isinstance(admitted, Admitted)
    assert admitted.messages[1:] == (Assign(attempt.attempt, b"{}"),)
    assert attempt.lost is None


def test_an_attempt_that_the_agent_no_longer_has_is_lost(book: AgentBook) -> None:
    """It has told something before, so it has got the order."""
    agent, attempt = join(book), assigned()
    book.assign(agent, attempt)
    attempt.take(1, [("a", b"")])
    book.admit(hello(), Noted())
    assert attempt.lost is not None


def test_of_two_agents_that_claim_a_job_one_is_refused(book: AgentBook) -> None:
    """What the server did not give to an agent does not go on there; nor does an earlier attempt."""
    agent = join(book, instance="one")
    book.assign(agent, assigned(2))
    for instance, number in (("two", 2), ("one", 1)):
        claimed = Running(attempt=Attempt(JOB, number), told=7)
        admitted = book.admit(hello(instance, claimed), Noted())
        assert isinstance(admitted, Admitted)
        assert isinstance(admitted.messages[0], Welcome)
        assert admitted.messages[0].running == ()


def test_a_lease_ends_unless_it_is_granted_again(book: AgentBook, clock: Clock) -> None:
    """Then the agent is lost with its attempts, within lease and margin and a little."""
    assert LEASE_S + MARGIN_S < LOST_AFTER_S < LEASE_S + 1.0
    lost: list[Joined] = []
    line, attempt = Noted(), assigned()
    book.on_lost = lost.append
    agent = join(book, line)
    book.assign(agent, attempt)
    clock.now += 5.0
    assert book.grant(agent)
    clock.now += LOST_AFTER_S - 0.01
    book.lose_expired()
    assert lost == []
    clock.now += 0.02
    book.lose_expired()
    assert lost == [agent]
    assert attempt.lost is not None
    assert "north-1" in attempt.lost
    assert line.ended is not None
    assert agent.gone.is_set()
    assert not book.grant(agent)
    assert book.all() == ()


def test_nothing_begins_at_an_agent_that_is_lost(book: AgentBook) -> None:
    """Its place was taken before; the attempt is lost at once."""
    agent, attempt = join(book), assigned()
    book.lose(agent, "It is gone.")
    book.assign(agent, attempt)
    assert attempt.lost == "It is gone."


def test_one_that_comes_back_too_late_is_a_new_agent(book: AgentBook, clock: Clock) -> None:
    """None of its attempts goes on."""
    agent, attempt = join(book), assigned()
    book.assign(agent, attempt)
    clock.now += LOST_AFTER_S
    admitted = book.admit(hello("one", Running(attempt=attempt.attempt, told=0)), Noted())
    assert isinstance(admitted, Admitted)
    assert admitted.agent is not agent
    assert admitted.messages == (Welcome(server=book.server, agent="north-2", running=()),)


def test_one_that_broke_the_rules_gets_no_further_lease(book: AgentBook, clock: Clock) -> None:
    """Its attempts are lost when nothing of it can run any more, not before; it is refused meanwhile."""
    line, attempt = Noted(), assigned()
    agent = join(book, line)
    book.assign(agent, attempt)
    book.expel(agent, "It lies.")
    assert line.ended == "It lies."
    assert not book.grant(agent)
    refused = book.admit(hello(), Noted())
    assert isinstance(refused, Refused)
    assert refused.final
    assert attempt.lost is None
    clock.now += LOST_AFTER_S
    book.lose_expired()
    assert attempt.lost is not None


def test_only_an_idle_agent_is_dismissed(book: AgentBook) -> None:
    """It gets no job from then on, and is gone with its connection."""
    line, attempt = Noted(), assigned()
    agent = join(book, line)
    book.assign(agent, attempt)
    assert not book.dismiss(agent, "Nobody needs it.")
    book.release(agent, attempt)
    assert book.dismiss(agent, "Nobody needs it.")
    assert line.sent[-1] == Leave("Nobody needs it.")
    assert not agent.available
    book.note_away(agent, line)
    assert book.all() == ()
