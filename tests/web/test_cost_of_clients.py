"""What a realtime client costs a real server: when it comes, and while it reads nothing."""

from __future__ import annotations

import trio

from kinora.actors.realtime.client_session import BATCH_BYTES, ClientSession
from kinora.serve import RunningServer
from kinora.web.realtime.realtime_sockets import FastWebSocketTransport
from tests.actors.realtime_kit import frame
from tests.web.test_channel_under_stress import client, manager_of

SAFETY_S = 120.0
"""Far more than any of it takes on a busy machine."""


async def test_what_is_copied_for_a_client_that_reads_nothing_is_little(server: RunningServer) -> None:
    """Its own copy has one batch at most; the messages behind that are the same bytes for all clients."""
    manager = manager_of(server)
    with trio.fail_after(SAFETY_S):
        async with client(server, ""):
            while not manager.active_connections:  # noqa: ASYNC110 - the session starts after the handshake
                await trio.sleep(0.01)
            (session,) = manager.active_connections.values()
            assert isinstance(session, ClientSession)
            transport = session._transport
            assert isinstance(transport, FastWebSocketTransport)
            index = 0
            while session.statistics().waiting < 500:
                manager.broadcast(frame(index, size=1_000))
                await trio.lowlevel.checkpoint()
                index += 1
            assert 0 < len(transport._connection.outgoing) <= BATCH_BYTES + 2_000


async def test_the_plugins_are_described_once(server: RunningServer) -> None:
    """Their metadata is the same object for all clients until plugins are found anew."""
    manager = manager_of(server)
    described = manager.plugins()
    assert manager.plugins() is described
    await server.system.plugins.reload()
    again = manager.plugins()
    assert again is not described
    assert list(again) == list(described)
