"""``kinora run`` over many files: what is run, what is written, and how a run goes on where another one stopped."""

from __future__ import annotations

import csv
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest

from kinora.cli.batch.names import names_of
from kinora.cli.batch.outputs import OutFolder, forms_of
from kinora.cli.batch.record import FILE, Entry, Record, version_of
from kinora.cli.batch.sources import Source, only_source, sources_of
from kinora.cli.exits import Misuse
from kinora.cli.local.run_arguments import RunArguments
from kinora.cli.local.run_outputs import check_outputs
from tests.cli.test_cli import LIMIT_S, kinora
from tests.cli.test_run import plugin
from tests.cli.test_terminal import on_terminal
from tests.clips import make_clip

STUCK = """
import time
from kinora.plugins import tool

@tool("stuck")
def stuck(frame):
    if frame.image.shape[1] > 64:
        print("it hangs", flush=True)
        time.sleep(1000)
    return {"metrics": {"index": frame.index}, "events": [{"kind": "passed"}]}
"""


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """``a.mp4``, ``b.mp4`` of five frames each, ``bad.mp4`` that is none, ``sub/a.mp4`` and a text."""
    folder = tmp_path / "clips"
    (folder / "sub").mkdir(parents=True)
    make_clip(folder / "a.mp4", frames=5, width=64, height=48)
    shutil.copy(folder / "a.mp4", folder / "b.mp4")
    shutil.copy(folder / "a.mp4", folder / "sub" / "a.mp4")
    (folder / "bad.mp4").write_bytes(b"no video")
    (folder / "notes.txt").write_text("no video either")
    return folder


def test_many_files(clips: Path, tmp_path: Path) -> None:
    """A row and results for each; a file that fails fails the run, and the next run goes on with that one."""
    out = tmp_path / "out"
    command = ("run", clips / "**" / "*.mp4", "-p", "motion", "--out-dir", out, "--export", "csv", "--export", "coco")
    first = kinora(*command)
    table = [line.split("\t") for line in first.stdout.splitlines()]
    assert table[0][:3] == ["source", "status", "frames"]
    assert [(Path(row[0]).name, row[1], row[2]) for row in table[1:]] == [
        ("a.mp4", "done", "5"),
        ("b.mp4", "done", "5"),
        ("bad.mp4", "failed", "0"),
        ("a.mp4", "done", "5"),
    ]
    assert "is not a video or image" in table[3][-1]
    assert first.stderr.splitlines()[-1] == "4 sources: 3 done, 1 failed"
    assert first.returncode == 1
    names = ("b", "clips_a", "sub_a")
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [FILE, *(f"{name}.{ending}" for name in names for ending in ("csv", "coco.json"))]
    )
    assert next(csv.DictReader((out / "b.csv").read_text().splitlines()))["index"] == "0"
    assert len(json.loads((out / "sub_a.coco.json").read_text())["images"]) == 5

    shutil.copy(clips / "a.mp4", clips / "bad.mp4")
    (out / "b.csv").unlink()
    second = kinora(*command, "--json", "--jobs", "1")
    assert second.returncode == 0
    told: list[dict[str, Any]] = json.loads(second.stdout)
    assert [(entry["done_before"], entry["frames"]) for entry in told] == [(True, 5), (False, 5), (False, 5), (True, 5)]
    assert told[2]["files"] == [str(out / "bad.csv"), str(out / "bad.coco.json")]
    assert (out / "bad.csv").exists()
    assert (out / "b.csv").exists()


def test_an_interrupted_run_keeps_what_was_done(clips: Path, tmp_path: Path) -> None:
    """On a terminal each file has a row. After Ctrl-C complete results are there, and nothing of others."""
    large, out = tmp_path / "large.mp4", tmp_path / "out"
    make_clip(large, frames=5, width=128, height=96)
    stuck = plugin(tmp_path, "stuck", STUCK)
    command = ("run", clips / "a.mp4", large, "-p", stuck, "--out-dir", out, "--jobs", "1", "--show-output")
    with on_terminal(*command, LINES="40") as terminal:
        shown = terminal.read_until("it hangs")
        assert "large queued" in shown
        if "a done" not in shown:  # what a plugin prints may be shown before the table
            terminal.read_until("a done")
        terminal.process.send_signal(signal.SIGINT)
        told = terminal.read_until("kinora: interrupted")
        assert "2 sources: 1 done" in told
        assert "1 not done yet: the same command goes on with them" in told
        assert terminal.process.wait(LIMIT_S) == 130
    assert sorted(path.name for path in out.iterdir()) == ["a.jsonl", FILE]
    lines = [json.loads(line) for line in (out / "a.jsonl").read_text().splitlines()]
    frames = [line["results"]["stuck"]["metrics"]["index"] for line in lines if "results" in line]
    assert frames == [0, 1, 2, 3, 4]
    assert [line["event"]["kind"] for line in lines if "event" in line] == ["passed"] * 5


