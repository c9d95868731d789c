"""``GET /v1/agents`` and ``kinora agents``: which agents a server has, what they do, and why one gets nothing."""

from __future__ import annotations

import json
import sys
from urllib.parse import urlsplit

import msgspec
import trio

from kinora.fleet.figures import MAX_NAMES, OTHER, FleetFigures
from kinora.serve import RunningServer
from tests.client_kit import get
from tests.fleet_kit import AWAY, BUSY, LOST, ToldFleet
from tests.web.test_metrics import figures


async def test_a_server_without_agents_lists_none(server: RunningServer) -> None:
    """Its jobs run in the server itself."""
    answer = await get(f"{server.url}/v1/agents")
    assert (answer.status, answer.json()) == (200, {"agents": [], "lost": []})
    missing = await get(f"{server.url}/v1/agents/north-1")
    assert missing.status == 404
    assert "GET /v1/agents lists them" in missing.json()["detail"]


async def test_agents_are_told_of_and_the_lost_ones(server: RunningServer) -> None:
    """Each at an address of its own too; one that is lost has none, and the reason is told."""
    server.system.agents = ToldFleet()
    found = (await get(f"{server.url}/v1/agents")).json()
    assert [agent["id"] for agent in found["agents"]] == [BUSY.id]
    assert found["agents"][0] == json.loads(msgspec.json.encode(BUSY))
    assert found["lost"] == [json.loads(msgspec.json.encode(LOST))]
    assert (await get(f"{server.url}/v1/agents/{BUSY.id}")).json() == found["agents"][0]
    gone = await get(f"{server.url}/v1/agents/{LOST.id}")
    assert (gone.status, gone.json()["detail"]) == (404, f"This agent is gone: {LOST.reason}")


async def test_a_list_that_has_not_changed_is_not_sent_again(server: RunningServer) -> None:
    """Its ETag stands for the whole answer."""
    server.system.agents = fleet = ToldFleet()
    for url in (f"{server.url}/v1/agents", f"{server.url}/v1/agents/{BUSY.id}"):
        tag = (await get(url)).headers["etag"]
        again = await get(url, if_none_match=tag)
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
        fleet.told = [msgspec.structs.replace(BUSY, unacknowledged=fleet.told[0].unacknowledged + 1)]
        assert (await get(url, if_none_match=tag)).status == 200


async def test_a_connection_goes_on_after_a_list_that_has_not_changed(server: RunningServer) -> None:
    """The next request on it is answered too."""
    tag = (await get(f"{server.url}/v1/agents")).headers["etag"]
    address = urlsplit(server.url)
    asked = f"GET /v1/agents HTTP/1.1\r\nHost: {address.netloc}\r\nIf-None-Match: {tag}\r\n\r\n".encode()
    stream = await trio.open_tcp_stream(str(address.hostname), address.port or 0)
    async with stream:
        for _ in range(2):
            await stream.send_all(asked)
            with trio.fail_after(30):
                answer = b""
                while b"\r\n\r\n" not in answer:
                    answer += (piece := await stream.receive_some())
                    assert piece, "the connection was closed"
            assert answer.startswith(b"HTTP/1.1 304")


def test_names_of_agents_that_come_and_go_do_not_fill_the_figures() -> None:
    """A name that no agent has any more gives way; while all are there, further ones share one place."""
    figures = FleetFigures()
    names = [f"agent-{number}" for number in range(MAX_NAMES)]
    for name in names:
        figures.join(name, names).frames += 1
    figures.join("late", names).frames += 1
    assert (figures.label("late"), figures.all()[OTHER].frames) == (OTHER, 1)
    figures.join("later", names[1:])
    assert (figures.label("later"), figures.label(names[0]), figures.label(names[1])) == ("later", OTHER, names[1])
    assert len(figures.all()) == MAX_NAMES + 1


async def run_agents(server: RunningServer, *flags: str) -> tuple[int, str, str]:
    """The exit code of ``kinora agents``, and what it printed."""
    command = [sys.executable, "-m", "kinora", "agents", "--url", server.url, *flags]
    done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


async def test_the_command_lists_them(server: RunningServer) -> None:
    """A line each; what is lost goes to stderr, and an agent that is away makes it end with 1."""
    code, table, said = await run_agents(server)
    assert (code, table.split("\t")[0], "kinora agent --server" in said) == (0, "agent", True)
    server.system.agents = ToldFleet([BUSY, AWAY])
    code, table, said = await run_agents(server)
    rows = [line.split("\t") for line in table.splitlines()]
    assert (code, [row[3] for row in rows]) == (1, ["status", "busy", "away"])
    assert rows[1][:7] == ["north", "joined", "north.example", "busy", "0/1", "7/8", "3.2"]
    assert rows[1][-1] == "All its places are taken. ocr: It has another version: 0.9 in place of 1.0."
    assert "It counts as lost at" in rows[2][-1]
    assert said.startswith("south was lost at ")
    server.system.agents = ToldFleet()
    code, found, _ = await run_agents(server, "--json")
    assert (code, json.loads(found)) == (0, json.loads((await get(f"{server.url}/v1/agents")).body))


async def test_what_agents_do_is_in_the_figures(server: RunningServer) -> None:
    """By name: those of one name are added up, and one that is lost has 0 for a while."""
    server.system.agents = ToldFleet([BUSY, msgspec.structs.replace(BUSY, id="north-2"), AWAY])
    found = await figures(server)
    assert (found["kinora_agent_up north"], found["kinora_agent_up east"], found["kinora_agents_lost_total"]) == (
        2,
        0,
        1,
    )
    assert (found["kinora_agent_jobs north"], found["kinora_agent_busy_cpus north"]) == (2, 6.4)
    assert (found["kinora_agent_workers east"], found["kinora_agent_lease_seconds east"]) == (0, 4)
    assert (found["kinora_agent_frames_total north"], found["kinora_agent_refused_events_total north"]) == (100, 2)
    assert found["kinora_agent_link_bytes_total north received"] == 5000
