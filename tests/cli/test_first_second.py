"""Commands that are given right after ``kinora serve &``, before the server listens."""

from __future__ import annotations

from functools import partial

import attrs
import pytest
import trio
from trio.testing import MockClock

from kinora.client.errors import ClientError
from kinora.client.starting import wait_for_start
from kinora.serve import open_server
from kinora.settings import Settings
from tests.cli.test_cli import line_of, started
from tests.web.test_starting import free_port


async def test_a_command_waits_for_a_server_that_starts(settings: Settings) -> None:
    """It says so if that is felt, and shows the server the token that this has made meanwhile."""
    port = free_port()
    env = {"KINORA_URL": f"http://127.0.0.1:{port}", "KINORA_DATA_DIR": str(settings.data_dir)}
    with started("token", "list", **env) as command:
        line = await trio.to_thread.run_sync(line_of, command, "kinora")
        async with open_server(attrs.evolve(settings, port=port, token=True)):
            output, errors = await trio.to_thread.run_sync(partial(command.communicate, timeout=60))
    assert line == f"kinora: No Kinora server answers at {env['KINORA_URL']} yet: waiting for one that starts\n"
    assert (command.returncode, errors) == (0, "")
    assert output.startswith("id\tname\trole\t")


async def test_a_port_that_takes_connections_and_never_answers_is_not_waited_for_any_longer(
    autojump_clock: MockClock,
) -> None:
    """The user is told so, and what to do."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
    told: list[str] = []
    async with listener:
        with pytest.raises(ClientError, match=f"Nothing at {url} has answered for 20 s"):
            await wait_for_start(url, None, told.append)
    assert len(told) == 1
