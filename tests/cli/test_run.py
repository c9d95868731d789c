"""What ``kinora run`` tells the author of a plugin: results, failures, prints; and the files that it writes."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kinora.actors.store.job_events import StoredEvent
from kinora.cli.local.results_file import ResultsFile
from kinora.results.csv_rows import COLUMNS
from tests.cli.test_cli import kinora, line_of, started
from tests.media_server import media_server
from tests.web.test_reading import state_of

COUNT = """
from kinora.plugins import Plugin, PluginMetadata

class Count(Plugin):
    metadata = PluginMetadata(name="count")
    seen = 0

    def process_frame(self, frame):
        self.seen += 1

    def finalize(self):
        return {"seen": self.seen, "classes": {"cat": 2}}
"""
RAISES = """
from kinora.plugins import tool

@tool("raises")
def raises(frame):
    return helper(frame.index)

def helper(index):
    if index == 2:
        raise ValueError("too bright")
    return {}["missing"] if index else {"fine": True}
"""
DIES = """
import os
from kinora.plugins import tool

@tool("dies")
def dies(frame):
    print("looking at", frame.index)
    print("no end of line", end="", flush=True)
    os._exit(3)
"""
SLOW = """
import time
from kinora.plugins import tool

@tool("slow")
def slow(frame):
    print(frame.index)
    time.sleep(0.3)
    return {}
"""
REPORTS = """
from kinora.plugins import Plugin, PluginMetadata

class Reports(Plugin):
    metadata = PluginMetadata(name="reports")

    def prepare(self, context):
        self.context = context

    def process_frame(self, frame):
        if frame.index == 2:
            self.context.event("fall", "Somebody fell.", {"height": 0.4})
        return {"events": [{"kind": "tick", "data": frame.index}] * 5}

    def finalize(self):
        self.context.event("end")
"""
SLEEPS = """
import time
from kinora.plugins import Plugin, PluginMetadata

class Sleeps(Plugin):
    metadata = PluginMetadata(name="sleeps")

    def prepare(self, context):
        context.warn(f"models are in {context.models_dir}")

    def process_frame(self, frame):
        time.sleep(1000)
"""


def plugin(folder: Path, name: str, text: str) -> Path:
    """A file with a plugin."""
    path = folder / f"{name}.py"
    path.write_text(text)
    return path


def lines(path: Path) -> list[Any]:
    """The lines of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_finalize_returned_is_shown(media: Path, tmp_path: Path) -> None:
    """In the report and, behind the frames, in the file of results."""
    out = tmp_path / "out.jsonl"
    done = kinora("run", media / "clip.mp4", "-p", plugin(tmp_path, "count", COUNT), "--max-frames", "6", "--out", out)
    assert done.returncode == 0, done.stderr
    assert 'result of count:\n  seen: 6\n  classes: {"cat":2}\n' in done.stdout
    assert lines(out)[-1] == {"finalize": {"count": {"seen": 6, "classes": {"cat": 2}}}}
    assert [frame["index"] for frame in lines(out)[:-1]] == list(range(6))


def test_an_author_sees_where_a_plugin_raised(media: Path, tmp_path: Path) -> None:
    """The first error of each kind, from the author's own line on, without Kinora's frames."""
    path = plugin(tmp_path, "raises", RAISES)
    done = kinora("run", media / "clip.mp4", "-p", path, "--max-frames", "9")
    assert done.stdout.startswith("done: 9 frames")
    assert f"raises, {path}:11, frame-000001:\n  {path}:6, in raises\n      return helper(frame.index)" in done.stdout
    assert done.stdout.count("  KeyError: 'missing'\n") == 1
    assert f"  {path}:10, in helper\n" in done.stdout
    assert done.stdout.count("  ValueError: too bright\n") == 1
    assert "worker.py" not in done.stdout


def test_a_failed_plugin_is_told_with_its_prints(media: Path, tmp_path: Path) -> None:
    """In the first words, with the reason and the last that it printed; with ``--show-output`` as it was printed."""
    path = plugin(tmp_path, "dies", DIES)
    done = kinora("run", media / "clip.mp4", "-p", path, "--max-frames", "3", "--strict", "--show-output")
    assert done.returncode == 3
    assert done.stdout.startswith("done, 1 plugin failed: 3 frames")
    assert "\ndies failed: its process ended with exit code 3 (3 times)\n" in done.stdout
    assert "dies, frame-000000: its process ended with exit code 3\n  looking at 0\n  no end of line\n" in done.stdout
    said = [line for index in range(3) for line in (f"dies: looking at {index}", "dies: no end of line")]
    assert done.stderr.splitlines() == said


