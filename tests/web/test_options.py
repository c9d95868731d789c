"""Options that take for ever to check are refused in time, while the server answers everybody else."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import trio

from kinora.actors.errors import InvalidRequest, QueueFull
from kinora.actors.requests import options_checker
from kinora.actors.requests.job_request import parse_job_request
from kinora.actors.requests.options_checker import CHECK_TIMEOUT_S, OptionsChecker
from kinora.runtime.linux.processes import children
from kinora.serve import RunningServer
from kinora.system import System
from tests.cli.test_cli import LIMIT_S, Served, line_of, started
from tests.client_kit import Answer, get, post
from tests.jobs_kit import nothing_left_behind, write_plugin

MAX_ANSWER = 50_000
"""Bytes: fifty errors of a path and two hundred characters."""
ODD = """
class Odd(Plugin):
    metadata = PluginMetadata(name="odd", config_schema={
        "properties": {"text": {"pattern": "^(a+)+$"}, "tree": {"$ref": "#/$defs/t"}, "size": {"type": "integer"}},
        "$defs": {"t": {"anyOf": [
            {"type": "object", "properties": {"a": {"$ref": "#/$defs/t"}}, "required": ["a"]},
            {"type": "object", "properties": {"a": {"$ref": "#/$defs/t"}}, "minProperties": 1},
        ]}},
    })

    def process_frame(self, frame):
        return None
"""


def tree(depth: int) -> Any:
    """An object that the two alternatives at each level have in common, and at its end what neither accepts."""
    return {"a": tree(depth - 1)} if depth else 0


ENDLESS: dict[str, dict[str, Any]] = {"pattern": {"text": "a" * 40 + "!"}, "alternatives": {"tree": tree(25)}}
LONG: dict[str, tuple[str, dict[str, Any], int]] = {
    "objects": ("tracker", {"classes": [{"x": number} for number in range(1_500)]}, 50),
    "more objects": ("tracker", {"classes": [{"x": number} for number in range(3_000)]}, 50),
    "empty objects": ("tracker", {"sources": [{}] * 10_000}, 50),
    "long names": ("tracker", {"sources": ["x" * 300] * 100}, 50),
    "unknown keys": ("motion", {f"k{number}": 0 for number in range(5_000)}, 50),
    "long keys": ("motion", {f"{number:03}" + "x" * 600: 0 for number in range(100)}, 50),
    "too many objects": ("tracker", {"classes": [{"x": number} for number in range(15_000)]}, 1),
    "too many keys": ("motion", {f"k{number}": 0 for number in range(15_000)}, 1),
}


async def asked(server: RunningServer | Served, plugin: str, options: dict[str, Any]) -> tuple[Answer, int]:
    """The answer to a job with these options, and the number of answers that others got meanwhile."""
    answers: list[Answer] = []
    others = 0

    async def submit() -> None:
        job = {"source": "clip.mp4", "plugins": [{"name": plugin, "options": options}]}
        answers.append(await post(f"{server.url}/v1/jobs", job))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(submit)
        while not answers:
            assert (await get(f"{server.url}/v1/health")).status == 200
            others += 1
    return answers[0], others


async def add_odd(server: RunningServer, plugins_dir: Path) -> None:
    """A plugin whose schema may take any time."""
    write_plugin(plugins_dir, "odd", ODD)
    assert (await post(f"{server.url}/v1/plugins/reload")).status == 200


async def test_checks_wait_for_their_turn(system: System, plugins_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that gets no place in time is refused and may come again; it starts no process."""
    monkeypatch.setattr(options_checker, "AT_ONCE", 1)
    monkeypatch.setattr(options_checker, "PLACE_TIMEOUT_S", 0.01)
    write_plugin(plugins_dir, "odd", ODD)
    await system.plugins.reload()
    entry = system.plugins.get("odd")
    assert entry is not None
    checker = OptionsChecker(system.fork_server)

    async def refused() -> None:
        async with checker.open() as second:
            with pytest.raises(QueueFull):
                await second.filled(entry, {"size": 1})
        assert system.fork_server.statistics().workers == 1

    async with checker.open() as first:
        assert await first.filled(entry, {"size": 1}) == {"size": 1}
        async with trio.open_nursery() as nursery:  # noqa: ASYNC112 - places are held by task
            nursery.start_soon(refused)
    assert system.fork_server.statistics().workers == 0