def test_what_cannot_be_meant_is_refused(clips: Path, tmp_path: Path) -> None:
    """In a sentence each, before anything runs."""
    with pytest.raises(Misuse, match=r"These are 3 sources: give a folder .* --out-dir DIR"):
        only_source([str(clips / "*.mp4")])
    for wishes, sentence in (
        ({"out": tmp_path / "x.csv"}, "--out is the file of one source"),
        ({"annotate": tmp_path / "x.mp4"}, "--annotate is the file of one source"),
        ({"export": ["coco=dir"]}, "with --out-dir write one of jsonl, json, ndjson, csv"),
    ):
        with pytest.raises(Misuse, match=sentence):
            forms_of(arguments(**wishes))
    for file in (clips / "notes.txt", clips / "notes.txt" / "out"):
        with pytest.raises(Misuse, match="is a file, or in one: give a folder"), OutFolder.open(file, []):
            pass
    assert forms_of(arguments()) == ("jsonl",)
    assert forms_of(arguments(export=["csv", "coco", "csv"])) == ["csv", "coco"]
    with pytest.raises(Misuse, match="--jobs is for many sources"):
        check_outputs(arguments(jobs=2))


def arguments(**wishes: Any) -> RunArguments:
    """Those of a run of many sources, with these wishes."""
    return RunArguments(**{**dict.fromkeys(field.name for field in attrs.fields(RunArguments)), "export": [], **wishes})


def test_sources(clips: Path) -> None:
    """Patterns take media, a folder stands for its videos, and each file comes once, in the order given."""

    def found(*written: str | Path, each_video: bool = True) -> list[str]:
        sources = sources_of([str(text) for text in written], each_video=each_video)
        return [source.key.removeprefix(f"{clips}/") for source in sources]

    assert found(clips / "*") == ["a.mp4", "b.mp4", "bad.mp4", "sub/a.mp4"]
    assert found(clips / "b.mp4", clips / "[ab].mp4") == ["b.mp4", "a.mp4"]
    assert found(clips, each_video=False) == [str(clips)]
    assert found("demo:", "http://127.0.0.1/x.mp4") == ["demo:", "http://127.0.0.1/x.mp4"]
    assert only_source([str(clips / "sub" / "*")]) == str(clips / "sub" / "a.mp4")
    assert only_source([f"https://h/{'x' * 300}.mp4"]) == f"https://h/{'x' * 300}.mp4"
    with pytest.raises(Misuse, match="is a folder of videos: give a folder for their results"):
        only_source([str(clips)])
    (clips / "still.png").touch()
    assert only_source([str(clips)]) == str(clips)
    (clips / "still.png").unlink()
    for nothing in (clips / "*.avi", clips / "c.mp4"):
        with pytest.raises(Misuse):
            found(nothing)
    (clips / "[x].mp4").touch()
    assert found(clips / "[x].mp4") == ["[x].mp4"]


def test_names(tmp_path: Path) -> None:
    """As short as they can be; those of earlier runs stay, and none leads out of the folder."""

    def named(*paths: str, known: dict[str, str] | None = None) -> list[str]:
        return list(names_of([Source(path, Path(path)) for path in paths], known or {}).values())

    assert named("/v/a.mp4", "/v/b.mp4") == ["a", "b"]
    assert named("/v/a.mp4", "/v/a.mov") == ["a.mp4", "a.mov"]
    assert named("/v/a.mp4", "/w/a.mp4") == ["v_a", "w_a"]
    assert named("/v/a.mp4", "/w/a.mp4", known={"/v/a.mp4": "a"}) == ["a", "w_a"]
    assert named("/v/a.mp4", known={"/gone/a.mp4": "a", "/x": "a.mp4", "/y": "v_a", "/z": "v_a.mp4"}) == ["v_a.mp4-2"]
    assert named("/v/..", "/v/ü -\n*.mp4") == ["source", "ü -"]
    urls = [Source(url, None) for url in ("https://h/a/c.mp4?x=/..", "demo:", "https://h/")]
    assert list(names_of(urls, {}).values()) == ["c", "demo", "h"]


def test_the_record(tmp_path: Path) -> None:
    """A source is done as long as neither it nor the wishes change; lines that cannot be read count for nothing."""
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"1")
    source = Source.of(str(clip))
    version = version_of(source)
    with OutFolder.open(tmp_path / "out", ["csv"]) as out:
        entry = Entry(source=source.key, version=version, asked="x", name="clip", forms=("csv",), summary={})
        Record(out.folder).add(entry)
        file = out.folder / FILE
        outside = msgspec.structs.replace(entry, name="../clip")
        file.write_bytes(file.read_bytes() + msgspec.json.encode(outside) + b'\n{"source": "torn')
        Record(out.folder).add(msgspec.structs.replace(entry, source="demo:"))
        record = Record(out.folder)
        assert record.names == {source.key: "clip", "demo:": "clip"}
        assert record.done(source, version, "x", ["csv"]) == entry
        assert record.done(source, version, "y", ["csv"]) is None
        assert record.done(source, version, "x", ["csv", "coco"]) is None
        with pytest.raises(Misuse, match="Another kinora run writes"), OutFolder.open(out.folder, ["csv"]):
            pass
    clip.write_bytes(b"22")
    assert version_of(source) != version
    folder = Source.of(str(tmp_path))
    before = version_of(folder)
    clip.write_bytes(b"333")
    assert version_of(folder) != before