def test_a_plugin_gets_the_time_and_the_folder_that_it_was_given(media: Path, tmp_path: Path) -> None:
    """``--plugin-timeout`` is in seconds, ``--models-dir`` is what the plugin is told."""
    path, models = plugin(tmp_path, "sleeps", SLEEPS), tmp_path / "models"
    models.mkdir()
    args = ("--max-frames", "3", "--plugin-timeout", "0.05", "--models-dir", models)
    done = kinora("run", media / "clip.mp4", "-p", path, *args)
    assert done.returncode == 0
    assert "sleeps failed: no answer within 50 ms; its process was killed (3 times)" in done.stdout
    assert f"warning: sleeps: models are in {models} (3 times)" in done.stdout


def test_results_have_the_format_of_their_suffix(media: Path, tmp_path: Path) -> None:
    """JSON as ``show --json`` prints it, and CSV with a server's columns."""
    plugins: list[str | Path] = ["-p", "motion", "-p", plugin(tmp_path, "count", COUNT)]
    document, table = tmp_path / "out.json", tmp_path / "out.CSV"
    done = kinora("run", media / "clip.mp4", *plugins, "--out", document, "--json")
    state = json.loads(document.read_text())
    assert [frame["index"] for frame in state["frames"]] == list(range(30))
    assert (state["status"], state["plugins"]["count"]["finalize"]["seen"]) == ("done", 30)
    assert json.loads(done.stdout)["plugins"]["count"]["finalize"]["seen"] == 30
    written = kinora("run", media / "clip.mp4", *plugins, "-p", "colors", "--out", table)
    assert written.stderr == f"{table} lacks a part of what colors gave: .jsonl and .json have all\n"
    with table.open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == list(COLUMNS)
    boxes = [row for row in rows if row[head.index("x")]]
    assert len(boxes) == json.loads(done.stdout)["detections"]
    assert {row[head.index("metric")] for row in rows if row not in boxes} == {"motion"}


def test_events_are_shown_as_they_come_and_kept(media: Path, tmp_path: Path) -> None:
    """The first ones as lines, all as counts and in the file."""
    out = tmp_path / "out.jsonl"
    done = kinora("run", media / "clip.mp4", "-p", plugin(tmp_path, "reports", REPORTS), "--out", out)
    assert done.returncode == 0, done.stderr
    assert "event: reports: tick at 0.0 s (frame-000000): 0\n" in done.stderr
    assert "event: reports: fall at 0.2 s (frame-000002): Somebody fell.\n" in done.stderr
    assert "and 52 more events\n" in done.stderr
    assert "events: tick 150, fall 1, end 1\n" in done.stdout
    written = [line["event"] for line in lines(out) if "event" in line]
    assert [event["number"] for event in written] == list(range(1, 153))
    assert (written[10]["kind"], written[10]["data"], written[-1]["kind"]) == ("fall", {"height": 0.4}, "end")


def test_each_format_of_results_has_events_or_says_so(tmp_path: Path) -> None:
    """A document has them all together; a table has no place for them."""
    state = state_of("job-1", 1)
    event: dict[str, Any] = {"number": 1, "plugin": "zones", "kind": "entered"}
    for suffix, lacking in (("json", set()), ("csv", {"zones"}), ("ndjson", set())):
        with ResultsFile.open(tmp_path / f"out.{suffix}", state) as results:
            results.add([(0, b'{"frame_id":"frame-000000","index":0,"timestamp_ms":0.0,"results":{}}')])
            results.add_events([StoredEvent(1, "zones", "entered", json.dumps(event).encode())])
            assert (results.lacking, results.last_event) == (lacking, 1)
    document = json.loads((tmp_path / "out.json").read_text())
    assert (document["events"], len(document["frames"]), document["status"]) == ([event], 1, "done")
    assert lines(tmp_path / "out.ndjson")[1] == {"event": event}


