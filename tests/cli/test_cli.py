"""The command line as users have it: real processes, their output, exit codes and leftovers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import av
import cv2
import numpy as np
import pytest

from kinora import __version__
from kinora.cli.main import COMMANDS, cli, main
from tests.clips import make_clip
from tests.media_server import media_server

KINORA = [sys.executable, "-m", "kinora"]
LIMIT_S = 60


def kinora(*args: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [*KINORA, *map(str, args)]
    return subprocess.run(
        command, env={**os.environ, **env}, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


@contextmanager
def started(*args: str | Path, **env: str) -> Iterator[subprocess.Popen[str]]:
    """A command that runs while the block does."""
    command = [*KINORA, *map(str, args)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env={**os.environ, **env}, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def line_of(process: subprocess.Popen[str], word: str) -> str:
    """The first line on stderr with ``word`` in it."""
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            return line
    raise AssertionError(f"the process ended without saying {word!r}")


@attrs.frozen
class Served:
    """A server in a process of its own."""

    url: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> str:
        """Its address."""
        return self.url.rpartition(":")[2]


@contextmanager
def serving(tmp_path: Path, media: Path, port: str = "0", **env: str) -> Iterator[Served]:
    """``kinora serve`` while the block runs."""
    folders = ("--data-dir", tmp_path / "served", "--media-dir", media)
    with started("serve", "--port", port, *folders, **env) as process:
        yield Served(json.loads(line_of(process, "serving"))["url"], process)


def extended(server: Served, job_id: str) -> dict[str, Any]:
    """All that the server tells of a job."""
    url = f"{server.url}/v1/jobs/{job_id}/extended?limit=0"
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - its own server
        return dict(json.load(answer))


SLEEPY = """
import os, time
from pathlib import Path
from kinora.plugins import tool

@tool("sleepy")
def sleepy(frame):
    Path(os.environ["PID_PIPE"]).write_text(str(os.getpid()))
    time.sleep(1000)
"""
BRIGHT = """
from kinora.plugins import tool

@tool("bright")
def bright(frame):
    if frame.index == 3:
        raise ValueError("too bright")
    return {"mean": float(frame.image.mean())}
"""

TWO = """
from kinora.plugins import tool

OPTIONS = {"share": {"default": 0.003, "description": "Of all"}, "loud": {"default": True}}

@tool("one", config_schema={"properties": OPTIONS})
def one(frame):
    pass

@tool("two")
def two(frame):
    pass
"""


@pytest.mark.own_start
def test_the_server_has_a_name_and_keeps_its_command_line(tmp_path: Path, media: Path) -> None:
    """``top`` shows what it is, ``ps`` with which flags it runs."""
    with serving(tmp_path, media) as server:
        process = Path(f"/proc/{server.process.pid}")
        assert (process / "comm").read_text().strip() == "kinora: server"
        assert b"serve\0--port\0" in (process / "cmdline").read_bytes()


def test_a_service_manager_is_told_when_a_server_is_ready_works_and_stops(tmp_path: Path, media: Path) -> None:
    """As systemd with Type=notify and a watchdog: READY once it serves, signs of life, STOPPING at SIGTERM."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(LIMIT_S)
        with serving(tmp_path, media, NOTIFY_SOCKET=address, WATCHDOG_USEC="200000") as server:
            assert manager.recv(1000).decode() == f"READY=1\nSTATUS=Serving {server.url}"
            for _ in range(3):
                assert manager.recv(1000) == b"WATCHDOG=1"
            server.process.terminate()
            while (told := manager.recv(1000)) == b"WATCHDOG=1":
                pass
            assert told == b"STOPPING=1\nSTATUS=Stopping"
            assert server.process.wait(LIMIT_S) == 0


