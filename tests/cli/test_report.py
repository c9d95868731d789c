"""What people read of a job: its report, its progress, and the plugins' own texts in both."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

from kinora.cli.jobs import for_people
from kinora.cli.local.plugin_output import LINE_BYTES, PluginOutput
from kinora.cli.terminal.live import Moment, live_progress
from kinora.cli.terminal.output import counted, local_time, print_table
from kinora.cli.terminal.report import SHOWN_TRACEBACK_LINES, Tally, failed_plugins, print_summary, summary
from kinora.cli.terminal.results_text import WIDTH, result_lines
from kinora.cli.terminal.tracebacks import own_lines, own_place
from kinora.cli.watch import described
from kinora.client import Message

STAGE: dict[str, Any] = {
    "status": "completed",
    "health": "ok",
    "frames": 4,
    "failures": 0,
    "restarts": 0,
    "run_ms": {"mean": 1.5, "p95": 2.5},
    "finalize": None,
    "errors": [],
}
RAISED = """Traceback (most recent call last):
  File "/opt/kinora/plugins/worker.py", line 190, in _timed
    value = method()
            ^^^^^^^^
  File "/home/me/mine/count.py", line 12, in process_frame
    return lookup(frame)
  File "/home/me/mine/table.py", line 3, in lookup
    return numpy.take([], 3)
  File "/usr/lib/python3/site-packages/numpy/core.py", line 99, in take
    raise IndexError
IndexError: no 3
"""
CRASHED = """counting
Fatal Python error: Aborted

Current thread 0x00007f (most recent call first):
  File "/home/me/mine/count.py", line 5 in process_frame
  File "/opt/kinora/plugins/worker.py", line 154 in process
  File "<string>", line 4 in <module>

Extension modules: numpy, av (total: 2)
"""


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It does."""
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Terminal]:
    """Makes both outputs a terminal of some columns, without colours."""

    def make(columns: int) -> Terminal:
        made = Terminal()
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("LINES", "50")
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(sys, "stdout", made)
        monkeypatch.setattr(sys, "stderr", made)
        return made

    return make


def plain(text: str) -> list[str]:
    """The lines of what was written to a terminal, without its control sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n").split("\n")


def state(stages: dict[str, dict[str, Any]], groups: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A job's ``/extended`` after four frames."""
    return {
        "job_id": "j",
        "status": "done",
        "stage": "finalizing",
        "outages": [],
        "duration_ms": 2000.0,
        "error": None,
        "device_used": "cpu",
        "frames_done": 4,
        "frames_dropped": 0,
        "started_at": "2026-11-26T05:00:00.000Z",
        "finished_at": "2026-11-26T05:00:09.000Z",
        "plugin_timings": dict.fromkeys(stages, 6.0),
        "plugins": {name: STAGE | changed for name, changed in stages.items()},
        "warning_groups": groups or [],
        "warnings": [f"{group['plugin']}: {group['message']}" for group in groups or []],
    }


def group(plugin: str, code: str, message: str, count: int = 1) -> dict[str, Any]:
    """One warning with its repeats."""
    return {"plugin": plugin, "code": code, "message": message, "count": count}


def tally(**results: Any) -> Tally:
    """A result of each of these plugins, on one frame."""
    counts = Tally()
    for plugin, result in results.items():
        counts.add(plugin, result)
    return counts


def test_counts_have_their_plural() -> None:
    """One is singular, none and many are plural, and thousands are set apart."""
    assert [counted(number, "frame") for number in (0, 1, 2, 1200)] == [
        "0 frames",
        "1 frame",
        "2 frames",
        "1,200 frames",
    ]


