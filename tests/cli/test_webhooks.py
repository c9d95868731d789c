"""``kinora webhooks`` and ``kinora deliveries``, as processes, against a real server and real receivers."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from pathlib import Path

import attrs
import trio

from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from tests.actors.test_webhooks import PLENTY_S, right
from tests.cli.test_cli import kinora
from tests.client_kit import get, post
from tests.jobs_kit import run_job
from tests.webhook_kit import receiver, says


async def command(server: RunningServer, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a client of the server."""
    return await trio.to_thread.run_sync(partial(kinora, *args, KINORA_URL=server.url))


async def test_a_webhook_is_tested_and_its_deliveries_are_listed(settings: Settings, tmp_path: Path) -> None:
    """A test is signed with the secret as it is now, and says what to do if it fails; the lists tell what was taken."""
    secret_file = tmp_path / "secret"
    async with receiver() as good, receiver(says(b"HTTP/1.1 404 Not Found\r\n\r\n")) as wrong:
        webhooks = {
            "alarm": good.webhook(events=("complete",), secret_file=secret_file),
            "moved": wrong.webhook(events=("complete",)),
        }
        async with open_server(attrs.evolve(settings, webhooks=webhooks)) as server:
            secret_file.write_text("old")
            await server.system.webhooks.test("alarm")
            secret_file.write_text("new")
            taken = await command(server, "webhooks", "test", "alarm")
            refused = await command(server, "webhooks", "test", "moved")
            told = await command(server, "webhooks", "test", "moved", "--json")
            unknown = await post(f"{server.url}/v1/webhooks/alert/test")
            with trio.fail_after(PLENTY_S):
                state = await run_job(server.system, "motion", max_frames=1)
                await good.wait_for(3)
                await wrong.wait_for(4)  # then what came of the first attempt is stored
            listed = await command(server, "webhooks", "list")
            every = await command(server, "deliveries")
            failed = await command(server, "deliveries", "--failed", "--json")
            misspelt = await command(server, "deliveries", "--webhook", "alrm")
            none = (await get(f"{server.url}/v1/deliveries?failed=1&webhook=alarm")).json()
    assert [right(one, secret) for one, secret in zip(good.posts, ("old", "new", "new"), strict=True)] == [True] * 3
    assert taken.returncode == 0
    assert taken.stdout.startswith("alarm: it answered 204 No Content, after ")
    assert good.posts[0].headers["kinora-event"] == good.posts[0].message["type"] == "test"
    assert good.posts[0].headers["kinora-delivery"] == good.posts[0].message["id"]
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "kinora: moved: it answered 404 Not Found: check the path in url\n"
    assert (json.loads(told.stdout)["accepted"], told.returncode) == (False, 1)
    assert unknown.status == 404
    assert "there are: alarm, moved; the nearest one is alarm" in unknown.json()["detail"]
    assert [line.split("\t")[:3] for line in listed.stdout.splitlines()[1:]] == [
        ["alarm", "0", "1"],
        ["moved", "1", "0"],
    ]
    assert listed.returncode == 1
    assert {line.split("\t")[2] for line in every.stdout.splitlines()[1:]} == {state.job_id}
    (one,) = json.loads(failed.stdout)["deliveries"]
    assert (one["webhook"], one["status"], one["kind"]) == ("moved", "waiting", "done")
    assert none["deliveries"] == []
    assert (misspelt.returncode, misspelt.stdout) == (2, "")
    assert misspelt.stderr == (
        "kinora: --webhook: There is no webhook 'alrm'; there are: alarm, moved; the nearest one is alarm\n"
    )