def test_detections_are_exported_for_other_programs(media: Path, tmp_path: Path) -> None:
    """Each format's files are in its folder; a format that there is not, or that cannot be made, stops the run."""
    wanted = ("--export", f"coco={tmp_path / 'coco'}", "--export", f"mot={tmp_path / 'mot'}")
    ran = kinora("run", media / "clip.mp4", "-p", "motion", "--out", tmp_path / "all.json", *wanted)
    assert ran.returncode == 0, ran.stderr
    frames = json.loads((tmp_path / "all.json").read_text())["frames"]
    found = sum(len(frame["results"].get("motion", {}).get("detections", [])) for frame in frames)
    coco = json.loads((tmp_path / "coco" / "annotations.json").read_text())
    assert (len(coco["images"]), len(coco["annotations"])) == (len(frames), found)
    assert len((tmp_path / "mot" / "det" / "det.txt").read_text().splitlines()) == found
    refused = kinora("run", media / "clip.mp4", "-p", "motion", "--export", "xml=out")
    assert refused.returncode == 2
    assert "write FORMAT=DIR, with one of parquet, coco, yolo, mot, cvat" in refused.stderr


def test_a_plugin_works_on_some_frames_or_at_the_side(media: Path, tmp_path: Path) -> None:
    """``--every`` and ``--side`` by the plugins' names; of results that came too late it is said how many there are.

    ``--replicas`` as well, which ``motion`` cannot have.
    """
    path, out = plugin(tmp_path, "slow", SLOW), tmp_path / "out.jsonl"
    refused = kinora("run", media / "clip.mp4", "-p", "motion", "--replicas", "motion=2")
    assert refused.returncode == 2
    assert refused.stderr.startswith("kinora: --replicas motion: motion needs its frames in order")
    flags = ("--every", "motion=7", "--side", "slow", "--out", out, "--json")
    done = kinora("run", media / "clip.mp4", "-p", path, "-p", "motion", *flags)
    assert done.returncode == 0
    frames = [json.loads(line)["results"] for line in out.read_text().splitlines()]
    slow = json.loads(done.stdout)["plugins"]["slow"]
    assert [index for index, results in enumerate(frames) if "motion" in results] == [0, 7, 14, 21, 28]
    assert slow["frames"] + slow["passed_over"] == len(frames) == 30
    assert sum("slow" in results for results in frames) == slow["frames"] - slow["late"]
    assert done.stderr.startswith(f"{out} lacks {slow['late']} result")


def test_a_run_that_is_interrupted_says_what_there_was(media: Path, tmp_path: Path) -> None:
    """As of a camera: the report, and a file that is well-formed; and a hint for who forgets ``./``."""
    path, out = plugin(tmp_path, "slow", SLOW), tmp_path / "out.json"
    with started("run", media / "clip.mp4", "-p", path, "--out", out, "--show-output") as process:
        line_of(process, "slow: 6")  # the first frames have passed long ago
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.endswith("kinora: interrupted\n")
    state = json.loads(out.read_text())
    assert said.startswith(f"interrupted: {state['frames_done']} frame")
    assert state["status"] == "interrupted"
    assert state["frames"]


def test_a_camera_is_not_annotated(media: Path, tmp_path: Path) -> None:
    """Its pictures are gone when the run ends, so that is said before anything runs, and not hours later."""
    out = tmp_path / "earlier.jsonl"
    out.write_text("of an earlier run")
    with media_server(media) as server:
        server.streams["cam"] = [cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1].tobytes()]
        server.pace_s = 0.05
        done = kinora(
            "run",
            server.url("cam"),
            "-p",
            "motion",
            "--annotate",
            tmp_path / "a.mp4",
            "--out",
            out,
            "--max-frames",
            "9",
        )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "kinora: --annotate cannot be made of a camera, whose pictures are gone afterwards: leave it out\n"
    )
    assert out.read_text() == "of an earlier run"


def test_a_run_on_a_camera_goes_on_until_it_is_interrupted(media: Path) -> None:
    """When the camera goes away and comes back is said as it happens, and nothing else is needed to go on."""
    with media_server(media) as server:
        server.streams["cam"] = [cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1].tobytes()] * 3
        with started("run", server.url("cam"), "-p", "motion", "--policy", "wait") as process:
            assert line_of(process, "closed") == "warning: source: closed: cam sends no more: it ended the stream.\n"
            line_of(process, "warning: source: the source came back after an outage")
            line_of(process, "closed")
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.startswith("interrupted: ")


def test_a_full_disk_is_one_sentence(media: Path) -> None:
    """The results cannot be written any further: the run ends with 1."""
    done = kinora("run", media / "clip.mp4", "-p", "motion", "--out", "/dev/full")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "kinora: /dev/full cannot be written: No space left on device\n"
