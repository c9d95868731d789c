"""One client cannot keep others out: neither of the queue, nor of long answers."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import attrs
import pytest
import trio

from kinora.actors.jobs.queue_shares import has_room
from kinora.serve import open_server
from kinora.settings import Settings
from kinora.web.answers.long_answers import AT_ONCE, AT_ONCE_PER_CLIENT
from tests.access_kit import bearer, make_token, owner
from tests.client_kit import Part, exchange, get, post, request, upload
from tests.jobs_kit import write_plugin
from tests.web.test_reading import fill, server_process

SAFETY_S = 120.0
FORMS = (("", "*/*"), ("/extended", "*/*"), ("/frames", "application/x-ndjson"), ("/frames", "text/csv"))
HELD = {"source": "clip.mp4", "plugins": ["held"]}


@pytest.mark.parametrize(
    ("taken", "client", "room"),
    [
        ({"a": 99}, "a", True),
        ({"a": 100}, "a", False),
        ({"a": 100}, "b", True),
        ({"a": 100, "b": 4}, "b", True),
        ({"a": 100, "b": 5}, "b", False),
        ({"a": 96, "b": 5}, "b", False),
        ({"a": 94, "b": 5}, "b", True),
        ({"a": 100, "b": 5, "c": 5, "d": 5, "e": 4}, "f", True),
        ({"a": 100, "b": 5, "c": 5, "d": 5, "e": 5}, "f", False),
        ({}, "a", True),
    ],
)
def test_some_places_are_kept_for_clients_that_have_few(taken: dict[str, int], client: str, room: bool) -> None:
    """Of a queue for 100, one client may have all; 20 more are for those with fewer than 5."""
    assert has_room(100, Counter(taken), client) is room


def test_the_smallest_queue_has_a_place_for_another_client() -> None:
    """A queue for one job keeps one place, and none for the client that has the first."""
    assert not has_room(1, Counter("a"), "a")
    assert has_room(1, Counter("a"), "b")
    assert not has_room(1, Counter("ab"), "c")


async def test_a_client_that_fills_the_queue_leaves_a_place_for_another(settings: Settings, plugins_dir: Path) -> None:
    """It is refused with 429 itself; another's job and upload are taken until the kept place is used up."""
    write_plugin(plugins_dir, "held", "@tool('held')\ndef held(frame):\n    time.sleep(1000)\n")
    async with open_server(attrs.evolve(settings, max_jobs=1, max_queued=3)) as server:
        url = f"{server.url}/v1/jobs"
        with trio.fail_after(SAFETY_S):
            running = await post(url, HELD, user_agent="busy")
            job = f"{server.url}{running.headers['location']}/extended"
            while (answer := await get(job)).json()["status"] == "queued":
                await get(job, prefer="wait=60", if_none_match=answer.headers["etag"])
            assert [(await post(url, HELD, user_agent="busy")).status for _ in range(3)] == [202, 202, 202]
            refused = await post(url, HELD, user_agent="busy")
            assert refused.status == 429
            assert refused.headers["retry-after"]
            form = [Part("file", (settings.media_dir / "clip.mp4").read_bytes(), "a.mp4")]
            form.append(Part("request", b'{"plugins": ["held"]}'))
            assert (await upload(url, form, user_agent="busy")).status == 429
            taken = await upload(url, form, user_agent="other")
            assert taken.status == 202
            assert (await post(url, HELD, user_agent="other")).status == 429
            assert (await post(url, HELD, user_agent="third")).status == 429
            assert (await request(server.url + taken.headers["location"], "DELETE")).status == 204
            assert (await post(url, HELD, user_agent="third")).status == 202


async def test_a_client_is_known_by_its_token_too(settings: Settings, plugins_dir: Path) -> None:
    """Behind one address, and with the same program, a second token has its own share."""
    write_plugin(plugins_dir, "held", "@tool('held')\ndef held(frame):\n    time.sleep(1000)\n")
    async with open_server(attrs.evolve(settings, max_jobs=1, max_queued=1, token=True)) as server:
        other = bearer((await make_token(server, "other", "operate"))["token"])
        with trio.fail_after(SAFETY_S):
            statuses = [(await post(f"{server.url}/v1/jobs", HELD, **owner(server))).status for _ in range(4)]
            assert statuses[-1] == 429
            assert (await post(f"{server.url}/v1/jobs", HELD, **other)).status == 202


async def test_few_long_answers_are_sent_at_once(tmp_path: Path) -> None:
    """One more is 503 with Retry-After, in every form; short answers are sent, and one that ends makes room."""
    await trio.to_thread.run_sync(fill, tmp_path / "kinora.db", 250)
    async with server_process(tmp_path) as (url, _), AsyncExitStack() as sent:
        big, tiny = f"{url}/v1/jobs/big", f"{url}/v1/jobs/tiny"

        async def begin(path: str, client: str, accept: str) -> None:
            headers = {"user-agent": client, "accept": accept}
            opened = await sent.enter_async_context(exchange(big + path, headers=headers))
            assert (await opened.head()).status_code == 200

        with trio.fail_after(SAFETY_S):
            for number in range(AT_ONCE):
                path, accept = FORMS[number % len(FORMS)]
                await begin(path, f"client {number // AT_ONCE_PER_CLIENT}", accept)
                if number == AT_ONCE_PER_CLIENT - 1:
                    for path, accept in (*FORMS, ("/frames?limit=9", "*/*")):
                        refused = await get(big + path, user_agent="client 0", accept=accept)
                        assert (refused.status, "retry-after" in refused.headers) == (503, True), path
            assert (await get(big, user_agent="another")).status == 503
            for short in (tiny, f"{tiny}/extended", f"{big}?limit=2", f"{big}/frames?limit=1"):
                assert (await get(short, user_agent="client 0")).status == 200
            assert (await request(big, "HEAD", headers={"user-agent": "client 0"})).status == 200
            await sent.aclose()
            while (again := await get(f"{big}?limit=9", user_agent="client 0")).status == 503:
                await get(tiny)
            assert len(again.json()["frames"]) == 9