def test_times_are_local(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time of the server is shown in the zone of the reader."""
    assert re.fullmatch(r"2026-11-2[567] \d\d:[0-5]\d:07", local_time("2026-11-26T05:00:07.123Z"))


def test_the_place_is_the_authors_own() -> None:
    """The last line in the author's folder, not in a library; of a crash the line that crashed."""
    assert own_place(RAISED) == "/home/me/mine/table.py:3"
    assert own_place(CRASHED) == "/home/me/mine/count.py:5"
    assert own_place("out of cheese") is None
    assert own_lines(RAISED)[:2] == ["/home/me/mine/count.py:12, in process_frame", "    return lookup(frame)"]
    assert own_lines(RAISED)[-1] == "IndexError: no 3"
    assert own_lines(CRASHED) == [
        "counting",
        "Fatal Python error: Aborted",
        "/home/me/mine/count.py:5, in process_frame",
    ]


def test_places_are_relative_to_the_working_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """As an author would write them there."""
    monkeypatch.chdir(tmp_path)
    assert own_place(f'  File "{tmp_path}/a.py", line 7, in f\n') == "a.py:7"


def test_a_result_is_taken_apart_where_it_is_long() -> None:
    """Short members are one line, long ones one for each part; long lists of numbers are cut."""
    scenes = [{"start": n, "end": n + 1, "name": "a scene"} for n in range(3)]
    assert result_lines({"n": 1, "scenes": scenes, "deep": {"a": {"b": {"c": "x" * 99}}}}) == [
        "n: 1",
        "scenes:",
        *(f'  - {{"start":{n},"end":{n + 1},"name":"a scene"}}' for n in range(3)),
        "deep:",
        "  a:",
        f'    b: {{"c":"{"x" * (WIDTH - 15)} …',
    ]
    (numbers,) = result_lines({"numbers": list(range(500))})
    assert len(numbers) == WIDTH
    assert numbers.endswith(" … 500 in all")


@pytest.mark.parametrize(
    ("stage", "groups", "why"),
    [
        ({}, [], None),
        ({}, [group("p", "PLUGIN_ERROR", "ValueError: a", 3)], None),
        ({}, [group("p", "PLUGIN_ERROR", "ValueError: a", 4)], "ValueError: a (4 times)"),
        ({}, [group("p", "PLUGIN_BAD_RESULT", "b", 3), group("p", "PLUGIN_ERROR", "a")], "b (3 times)"),
        ({}, [group("q", "PLUGIN_ERROR", "ValueError: a", 4)], None),
        ({}, [group("p", "PLUGIN_SLOW", "slow", 4)], None),
        ({"status": "failed"}, [group("p", "PLUGIN_CRASH", "died", 3)], "died (3 times)"),
        ({}, [group("p", "PLUGIN_ERROR", "finalize: KeyError: 'a'")], "finalize: KeyError: 'a'"),
        ({"every": 3}, [group("p", "PLUGIN_ERROR", "a", 2)], "a (2 times)"),
        ({"side": True, "passed_over": 2}, [group("p", "PLUGIN_ERROR", "a", 2)], "a (2 times)"),
        ({"side": True, "passed_over": 1}, [group("p", "PLUGIN_ERROR", "a", 2)], None),
        ({"side": True, "passed_over": 2, "late": 1}, [group("p", "PLUGIN_ERROR", "a", 2)], None),
    ],
)
def test_a_plugin_that_gave_nothing_has_failed(stage: dict[str, Any], groups: list[Any], why: str | None) -> None:
    """It was disabled, failed on every frame, or at the end; one that has nothing to say has not."""
    assert failed_plugins(state({"p": stage}, groups), Tally()) == ({} if why is None else {"p": why})


def test_a_plugin_with_results_has_not_failed() -> None:
    """However many frames it failed on."""
    groups = [group("p", "PLUGIN_BAD_RESULT", "a is NaN and became null", 4)]
    assert failed_plugins(state({"p": {}}, groups), tally(p={"a": None})) == {}


def test_what_a_plugin_at_the_side_left_out_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Only if there is one; a program finds the numbers in any case."""
    print_summary(summary(state({"p": {}}), tally()))
    assert "passed_over" not in capsys.readouterr().out
    summed = summary(state({"p": {}, "q": {"side": True, "passed_over": 3, "late": 1}}), tally())
    print_summary(summed)
    assert "passed_over" in capsys.readouterr().out
    assert [(plugin["passed_over"], plugin["late"]) for plugin in summed["plugins"].values()] == [(0, 0), (3, 1)]


def test_a_report_fits_a_terminal(terminal: Callable[[int], Terminal]) -> None:
    """No line of it is longer than 80 characters, and each part of it is bounded and says what it leaves out."""
    errors = [
        {"message": f"IndexError: {n}", "code": "PLUGIN_ERROR", "traceback": RAISED * 9, "frame_id": "frame-000001"}
        for n in range(5)
    ]
    stages = {
        f"plugin{n}": {"status": "failed", "health": "failed", "restarts": 2, "failures": 3, "errors": errors}
        for n in range(14)
    }
    groups = [group(name, "PLUGIN_ERROR", f"IndexError: {'many words ' * 90}", 3) for name in stages]
    stages["counts"] = {"finalize": {"items": [{"number": n, "text": "x" * 40} for n in range(30)]}}
    shown = terminal(80)
    print_summary(summary(state(stages, groups), tally()))
    lines = plain(shown.getvalue())
    assert max(map(len, lines)) <= 80
    assert lines[0] == "done, 14 plugins failed: 4 frames in 2.0 s, 2.0 fps, on cpu"
    for said in ("and 4 more failed plugins", "and 4 more warnings", "  and 19 more lines: --json has them all"):
        assert said in lines
    assert "and 65 more kinds of errors: --json has them all" in lines
    assert sum(line.startswith("  …") for line in lines) == 5
    assert len(lines) < 220


def test_a_long_traceback_is_shown_from_the_authors_line(capsys: pytest.CaptureFixture[str]) -> None:
    """And to its end: what is left out is in the middle. Of a process that died the last output is shown."""
    library = "".join(f'  File "/usr/lib/python3/json/{n}.py", line 3, in load\n    step({n})\n' for n in range(9))
    raised = RAISED.replace("IndexError: no 3\n", f"{library}IndexError: no 3\n")
    died = "".join(f"printed {n}\n" for n in range(19)) + CRASHED
    errors = [
        {"message": "IndexError: no 3", "code": "PLUGIN_ERROR", "traceback": raised, "frame_id": None},
        {"message": "it died", "code": "PLUGIN_CRASH", "traceback": died, "frame_id": None},
    ]
    print_summary(summary(state({"a": {"errors": errors}}), tally()))
    of_raised, of_died = capsys.readouterr().out.split("a, /home/me/mine/")[1:]
    assert of_raised.splitlines()[1] == "  /home/me/mine/count.py:12, in process_frame"
    assert of_raised.splitlines()[2] == "      return lookup(frame)"
    assert "\n  … 15 lines left out\n" in of_raised
    assert of_raised.endswith("\n  IndexError: no 3\n")
    assert of_died.splitlines()[1] == "  … 12 lines left out"
    assert of_died.splitlines()[-1] == "  /home/me/mine/count.py:5, in process_frame"
    assert len(of_raised.splitlines()) == len(of_died.splitlines()) == SHOWN_TRACEBACK_LINES + 2


def test_the_first_error_of_each_plugin_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    """A plugin with many kinds of errors hides no other's; a message that ends its traceback is not said twice."""
    errors = [
        {"message": f"E: {n}\nits end ", "code": "PLUGIN_ERROR", "traceback": f"E: {n}\nits end \n", "frame_id": None}
        for n in range(9)
    ]
    print_summary(summary(state({"a": {"errors": errors}, "b": {"errors": errors}}), tally()))
    said = capsys.readouterr().out
    assert re.findall(r"(\w): *\n  E: (\d)", said) == [("a", "0"), ("b", "0"), ("a", "1"), ("b", "1"), ("a", "2")]
    assert said.count("its end") == 5


@pytest.mark.parametrize("columns", [80, 60, 40, 20])
def test_a_table_leaves_out_what_does_not_fit(terminal: Callable[[int], Terminal], columns: int) -> None:
    """The least telling columns first, and says so; numbers are aligned to the right."""
    shown = terminal(columns)
    rows = [["people", "completed", 1200, 1.25], ["motion", "failed", 3, None]]
    print_table(["plugin", "status", "frames", "mean_ms"], rows, optional=["mean_ms", "frames"])
    lines = plain(shown.getvalue())
    assert ("mean_ms" in lines[0]) == (columns >= 40)
    assert ("frames" in lines[0]) == (columns >= 40)
    assert any("left out" in line for line in lines) == (columns < 40)
    if columns >= 40:
        assert lines[1].rstrip() == "people  completed    1200     1.25"
        assert lines[2].rstrip() == "motion  failed          3        -"


def test_states_have_colours_unless_unwanted(
    terminal: Callable[[int], Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal a failure is red; with ``NO_COLOR`` nothing has a colour."""
    shown = terminal(80)
    print_table(["plugin", "status"], [["failed", "failed"]])
    assert shown.getvalue().count("\x1b[31mfailed\x1b[0m") == 1
    monkeypatch.setenv("NO_COLOR", "1")
    shown = terminal(80)
    print_table(["plugin", "status"], [["failed", "failed"]])
    assert "\x1b[31m" not in shown.getvalue()


def test_programs_read_values_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Truth is ``true``, small numbers keep their digits, lists are JSON."""
    print_table(["a", "b", "c", "d"], [[True, 0.003, ["x"], None]])
    assert capsys.readouterr().out == 'a\tb\tc\td\ntrue\t0.003\t["x"]\t-\n'


@pytest.mark.parametrize("columns", [30, 60, 100])
@pytest.mark.parametrize("total", [None, 1, 60_000])
def test_progress_fits_a_terminal(terminal: Callable[[int], Terminal], columns: int, total: int | None) -> None:
    """A source of any length, also one of unknown length, and what plugins print meanwhile."""
    shown = terminal(columns)
    found = {"people": 1234, "tracker": 1234, "motion": 5}
    with live_progress(lines=False) as live:
        live.show(Moment(stage="running", done=1, total=total, detections=found, warnings=1))
        live.say("mine: a line")
        live.show(Moment(stage="done", done=1, total=total, detections=found, warnings=1))
    lines = plain(shown.getvalue())
    assert max(map(len, lines)) <= columns
    assert "mine: a line" in lines
    assert any(line.startswith("done ") and (f"1/{total:,}" if total else "1 frame") in line for line in lines)


def test_progress_without_a_terminal_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    """Not one for each frame; one warning is singular."""
    with live_progress(lines=True) as live:
        for done in range(100):
            live.show(Moment(stage="running", done=done, total=100, warnings=1))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[1].startswith("running: 10 of 100 frames · ")
    assert lines[1].endswith(" fps · 1 warning")


def test_output_is_shown_in_lines() -> None:
    """In whatever parts it comes; a line without end when the worker ends, or when it is too long to wait for."""
    said: list[str] = []
    output = PluginOutput()
    output.plugins = ["mine"]
    with output.said_by(said.append):
        for part in (b"one\ntw", b"o\n", b"\xff\r\nrest", b""):
            output.hear("job/mine", part)
        output.hear("job/other", b"not of this job\n")
        output.hear("inspect mine", b"while it is imported\n")
        assert said == ["mine: one", "mine: two", "mine: \\xff", "mine: rest"]
        output.hear("job/mine", b"x" * (LINE_BYTES + 1))
        assert said[-1] == f"mine: {'x' * (LINE_BYTES + 1)}"


def test_a_list_of_jobs_tells_people_of_failed_plugins() -> None:
    """As the report of a run does."""
    job = {"job_id": "688a4f4d-1", "status": "done", "created_at": "2026-11-26T05:00:07.123Z"}
    assert [for_people({**job, "plugins_failed": names})["status"] for names in ([], ["a"], ["a", "b"])] == [
        "done",
        "done, 1 plugin failed",
        "done, 2 plugins failed",
    ]


def test_a_running_job_without_its_source_is_said_to_be_so() -> None:
    """In the list as in the report; what programs read is the status."""
    job = {"job_id": "688a4f4d-1", "created_at": "2026-11-26T05:00:07.123Z"}
    for stage, said in (("reconnecting", "reconnecting"), ("waiting", "waiting"), ("running", "running")):
        assert for_people({**job, "status": "running", "stage": stage})["status"] == said
    assert for_people({**job, "status": "interrupted", "stage": "reconnecting"})["status"] == "interrupted"


def test_a_report_says_when_warnings_came_and_the_source_was_away(capsys: pytest.CaptureFixture[str]) -> None:
    """With the frames, the length of outages, and the time as people read it."""
    at = "2026-11-26T05:00:07.123Z"
    groups = [
        {**group("p", "RESUMED", "began anew"), "frame_id": "frame-000007", "at": at},
        {**group("p", "PLUGIN_SLOW", "no", 3), "frame_id": None, "at": at},
        group("p", "PLUGIN_SLOW", "told by an earlier version"),
    ]
    outage = {"lost_at": at, "message": "cam is silent.", "seconds": None, "frame_id": None}
    outages = [{**outage, "seconds": 1234.5, "frame_id": "frame-000009"}, outage]
    live = state({"p": {}}, groups) | {"status": "running", "stage": "reconnecting", "outages": outages}
    print_summary(summary(live, tally()))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "reconnecting: 4 frames in 2.0 s, 2.0 fps, on cpu"
    assert [line for line in lines if line.startswith(("warning", "outage"))] == [
        f"warning: p: began anew ({local_time(at)}, frame-000007)",
        f"warning: p: no (first {local_time(at)})",
        "warning: p: told by an earlier version",
        f"outage: {local_time(at)}, back after 1,234.5 s at frame-000009: cam is silent.",
        f"outage: {local_time(at)}, not back: cam is silent.",
    ]


def test_a_line_of_progress_says_how_many_frames_are_done() -> None:
    """A source without an end has no per cent, and every line would be the same."""
    payload = {"job_id": "688a4f4d-1", "progress": None, "stage": "running", "frames_done": 1200}
    event = {
        "job_id": "0123456789",
        "plugin": "zones",
        "kind": "entered",
        "message": "",
        "data": {"zone": "door"},
        "frame_id": "frame-000012",
        "index": 12,
        "timestamp_ms": 1200.0,
    }
    told = described(Message(type="event", payload=event, timestamp="2026-11-26T05:00:07.123Z", id="e-1"))
    assert told is not None
    assert told.endswith('  event           zones: entered at 1.2 s (frame-000012): {"zone":"door"}')
    line = described(Message(type="progress", payload=payload, timestamp="2026-11-26T05:00:07.123Z", id="e-1"))
    assert line is not None
    assert line.endswith("running, 1,200 frames")