@pytest.mark.parametrize("name", ENDLESS)
async def test_a_check_without_end_hinders_nobody(server: RunningServer, plugins_dir: Path, name: str) -> None:
    """It is refused after its time with a sentence that names the plugin, and its process is gone."""
    await add_odd(server, plugins_dir)
    began = trio.current_time()
    answer, others = await asked(server, "odd", ENDLESS[name])
    assert answer.status == 422, answer
    (error,) = answer.json()["errors"]
    assert error["path"] == "plugins[0].options"
    assert f"odd took longer than {CHECK_TIMEOUT_S:g} s to check" in error["message"]
    assert trio.current_time() - began >= CHECK_TIMEOUT_S
    assert others >= 3
    assert server.system.fork_server.statistics().workers == 0


@pytest.mark.parametrize("name", LONG)
async def test_options_of_any_number_get_a_short_answer(shared: Served, name: str) -> None:
    """At most fifty errors in short sentences, well before the check's deadline; the detail counts the others."""
    plugin, options, listed = LONG[name]
    answer, _ = await asked(shared, plugin, options)
    assert answer.status == 422, answer
    assert len(answer.body) < MAX_ANSWER
    document = answer.json()
    assert len(document["errors"]) == listed
    assert all(len(error["message"]) <= 200 for error in document["errors"])
    assert all("took longer" not in error["message"] for error in document["errors"])
    assert ("Only 50 of at least" in document["detail"]) is (listed == 50)


async def test_a_huge_request_is_refused_unread(shared: Served) -> None:
    """Megabytes of options are more than a request may have."""
    answer, _ = await asked(shared, "tracker", {"classes": [{"x": number} for number in range(70_000)]})
    assert answer.status == 413


async def test_all_plugins_share_one_limit(shared: Served) -> None:
    """The plugin whose options exceed it is named."""
    plugins = [{"name": name, "options": {"x": "x" * 30_000}} for name in ("motion", "faces", "tracker")]
    answer = await post(f"{shared.url}/v1/jobs", {"source": "clip.mp4", "plugins": plugins})
    assert answer.status == 422
    assert [error["path"] for error in answer.json()["errors"]] == ["plugins[2].options"]


async def test_a_cancelled_check_leaves_nothing(system: System, plugins_dir: Path) -> None:
    """A client that gives up ends the check of its options."""
    write_plugin(plugins_dir, "odd", ODD)
    await system.plugins.reload()
    plugins = [{"name": "odd", "options": ENDLESS["pattern"]}]
    with nothing_left_behind(system):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(system.jobs.submit, parse_job_request({"source": "clip.mp4", "plugins": plugins}))
            while system.fork_server.statistics().workers == 0:  # noqa: ASYNC110 - nothing tells when it is so
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()


async def test_plugins_without_options_need_no_process(system: System, plugins_dir: Path) -> None:
    """Their defaults are known since they were found; those that need an option say so all the same."""
    write_plugin(
        plugins_dir,
        "needy",
        """
        class Needy(Plugin):
            metadata = PluginMetadata(name="needy", config_schema={"required": ["size"]})

            def process_frame(self, frame):
                return None
        """,
    )
    await system.plugins.reload()
    started = system.fork_server.statistics().started
    with pytest.raises(InvalidRequest) as caught:
        await system.jobs.submit(parse_job_request({"source": "clip.mp4", "plugins": ["motion", "needy"]}))
    assert [(error.path, error.message) for error in caught.value.errors] == [
        ("plugins[1].options.size", "must be given")
    ]
    assert system.fork_server.statistics().started == started


async def test_a_stop_does_not_wait_for_a_check(tmp_path: Path, media: Path, plugins_dir: Path) -> None:
    """SIGTERM ends the server while options are being checked for a client, and leaves no process behind."""
    write_plugin(plugins_dir, "odd", ODD)
    job = {"source": "clip.mp4", "plugins": [{"name": "odd", "options": ENDLESS["pattern"]}]}
    where = ("--data-dir", tmp_path / "data", "--media-dir", media)
    with started("serve", "--port", "0", *where, KINORA_PLUGINS_DIR=str(plugins_dir)) as process:
        url = json.loads(line_of(process, "serving"))["url"]
        (fork_server,) = children(process.pid)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(post, f"{url}/v1/jobs", job)
            while not (checking := children(fork_server)):  # noqa: ASYNC110 - nothing tells when it is so
                await trio.lowlevel.checkpoint()
            process.send_signal(signal.SIGTERM)
            assert await trio.to_thread.run_sync(process.wait, LIMIT_S) == 0
            nursery.cancel_scope.cancel()
    assert not [pid for pid in (fork_server, *checking) if await trio.Path(f"/proc/{pid}").exists()]
