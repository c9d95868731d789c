"""Commands that show text of others: names of files, plugins, servers. It never steers the terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from kinora.client import KinoraClient
from tests.cli.test_cli import KINORA, LIMIT_S, kinora, serving
from tests.clips import make_clip
from tests.media_server import media_server

HOSTILE = "\x1b]0;title\x07\x9b2J\rforged\x7f"
SHOWN = r"\x1b]0;title\x07\x9b2J\rforged\x7f"
IN_A_TABLE = SHOWN.replace(r"\r", " ")
CLIP = f"a{HOSTILE}.mp4"
PLUGIN = f"""
from kinora.plugins import Plugin, PluginMetadata

class Noisy(Plugin):
    metadata = PluginMetadata(name="noisy", description={HOSTILE!r})

    def process_frame(self, frame):
        print({HOSTILE!r})
        self.context.warn({HOSTILE!r})
        raise ValueError({HOSTILE!r} + "\\nnext line")

    def prepare(self, context):
        self.context = context
"""


def steers_a_terminal(text: str) -> bool:
    """True if ``text`` has control characters other than newlines and tabs."""
    return re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", text) is not None


def on_terminal(*args: str | Path, **env: str) -> str:
    """What a command shows on a terminal that understands no colours; the terminal's own CR before LF left out."""
    ours, theirs = os.openpty()
    command = [*KINORA, *map(str, args)]
    with subprocess.Popen(
        command,
        env={**os.environ, **env, "TERM": "dumb", "COLUMNS": "300", "LINES": "50"},
        stdout=theirs,
        stderr=theirs,
        stdin=theirs,
    ) as process:
        os.close(theirs)
        shown = bytearray()
        try:
            while data := os.read(ours, 65536):
                shown += data
        except OSError:
            pass  # the terminal's last writer has gone
        os.close(ours)
        assert process.wait(LIMIT_S) == 0, shown
    return shown.decode().replace("\r\n", "\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clip and a plugin whose texts are all hostile."""
    made = tmp_path_factory.mktemp("hostile")
    (made / "media").mkdir()
    (made / "plugins").mkdir()
    make_clip(made / "media" / CLIP, frames=2)
    (made / "plugins" / "noisy.py").write_text(PLUGIN)
    return made


@pytest.fixture(scope="module")
def job(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of clients of a server, and with ``JOB`` the id of its job, which has ended."""
    os.environ["KINORA_PLUGINS_DIR"] = str(folder / "plugins")
    try:
        with serving(folder, folder / "media") as server:
            env = {"KINORA_URL": server.url}
            job_id = kinora("submit", CLIP, "-p", "noisy", **env).stdout.strip()
            assert kinora("watch", job_id, **env).returncode == 0
            yield {**env, "JOB": job_id}
    finally:
        del os.environ["KINORA_PLUGINS_DIR"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["jobs"], IN_A_TABLE),
        (["show", "JOB"], SHOWN),
        (["watch", "JOB", "--last-event-id", "0-0"], None),
        (["plugins", "list"], IN_A_TABLE),
        (["plugins", "show", "noisy"], IN_A_TABLE),
    ],
)
@pytest.mark.parametrize("terminal", [False, True])
def test_texts_of_others_are_shown_escaped(
    job: dict[str, str], args: list[str], said: str | None, terminal: bool
) -> None:
    """No command prints the control characters of a name, a warning, an error or a description."""
    given = [job["JOB"] if arg == "JOB" else arg for arg in args]
    shown = on_terminal(*given, **job) if terminal else kinora(*given, **job).stdout
    assert not steers_a_terminal(shown)
    if said is not None:
        assert said in shown


def test_a_watcher_sees_one_line_for_each_message(job: dict[str, str]) -> None:
    """A warning with a newline in it stays one line of ``kinora watch``."""
    client = KinoraClient(job["KINORA_URL"])
    submitted = trio.run(client.submit, {"source": CLIP, "plugins": ["noisy"]})
    assert submitted.last_event_id is not None
    shown = kinora("watch", submitted.job_id, "--last-event-id", submitted.last_event_id, **job).stdout
    assert not steers_a_terminal(shown)
    assert any(rf"ValueError: {SHOWN}\nnext line" in line for line in shown.splitlines())


@pytest.mark.parametrize("command", ["jobs", "show"])
def test_json_says_the_same_without_control_characters(job: dict[str, str], command: str) -> None:
    """In JSON they are escaped as JSON has it, so that programs read the true text."""
    shown = kinora(command, *([job["JOB"]] if command == "show" else []), "--json", **job).stdout
    assert not steers_a_terminal(shown)
    assert CLIP in (json.loads(shown)["source"] if command == "show" else json.loads(shown)["jobs"][-1]["source"])


def test_a_log_is_raw_only_for_programs(job: dict[str, str]) -> None:
    """``show --log`` gives the very bytes into a pipe or a file, and on a terminal shows control characters."""
    command = [*KINORA, "show", "--log", job["JOB"]]
    raw = subprocess.run(command, env={**os.environ, **job}, capture_output=True, timeout=LIMIT_S, check=True).stdout
    assert HOSTILE.partition("\r")[0].encode() in raw
    shown = on_terminal("show", "--log", job["JOB"], **job)
    assert not steers_a_terminal(shown)
    assert SHOWN.partition(r"\r")[0] in shown


def test_a_run_shows_warnings_escaped(folder: Path) -> None:
    """So does ``kinora run``, in its summary and in its JSON."""
    args: list[str | Path] = ["run", folder / "media" / CLIP, "-p", folder / "plugins" / "noisy.py"]
    done = kinora(*args)
    assert rf"warning: noisy: ValueError: {SHOWN}\nnext line" in done.stdout
    assert not steers_a_terminal(done.stdout + done.stderr)
    assert not steers_a_terminal(kinora(*args, "--json").stdout)


def test_what_a_web_server_says_is_shown_escaped(tmp_path: Path, media: Path) -> None:
    """The reason in the answer of a web server that a source is behind cannot steer the submitter's terminal."""
    with media_server(media) as host:
        host.refusals["gone.mp4"] = HOSTILE.replace("\r", " ")
        done = kinora("run", host.url("gone.mp4"), "-p", "motion")
    assert done.returncode == 2
    assert not steers_a_terminal(done.stderr)
    assert done.stderr.count("\n") == 1