def test_help_is_quick() -> None:
    """``kinora --help`` imports none of the heavy libraries, and lists every command with its own first line."""
    code = (
        "import sys; from kinora.cli import main\ntry: main(['--help'])\nfinally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT_S, check=True)
    assert not {"trio", "cv2", "av", "numpy", "rich", "quart"} & set(done.stderr.split())
    for name in COMMANDS:
        assert f"  {name} " in done.stdout


def test_every_command_says_what_the_list_says() -> None:
    """The list's words for a command are the command's own."""
    for name, words in COMMANDS.items():
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        assert command.name == name
        assert (command.help or "").replace("\n", " ").startswith(words.rstrip("."))


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """``kinora --version`` says which one this is."""
    with pytest.raises(SystemExit) as exited:
        main(["--version"])
    assert exited.value.code == 0
    assert capsys.readouterr().out == f"kinora {__version__}\n"


@pytest.mark.usefixtures("logging_as_before")
@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["jbos"], "There is no command 'jbos'; the nearest one is jobs: see kinora --help"),
        (["jobs", "prnue"], "There is no command 'prnue'; the nearest one is prune: see kinora jobs --help"),
        (["run", "clip.mp4", "--plugn", "x"], "There is no flag '--plugn'; the nearest one is --plugin: see "),
        (["serve", "-Z"], "There is no flag '-Z': see kinora serve --help"),
        (["serve", "--port", "70000"], "--port: 'port' must be <= 65535"),
        (["serve", "--log-level", "loud"], "--log-level: 'log_level' must be in"),
        (["serve", "--config", "pyproject.tml"], "There is no configuration file pyproject.tml; the nearest one is "),
        (["run", "clip.mp4"], "Missing option '-p' / '--plugin'. `kinora plugins list`"),
        (["run", "clip.mp4", "-p", "motion", "--json", "--out", "-"], "--json and --out - both write to stdout"),
        (["run", "clip.mp4", "-p", "motion", "--annotate", "no/such/a.mp4"], "folder of no/such/a.mp4 does not exist"),
        (["run", "clip.mp4", "-p", "motion", "--out", "no/such/a.csv"], "folder of no/such/a.csv does not exist"),
        (["run", "clip.mp4", "-p", "motion", "--out", "a.txt"], "write one of .jsonl, .ndjson, .json, .csv"),
        (["run", "clip.mp4", "-p", "motion", "--out", "a.json", "--annotate", "a.json"], "to the same file"),
        (
            ["run", "clip.mp4", "-p", "motion", "--annotate", "a.gif"],
            "none that ends in .gif: give a name in .mp4",
        ),
        (
            ["run", "clip.mp4", "-p", "motion", "--annotate", "a.jpg"],
            "none that ends in .jpg: give a name in .mp4",
        ),
        (["run", "clip.mp4", "-p", "motion", "--plugin-timeout", "nan"], "'nan' is not a time in seconds"),
        (["submit", "clip.mp4", "-p", "motion", "--prepare-timeout", "0"], "'0' is not a time in seconds"),
        (["submit", "clip.mp4", "-p", "motion", "--resource", "licence"], "'licence' is not a name and a number"),
        (["submit", "clip.mp4", "-p", "motion", "-o", "min_area=3"], "write it as PLUGIN.KEY=VALUE"),
        (["submit", "clip.mp4", "-p", "motion", "-o", "people.size=3"], "plugin 'people' is not in this job"),
        (["jobs", "--url", "localhost"], "write it as http://"),
        (["submit", "-p", "motion"], "Missing argument SOURCE"),
        (["submit", "clip.mp4"], "Missing option -p"),
        (["submit", "pyproject.tml", "--upload", "-p", "motion"], "pyproject.tml; the nearest one is pyproject.toml"),
        (["submit", ".", "--upload", "-p", "motion"], ". is a folder: --upload sends one file"),
        (
            ["submit", "--repeat", "688a", "--stride", "2"],
            "--repeat takes everything but SOURCE from the job: leave out",
        ),
        (["download", "688a"], "Say what to download: --frames "),
        (["download", "688a", "--frames", "a.xls"], "ends in .jsonl, .ndjson, .csv, or - for stdout"),
        (["download", "688a", "--video", "a.avi"], "ends in .mp4"),
        (["download", "688a", "--frames", "-", "--json"], "both write to stdout"),
        (["show", "68"], "68 is too short: write at least the first 4 characters"),
    ],
)
def test_misuse_is_one_sentence(args: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong command ends in one line on stderr, with exit code 2."""
    with pytest.raises(SystemExit) as exited:
        main(args)
    output = capsys.readouterr()
    assert exited.value.code == 2
    assert output.out == ""
    assert output.err.startswith("kinora: ")
    assert said in output.err
    assert output.err.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        (["serve", "--port", "0"], "--media-dir"),
        (["serve", "--port", "0"], "--plugins-dir"),
        (["run", "demo:", "-p", "motion"], "--models-dir"),
        (["plugins", "list"], "--plugins-dir"),
    ],
)
def test_a_folder_that_does_not_exist_is_told_at_the_start(tmp_path: Path, command: list[str], flag: str) -> None:
    """A typo, or a disk that is not mounted, ends a command before it begins, in one sentence that names the flag."""
    done = kinora(*command, flag, tmp_path / "gone", XDG_DATA_HOME=str(tmp_path))
    assert done.returncode == 2
    sentence = done.stderr.splitlines()[-1]
    assert sentence.startswith(f"kinora: {tmp_path}/gone does not exist: name another folder as ")
    assert sentence.endswith(f" or with {flag}, or make it.")


def test_strange_variables_stop_nothing(tmp_path: Path, media: Path) -> None:
    """Variables of others that begin with KINORA_ are told on stderr, or in the log, and no command minds them."""
    strange = {"KINORA_PROT": "1", "KINORA_PORT": "tcp://10.0.0.1:8000"}
    done = kinora("plugins", "list", "--json", **strange)
    assert done.returncode == 0
    assert [line.split(":")[:3] for line in done.stderr.splitlines()] == [
        ["kinora", " warning", " KINORA_PROT"],
        ["kinora", " warning", " KINORA_PORT"],
    ]
    with started("serve", "--port", "0", "--data-dir", tmp_path, "--media-dir", media, **strange) as server:
        assert json.loads(line_of(server, "KINORA_PROT"))["level"] == "warning"
        assert line_of(server, "serving")


def test_run_gives_results_and_a_summary(media: Path, tmp_path: Path) -> None:
    """A job without a server writes each frame once and in order, what plugins summed up last, and sums up the job."""
    out = tmp_path / "results.jsonl"
    done = kinora("run", media / "clip.mp4", "-p", "motion", "-p", "tracker", "--stride", "2", "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    *frames, last = [json.loads(line) for line in out.read_text().splitlines()]
    assert [frame["index"] for frame in frames] == list(range(0, 30, 2))
    summed = json.loads(done.stdout)
    assert last == {"finalize": {"tracker": summed["plugins"]["tracker"]["finalize"]}}
    assert (summed["status"], summed["frames"], summed["warnings"]) == ("done", 15, [])
    assert summed["plugins"]["motion"]["detections"] == sum(len(f["results"]["motion"]["detections"]) for f in frames)
    assert summed["plugins"]["motion"]["total_ms"] > 0
    assert done.stderr == ""


def test_run_follows_links_anywhere(tmp_path: Path) -> None:
    """Data sets are put together of links; each frame names its file."""
    (train := tmp_path / "train").mkdir()
    (store := tmp_path / "store").mkdir()
    for number in range(2):
        cv2.imwrite(str(store / f"{number}.png"), np.full((48, 64, 3), 90, np.uint8))
        (train / f"cat{number}.png").symlink_to(store / f"{number}.png")
    out = tmp_path / "results.jsonl"
    done = kinora("run", train, "-p", "quality", "--out", out)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line).get("file") for line in out.read_text().splitlines()][:2] == ["cat0.png", "cat1.png"]
    assert "warning" not in done.stdout


def test_run_takes_a_plugin_file_and_lives_with_its_faults(media: Path, tmp_path: Path) -> None:
    """A plugin that raises is warned of; the run is done all the same, and stdout carries the frames alone."""
    plugin = tmp_path / "bright.py"
    plugin.write_text(BRIGHT)
    done = kinora("run", media / "clip.mp4", "-p", plugin, "--max-frames", "6", "--out", "-")
    assert done.returncode == 0, done.stderr
    frames = [json.loads(line) for line in done.stdout.splitlines()]
    assert [sorted(frame["results"]) for frame in frames] == [["bright"]] * 3 + [[]] + [["bright"]] * 2
    assert "done: 6 frames" in done.stderr
    assert "warning: bright: ValueError: too bright" in done.stderr


@pytest.mark.parametrize("behind_url", [False, True])
def test_run_draws_what_was_found(media: Path, tmp_path: Path, behind_url: bool) -> None:
    """``--annotate`` writes a video with one picture for each frame, of a file or of a URL."""
    out = tmp_path / "found.mp4"
    with media_server(media) as host:
        source = host.url("clip.mp4") if behind_url else media / "clip.mp4"
        done = kinora("run", source, "-p", "motion", "--annotate", out)
    assert done.returncode == 0, done.stderr
    with av.open(str(out)) as container:
        assert len([*container.decode(video=0)]) == 30


@pytest.mark.parametrize("option", ["--out", "--annotate"])
def test_run_never_writes_over_its_source(media: Path, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An output that is the source, by any path, is refused, and the source is unchanged."""
    before = (media / "clip.mp4").read_bytes()
    monkeypatch.chdir(media)
    with pytest.raises(SystemExit) as exited:
        main(["run", "clip.mp4", "-p", "motion", option, str(media / "clip.mp4")])
    assert exited.value.code == 2
    assert (media / "clip.mp4").read_bytes() == before


def test_run_takes_a_file_whose_name_begins_like_a_user(media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As programs name copies; a shell has put the folder of a user there before."""
    (media / "clip.mp4").rename(media / "~clip.mp4")
    monkeypatch.chdir(media)
    assert "done: 2 frames" in kinora("run", "~clip.mp4", "-p", "quality", "--max-frames", "2").stdout


def test_run_makes_the_bundled_clip() -> None:
    """``demo:`` is a source everywhere."""
    done = kinora("run", "demo:", "-p", "quality", "--max-frames", "2", "--json")
    assert json.loads(done.stdout)["frames"] == 2


@pytest.mark.usefixtures("logging_as_before")
@pytest.mark.parametrize(
    ("source", "args", "said"),
    [
        ("clipp.mp4", ["-p", "motion"], "clipp.mp4; the nearest one is "),
        ("text.mp4", ["-p", "motion"], "is not a video or image"),
        ("circle", ["-p", "motion"], "circle leads nowhere: its links go round in a circle"),
        ("clip.mp4", ["-p", "./circle.py"], "./circle.py leads nowhere: its links go round in a circle"),
        ("clip.mp4", ["-p", "moton"], "kinora: -p moton: there is no plugin 'moton'; there are: colors, "),
        ("clip.mp4", ["-p", "motion", "-o", "motion.sie=1"], "kinora: -o motion.sie: is unknown; known here are: "),
        ("clip.mp4", ["-p", "motion", "--device", "tpu"], "kinora: --device: must be auto, "),
        ("clip.mp4", ["-p", "moton"], "Did you mean motion?"),
        ("clip.mp4", ["-p", "./"], "./: this folder has no __init__.py; for the plugins in it write --plugins-dir ./"),
        ("clip.mp4", ["-p", "motion", "-p", "motion"], "-p motion: is in the list twice"),
        ("clip.mp4", ["-p", "./circl.py"], "There is no file ./circl.py; the nearest one is ./circle.py"),
        ("empty.mp4", ["-p", "motion"], "kinora: empty.mp4 is empty; copy or download it again."),
        ("rtsp://127.0.0.1:1/live", ["-p", "motion"], "kinora: Nothing listens at port 1 of 127.0.0.1: check the port"),
        ("http://127.0.0.1:1/clip.mp4", ["-p", "motion"], "clip.mp4 cannot be read: Connection refused"),
    ],
)
def test_run_says_what_it_cannot_do(
    media: Path,
    source: str,
    args: list[str],
    said: str,
    *,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A wrong source, plugin or option ends in one line and exit code 2, before anything runs or is overwritten."""
    (media / "text.mp4").write_text("no video")
    (media / "empty.mp4").touch()
    (media / "circle").symlink_to("circle")
    monkeypatch.chdir(media)
    Path("circle.py").symlink_to("circle.py")
    out = media / "earlier.jsonl"
    out.write_text("of an earlier run")
    with pytest.raises(SystemExit) as exited:
        main(["run", source if "://" in source else str(media / source), *args, "--out", str(out)])
    output = capsys.readouterr()
    assert exited.value.code == 2
    assert output.out == ""
    assert out.read_text() == "of an earlier run"
    assert said in output.err
    assert output.err.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_leaves_nothing(media: Path, tmp_path: Path, number: signal.Signals) -> None:
    """A signal ends the run with 130; its workers and its folder are gone by then."""
    plugin = tmp_path / "sleepy.py"
    plugin.write_text(SLEEPY)
    (scratch := tmp_path / "scratch").mkdir()
    os.mkfifo(pipe := tmp_path / "pipe")
    with started(
        "run", media / "clip.mp4", "-p", plugin, TMPDIR=str(scratch), PID_PIPE=str(pipe), KINORA_WORKER_ENV="PID_PIPE"
    ) as process:
        worker = pipe.read_text()
        process.send_signal(number)
        _, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130
    assert errors == "kinora: interrupted\n"
    assert not Path(f"/proc/{worker}").exists()
    assert not [*scratch.iterdir()]


def test_output_that_nobody_reads_ends_quietly(media: Path) -> None:
    """A closed pipe behind ``--out -`` ends the run without a trace on stderr."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        command = [*KINORA, "run", str(media / "clip.mp4"), "-p", "motion", "--out", "-"]
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True, timeout=LIMIT_S, check=False)
    assert (done.returncode, done.stderr) == (1, "")


def test_the_clients_of_a_server(tmp_path: Path, media: Path) -> None:
    """submit, watch, jobs, show and cancel tell of the same jobs, for people and as JSON."""
    with serving(tmp_path, media) as server:
        env = {"KINORA_URL": server.url}
        job_id = kinora("submit", "clip.mp4", "-p", "motion", "-o", "motion.min_area=0.01", **env).stdout.strip()
        watched = kinora("watch", job_id, **env)
        assert watched.returncode == 0, watched.stderr
        shown: dict[str, Any] = json.loads(kinora("show", job_id, "--json", **env).stdout)
        assert (shown["status"], len(shown["frames"])) == ("done", 30)
        assert "done: 30 frames" in kinora("show", job_id, **env).stdout
        listed = kinora("jobs", **env).stdout.splitlines()
        assert listed[0].split("\t")[:3] == ["job_id", "status", "progress"]
        assert listed[1].split("\t")[:3] == [job_id, "done", "100"]
        cancelled = json.loads(kinora("cancel", job_id, "--json", **env).stdout)
        assert cancelled == [{"job_id": job_id, "status": "done", "cancelled": False, "cancel_ms": None}]
        uploaded = json.loads(kinora("submit", "--upload", media / "clip.mp4", "-p", "motion", "--json", **env).stdout)
        assert uploaded["frames"] == []
        assert {job["job_id"] for job in json.loads(kinora("jobs", "--json", **env).stdout)["jobs"]} == {
            job_id,
            uploaded["job_id"],
        }
        missing = kinora("show", "none", **env)
        assert (missing.returncode, missing.stderr) == (2, "kinora: There is no job none.\n")


def test_a_job_is_taken_away_repeated_and_deleted(tmp_path: Path, media: Path) -> None:
    """Downloads, a repeat with the same options, and a deletion, each by the beginning of the job's id."""
    with serving(tmp_path, media) as server:
        env = {"KINORA_URL": server.url}
        asked = ("-p", "motion", "-o", "motion.min_area=0.01", "--max-frames", "5")
        job_id = kinora("submit", "clip.mp4", *asked, **env).stdout.strip()
        short = job_id[:6]
        assert kinora("watch", short, **env).returncode == 0
        table, lines, video = tmp_path / "a.csv", tmp_path / "a.jsonl", tmp_path / "a.mp4"
        got = json.loads(kinora("download", short, "--frames", table, "--video", video, "--json", **env).stdout)
        assert got["files"] == [{"path": str(path), "bytes": path.stat().st_size} for path in (table, video)]
        assert table.read_text().startswith("frame_id,index,")
        with av.open(str(video)) as container:
            assert len([*container.decode(video=0)]) == 5
        kinora("download", short, "--frames", lines, **env)
        assert kinora("download", short, "--frames", "-", **env).stdout == lines.read_text()
        assert [json.loads(line)["index"] for line in lines.read_text().splitlines()] == list(range(5))
        again = kinora("submit", "--repeat", short, **env).stdout.strip()
        sent = kinora("submit", media / "clip.mp4", "--upload", "--repeat", short, **env).stdout.strip()
        shown = {key: extended(server, key) for key in (job_id, again, sent)}
        assert shown[again]["request"] == shown[job_id]["request"]
        assert "source" not in shown[sent]["request"]
        assert shown[sent]["plugins"]["motion"]["options"] == shown[job_id]["plugins"]["motion"]["options"]
        assert f"kinora submit FILE --upload --repeat {sent[:8]}" in kinora("submit", "--repeat", sent, **env).stderr
        deleted = kinora("delete", short, again, "--json", **env)
        assert json.loads(deleted.stdout) == [{"job_id": key, "deleted": True} for key in (job_id, again)]
        assert kinora("show", short, **env).stderr == f"kinora: There is no job {short}.\n"
        assert not [*tmp_path.glob(".*.part")]


def test_a_job_is_paused_and_resumed(tmp_path: Path, media: Path) -> None:
    """``kinora pause`` and ``resume`` tell the state that the job is in then."""
    make_clip(media / "long.mp4", frames=2000)
    with serving(tmp_path, media) as server:
        env = {"KINORA_URL": server.url}
        job_id = kinora("submit", "long.mp4", "-p", "people", **env).stdout.strip()
        with started("watch", job_id, "--json", **env) as watcher:
            assert watcher.stdout is not None
            assert any('"frame"' in line for line in watcher.stdout)
            paused = kinora("pause", job_id[:8], "--json", **env)
            assert json.loads(paused.stdout) == [{"job_id": job_id, "status": "paused"}]
            resumed = kinora("resume", job_id[:8], **env)
            assert resumed.stdout.splitlines()[1].split("\t") == [job_id, "running"]
            assert kinora("delete", job_id, **env).returncode == 0


def test_watch_goes_on_after_the_server_was_killed(tmp_path: Path, media: Path) -> None:
    """A watcher outlives ``kill -9`` of its server and shows the jobs of the next one on that address."""
    with serving(tmp_path, media) as first:
        env = {"KINORA_URL": first.url}
        with started("watch", "--json", **env) as watcher:
            assert watcher.stdout is not None
            assert json.loads(watcher.stdout.readline())["type"] == "metadata"
            first.process.kill()
            first.process.wait()
            with serving(tmp_path, media, first.port):
                assert any(json.loads(line)["type"] == "gap" for line in watcher.stdout)  # it is connected again
                job_id = kinora("submit", "clip.mp4", "-p", "motion", **env).stdout.strip()
                ended = next(m for m in map(json.loads, watcher.stdout) if m["type"] == "complete")
                assert (ended["payload"]["job_id"], ended["payload"]["status"]) == (job_id, "done")
                watcher.send_signal(signal.SIGINT)
                watcher.wait(LIMIT_S)
                assert watcher.returncode == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_serve_stops_in_order(tmp_path: Path, media: Path, number: signal.Signals) -> None:
    """A signal ends the server with 0, within its grace, with a job running and somebody watching."""
    make_clip(media / "long.mp4", frames=2000)
    with serving(tmp_path, media) as server:
        kinora("submit", "long.mp4", "-p", "people", KINORA_URL=server.url)
        with started("watch", "--json", KINORA_URL=server.url) as watcher:
            assert watcher.stdout is not None
            assert any('"running"' in line for line in watcher.stdout)
            server.process.send_signal(number)
            _, errors = server.process.communicate(timeout=10)
            assert server.process.returncode == 0
            assert [json.loads(line)["event"] for line in errors.splitlines()][-1] == "stopped"


def test_what_is_taken_is_said(tmp_path: Path, media: Path) -> None:
    """A second server on the same port, or on the same folder, ends with a sentence."""
    with serving(tmp_path, media) as server:
        port = kinora("serve", "--port", server.port, "--data-dir", tmp_path / "other")
        folder = kinora("serve", "--port", "0", "--data-dir", tmp_path / "served")
    assert (port.returncode, folder.returncode) == (1, 1)
    assert f"Port {server.port} on 127.0.0.1 is taken" in port.stderr
    assert "Another Kinora server works on" in folder.stderr


def test_demo_shows_a_job_and_ends(media: Path) -> None:
    """``kinora demo --once`` runs a job over REST, shows it live, sums it up and ends with 0."""
    done = kinora("demo", "--once", "--video", media / "clip.mp4", "--port", "0")
    assert done.returncode == 0, done.stderr
    assert "done: 30 frames" in done.stdout
    assert done.stdout.startswith(f"A server starts here, with a job on {media / 'clip.mp4'}. Ctrl-C ends both.\n")
    assert "/#/jobs/" in done.stdout.partition("done: ")[0]
    assert "http" not in done.stdout.partition("done: ")[2]  # no link to a server that has ended
    assert "running: " in done.stderr
    for plugin in ("motion", "people", "tracker", "quality", "colors", "scenes"):
        assert f"\n{plugin}\tcompleted\tok\t30\t" in done.stdout


def test_demo_serves_until_interrupted(media: Path) -> None:
    """Without ``--once`` it names pages that people can open and goes on serving, and Ctrl-C is its normal end."""
    with started("demo", "--video", media / "clip.mp4", "--port", "0") as process:
        assert process.stdout is not None
        said = list(iter(process.stdout.readline, "Serving until Ctrl-C.\n"))
        links = [line.split()[-1] for line in said if "http" in line]
        assert any("/v1/jobs/" in link for link in links)
        for link in links:
            kinds = ("text/html", "image/jpeg")
            with urllib.request.urlopen(link) as answer:  # noqa: S310 - its own server
                assert answer.headers.get_content_type() in kinds
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0


def test_plugins_are_listed_and_shown(tmp_path: Path, plugins_dir: Path) -> None:
    """Installed plugins are listed, broken ones with the reason, and one is shown with its options."""
    (plugins_dir / "broken.py").write_text("import nothing_of_that_name\n")
    listed = json.loads(kinora("plugins", "list", "--plugins-dir", plugins_dir, "--json").stdout)
    states = {entry["name"]: entry["broken"] for entry in listed}
    assert states["motion"] is None
    assert "nothing_of_that_name" in states["broken"]
    shown = kinora("plugins", "show", "motion").stdout
    assert "motion.min_area\t" in shown
    assert json.loads(kinora("plugins", "show", "motion", "--json").stdout)["metadata"]["name"] == "motion"
    missing = kinora("plugins", "show", "nothing")
    assert missing.returncode == 2
    assert "There is no plugin 'nothing'; there are: colors, " in missing.stderr


def test_a_plugin_file_is_shown_as_it_is(tmp_path: Path) -> None:
    """Defaults are told as ``-o`` takes them; each plugin of the file is shown, a missing file is said."""
    (tmp_path / "two.py").write_text(TWO)
    shown = kinora("plugins", "show", tmp_path / "two.py")
    assert shown.returncode == 0, shown.stderr
    assert "one.share\t0.003\tOf all" in shown.stdout
    assert "one.loud\ttrue\t-" in shown.stdout
    assert "name\ttwo" in shown.stdout
    listed = json.loads(kinora("plugins", "show", tmp_path / "two.py", "--json").stdout)
    assert [entry["name"] for entry in listed] == ["one", "two"]
    assert "There is no file ./gone.py" in kinora("plugins", "show", "./gone.py").stderr


def test_a_broken_import_names_its_line(tmp_path: Path) -> None:
    """The author sees the file, the line and the traceback from there on, of a module that the file imports too."""
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("from . import inner\n")
    (tmp_path / "pack" / "inner.py").write_text("\n\nnothing_of_that_name\n")
    said = f"NameError: name 'nothing_of_that_name' is not defined ({tmp_path}/pack/inner.py, line 3)"
    shown = kinora("plugins", "show", f"{tmp_path}/pack").stdout
    assert f"broken\t{said}\n" in shown
    assert f'Traceback (most recent call last):\n  File "{tmp_path}/pack/__init__.py", line 1' in shown
    ran = kinora("run", "demo:", "-p", f"{tmp_path}/pack")
    assert ran.stderr == f"kinora: {tmp_path}/pack: {said}\n"


def test_a_mended_plugin_is_found_by_looking_again(tmp_path: Path, media: Path, plugins_dir: Path) -> None:
    """``kinora plugins reload`` lists what the server finds now: a file that was broken when it started works."""
    (plugins_dir / "bright.py").write_text("raise SystemExit(3)\n")
    with serving(tmp_path, media, KINORA_PLUGINS_DIR=str(plugins_dir)) as server:
        assert "bright\t-\tbroken" in kinora("plugins", "reload", "--url", server.url).stdout
        (plugins_dir / "bright.py").write_text(BRIGHT)
        assert "bright\t0.0.0\tok" in kinora("plugins", "reload", "--url", server.url).stdout
        assert kinora("submit", "clip.mp4", "-p", "bright", "--url", server.url).returncode == 0
