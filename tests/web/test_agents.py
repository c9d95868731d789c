"""The WebSocket by which agents join: who is let in, and what ends a connection."""

from __future__ import annotations

import attrs
import pytest
from trio_websocket import ConnectionRejected

from kinora.fleet import agent_session
from kinora.fleet.link import LEASE_S, Answer, Ask, Attempt, Leaving, Refused, Renew, Renewed, Told, Welcome, encode
from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from tests.access_kit import bearer, make_token, owner
from tests.fleet.fake_agent import LOAD, agent, connection, end_of
from tests.fleet.kit import JOB, hello
from tests.jobs_kit import until

NOBODYS = Attempt(JOB, 1)
NO_HELLOS: list[bytes | str] = [
    b"\xc1",
    b"",
    "text",
    encode({"type": "no such message"}),
    encode(hello())[:-1],
    encode(Told(attempt=NOBODYS, first=1, events=())),
    bytes(agent_session.MAX_HELLO_BYTES + 1),
]
MISUSES: list[bytes | str] = [b"\xc1", "text", encode(hello()), encode(Ask(id=1, attempt=NOBODYS, what="mark")) * 2]


async def test_an_agent_joins_and_its_lease_is_renewed(server: RunningServer) -> None:
    """The answer has the time that was asked at; when the connection ends, the agent is away."""
    book = server.system.agent_book
    async with connection(server) as opened:
        await opened.send(hello())
        welcome = await opened.next(Welcome)
        assert welcome == Welcome(server=book.server, agent="north-1", running=())
        await opened.send(Renew(asked_at=12.5, load=LOAD))
        assert (await opened.next(Renewed)).asked_at == 12.5
        (joined,) = book.all()
        assert joined.load == LOAD
        assert joined.available
        assert LEASE_S < book.lease_left_s(joined) < LEASE_S + 1.0
    await until(lambda: not joined.available)
    assert book.all() == (joined,)


async def test_one_that_is_refused_learns_why(server: RunningServer) -> None:
    """In a message, and then in the close frame."""
    async with connection(server) as opened:
        await opened.send(hello(kinora="9.9"))
        refused = await opened.next(Refused)
        assert refused.final
        assert await end_of(opened) == refused.reason
    assert server.system.agent_book.all() == ()


async def test_what_is_no_hello_ends_the_connection(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """So does silence; the server goes on, with no agent."""
    for message in NO_HELLOS:
        async with connection(server) as opened:
            await opened.socket.send_message(message)
            assert await end_of(opened)
    monkeypatch.setattr(agent_session, "HELLO_S", 0.1)
    async with connection(server) as opened:
        assert "nothing" in await end_of(opened)
    assert server.system.agent_book.all() == ()


async def test_one_that_breaks_the_rules_is_not_let_in_again(server: RunningServer) -> None:
    """Its lease ends, and meanwhile it is refused."""
    for number, message in enumerate(MISUSES):
        name = f"agent {number}"
        async with agent(server, instance=name) as opened:
            await opened.socket.send_message(message)
            assert await end_of(opened)
        async with connection(server) as opened:
            await opened.send(hello(name))
            assert (await opened.next(Refused)).final
        assert server.system.agent_book.all()[-1].expelled


async def test_what_it_tells_of_unknown_attempts_is_refused(server: RunningServer) -> None:
    """It is counted; a question about one is answered with nothing. Then it leaves, and is gone at once."""
    async with agent(server) as opened:
        await opened.send(Told(attempt=NOBODYS, first=7, events=(("ended", b"{}"),)))
        await opened.send(Ask(id=3, attempt=NOBODYS, what="results"))
        assert await opened.next(Answer) == Answer(id=3, value=b"")
        (joined,) = server.system.agent_book.all()
        assert joined.figures.refused_events == 1
        await opened.send(Leaving("It is stopped."))
        await opened.renew()
        assert not joined.available
    await until(lambda: not server.system.agent_book.all())


async def test_the_same_agent_has_one_connection(server: RunningServer) -> None:
    """A new one ends the old one."""
    async with agent(server) as first, agent(server) as second:
        assert "another connection" in await end_of(first)
        await second.renew()
        assert len(server.system.agent_book.all()) == 1


async def test_an_agent_needs_a_token_with_the_role_operate(settings: Settings) -> None:
    """Neither none nor one that may only watch is enough."""
    async with open_server(attrs.evolve(settings, token=True)) as server:
        watching = await make_token(server, "watching")
        for headers in ({}, bearer(watching["token"])):
            with pytest.RaisesGroup(ConnectionRejected, flatten_subgroups=True):
                async with connection(server, **headers):
                    pass
        async with connection(server, **owner(server)) as opened:
            await opened.send(hello())
            await opened.next(Welcome)
