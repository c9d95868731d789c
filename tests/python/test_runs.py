"""``kinora.run``: a loop over the frames of a source in a program, and what is left of it."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import av
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pycocotools.coco import COCO

import kinora
from kinora.plugins import Frame, Plugin, PluginMetadata
from kinora.python.pickling import pickled
from kinora.runtime.linux.processes import descendants
from tests.clips import make_clip

FRAMES = 30
BROKEN_AT = 4
DARK_AT = 6


def brightness(frame: Frame) -> Mapping[str, Any]:
    """The mean of all pixels; it cannot do one of the frames."""
    if frame.index == BROKEN_AT:
        raise ValueError("too dark")
    events = [{"kind": "dark", "message": "It got dark.", "data": {"by": 3}}] if frame.index == DARK_AT else []
    return {"metrics": {"brightness": float(frame.image.mean())}, "events": events}


class Boxes(Plugin):
    """Finds the same box on each frame, and counts the frames."""

    metadata = PluginMetadata(name="boxes")
    count = 0

    def process_frame(self, frame: Frame) -> Mapping[str, Any]:
        """One box, which moves."""
        self.count += 1
        print("frame", frame.index)  # noqa: T201 - this is what it shows
        box = {"x": 10 + frame.index, "y": 20, "width": 30, "height": 40, "confidence": 0.5, "class": "box"}
        return {"detections": [{**box, "track_id": 7}]}

    def finalize(self) -> Mapping[str, Any]:
        """The frames."""
        return {"count": self.count}


@attrs.frozen
class GoneThrough:
    """A run at its end, and what its loop has seen."""

    run: kinora.Run
    frames: list[kinora.RunFrame]
    means: list[float]
    writeable: set[bool]
    copied: set[bool]
    held: list[NDArray[np.uint8]]
    """Views of some pictures, which do no harm when the run is over."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of 30 frames."""
    return make_clip(tmp_path_factory.mktemp("films") / "clip.mp4", frames=FRAMES)


@pytest.fixture(scope="module")
def done(clip: Path) -> GoneThrough:
    """A whole run of a function and a class of this program."""
    run = kinora.run(clip, plugins=[brightness, Boxes])
    seen = GoneThrough(run, [], [], set(), set(), [])
    for frame in run:
        seen.frames.append(frame)
        seen.means.append(float(frame.image.mean()))
        seen.writeable.add(frame.image.flags.writeable)
        seen.copied.add(frame.image.flags.owndata)
        seen.held.append(frame.image[10:20])
        if frame.index == 1:
            frame.keep()
    return seen


def means_of(clip: Path) -> Iterator[float]:
    """What PyAV sees in the film."""
    with av.open(str(clip)) as film:
        for picture in film.decode(video=0):
            yield float(picture.to_ndarray(format="bgr24").mean())


def test_a_loop_sees_each_frame_with_its_picture_and_its_results(clip: Path, done: GoneThrough) -> None:
    """The pictures are those of the film, of which nobody has made a copy, and that nobody can change."""
    assert [frame.index for frame in done.frames] == list(range(FRAMES))
    assert done.frames[3].timestamp_ms == 300
    assert done.means == pytest.approx(list(means_of(clip)), abs=2)
    assert (done.writeable, done.copied) == ({False}, {False})
    assert {part.shape for part in done.held} == {(10, 160, 3)}
    told = [frame["brightness"]["metrics"]["brightness"] for frame in done.frames if frame.index != BROKEN_AT]
    assert told == pytest.approx([mean for index, mean in enumerate(done.means) if index != BROKEN_AT])
    assert done.run.status == "done"
    assert done.run.final == {"boxes": {"count": FRAMES}}
    assert done.run.logs["boxes"].splitlines() == [f"frame {index}" for index in range(FRAMES)]


def test_detections_are_columns_of_numpy(done: GoneThrough) -> None:
    """They can be chosen from as arrays are."""
    found = done.frames[2].detections
    assert found.xyxy.tolist() == [[12, 20, 42, 60]]
    assert (found.xyxy.dtype.name, found.confidence.tolist(), found.track_id.tolist()) == ("float32", [0.5], [7])
    assert (found.class_name.tolist(), found.plugin.tolist()) == (["box"], ["boxes"])
    assert len(found[found.confidence > 0.6]) == 0
    boxes = done.frames[2]["boxes"]
    assert boxes.xyxy.tolist() == boxes.detections.xyxy.tolist() == found.xyxy.tolist()
    assert (boxes.class_name.tolist(), boxes.confidence.tolist(), boxes.track_id.tolist()) == (["box"], [0.5], [7])


def test_a_plugin_that_fails_is_told_by_the_frame(done: GoneThrough) -> None:
    """With the line of this file. The loop goes on, with the results of the others."""
    failed, line = done.frames[BROKEN_AT], brightness.__code__.co_firstlineno + 3
    message = f"ValueError: too dark (test_runs.py, line {line}, in brightness)"
    assert failed.errors == {"brightness": message}
    assert [frame.index for frame in done.frames if frame.errors] == [BROKEN_AT]
    assert list(failed) == ["boxes"]
    with pytest.raises(KeyError, match="too dark"):
        failed["brightness"]
    assert done.run.warnings == (f"brightness: {message}",)


def test_events_are_told_by_the_frame_and_kept_by_the_run(done: GoneThrough) -> None:
    """With what the plugin says of them."""
    event = {"plugin": "brightness", "kind": "dark", "message": "It got dark.", "data": {"by": 3}}
    assert {frame.index: list(frame.events) for frame in done.frames if frame.events} == {DARK_AT: [event]}
    assert [told["index"] for told in done.run.events] == [DARK_AT]
    assert event.items() <= done.run.events[0].items()


def test_a_picture_is_gone_after_its_turn_unless_it_is_kept(done: GoneThrough) -> None:
    """Its place in the ring is another frame's then."""
    with pytest.raises(kinora.PictureGone, match="keep"):
        _ = done.frames[0].image
    assert done.frames[1].image.mean() == pytest.approx(done.means[1])
    assert done.frames[1].plot().shape == done.frames[1].image.shape
    assert not np.array_equal(done.frames[1].plot(), done.frames[1].image)
    assert "data:image/jpeg;base64," in done.frames[1]._repr_html_()
    assert "keep" in done.frames[0]._repr_html_()


def test_a_run_is_gone_through_once(done: GoneThrough) -> None:
    """A second loop would be another run."""
    with pytest.raises(kinora.RunError, match="already"):
        list(done.run)


def test_what_was_found_comes_as_tables(done: GoneThrough) -> None:
    """Of pandas and of Arrow, with the same rows."""
    table, arrow = done.run.to_pandas(), done.run.to_arrow()
    assert len(table) == arrow.num_rows == 2 * FRAMES - 1
    boxes = table[table["class"] == "box"]
    assert boxes["x"].tolist() == [10.0 + index for index in range(FRAMES)]
    assert boxes["track_id"].tolist() == [7] * FRAMES
    assert str(table["index"].dtype) == "Int64"
    assert arrow.column("x").to_pylist() == [None if np.isnan(x) else x for x in table["x"]]


def test_what_was_found_is_exported(done: GoneThrough, tmp_path: Path) -> None:
    """COCO's own library and pandas read it; a form that there is not is refused with those that there are."""
    (file,) = done.run.export("coco", tmp_path / "coco")
    assert len(COCO(str(file)).getAnnIds()) == FRAMES
    assert len(done.run.export("yolo", tmp_path / "yolo")) == FRAMES + 1
    places = done.run.to_pandas()["x"].dropna().tolist()
    (csv,), (parquet,) = done.run.export("csv", tmp_path), done.run.export("parquet", tmp_path)
    assert pd.read_csv(csv)["x"].dropna().tolist() == pd.read_parquet(parquet)["x"].dropna().tolist() == places
    (lines,), (document,) = done.run.export("ndjson", tmp_path), done.run.export("json", tmp_path)
    told = json.loads(document.read_text())
    assert (told["job_id"], told["status"]) == (done.run.job_id, "done")
    pd.testing.assert_frame_equal(pd.read_json(lines, lines=True), pd.DataFrame(told["frames"]), check_dtype=False)
    assert [frame["index"] for frame in told["frames"]] == list(range(FRAMES))
    with pytest.raises(kinora.RunError, match="cvat"):
        done.run.export("word", tmp_path)


def test_what_was_found_is_drawn_into_a_video(done: GoneThrough, tmp_path: Path) -> None:
    """As ``kinora run --annotate`` does."""
    with av.open(str(done.run.annotate(tmp_path / "out.mp4"))) as video:
        assert sum(1 for _ in video.decode(video=0)) == FRAMES
    with pytest.raises(kinora.RunError, match=r"\.mp4"):
        done.run.annotate(tmp_path / "out.txt")


def test_a_run_shows_itself_in_notebooks(done: GoneThrough) -> None:
    """By its state, its plugins and its warnings, as text that cannot be anything else."""
    assert "clip.mp4: done, 30 frames" in done.run._repr_html_()
    assert "too dark" in done.run._repr_html_()


def test_a_run_that_has_not_begun_says_how_it_begins(clip: Path) -> None:
    """With its source."""
    run = kinora.run(clip, plugins=["motion"])
    assert repr(run) == f"<run of {clip}, not begun: go through it by 'for frame in run'>"
    assert "not begun" in run._repr_html_()


def test_leaving_the_loop_cancels(clip: Path) -> None:
    """All its processes are gone then; the frame that it was left at keeps its picture."""
    before = set(descendants(os.getpid()))
    run = kinora.run(clip, plugins=[brightness], strict=True)
    for frame in run:
        if frame.index == 2:
            assert set(descendants(os.getpid())) > before
            break
    assert set(descendants(os.getpid())) == before
    assert run.status == "cancelled"
    assert frame.image.shape == (120, 160, 3)
    assert len(run.to_pandas()) == 3


async def ticking(ticks: list[None], pause: Any) -> None:
    """Count how often the event loop comes round."""
    while True:
        ticks.append(None)
        await pause(0.001)


def test_an_asyncio_program_goes_on_beside_a_run(clip: Path) -> None:
    """``async for`` waits for frames in a thread; a task that is cancelled cancels the run."""
    ticks: list[None] = []
    run = kinora.run(clip, plugins=[Boxes])
    seen: list[int] = []

    async def go_through() -> None:
        async for frame in run:
            seen.append(int(frame.image[0, 0, 0]))
            if len(seen) == 3:
                asyncio.current_task().cancel()  # type: ignore[union-attr]

    async def main() -> None:
        beside = asyncio.create_task(ticking(ticks, asyncio.sleep))
        going = asyncio.create_task(go_through())
        with pytest.raises(asyncio.CancelledError):
            await going
        beside.cancel()

    asyncio.run(main())
    assert len(seen) == 3
    assert len(ticks) > 10
    assert run.status == "cancelled"


def test_a_source_that_breaks_is_an_error_of_the_loop(tmp_path: Path) -> None:
    """One that is not there is refused at once; so are plugins that are none."""
    (tmp_path / "film.mp4").write_bytes(b"this is no film")
    with pytest.raises(kinora.RunError, match="film") as raised:
        list(kinora.run(tmp_path / "film.mp4", plugins=["motion"]))
    assert raised.value.__context__ is None  # else IPython shows it as mere text
    with pytest.raises(kinora.RunError, match="There is no file"):
        kinora.run(tmp_path / "nowhere.mp4", plugins=["motion"])
    with pytest.raises(kinora.RunError, match="There is no file"):
        kinora.run("~nobody42/film.mp4", plugins=["motion"])
    with pytest.raises(kinora.RunError, match="names no host"):
        kinora.run("http://", plugins=["motion"])


@pytest.mark.parametrize("folder", ["plugins_dir", "models_dir"])
def test_a_folder_that_is_not_there_is_refused_before_the_loop(clip: Path, tmp_path: Path, folder: str) -> None:
    """As by the command, so that a slip of the pen is not taken for an empty folder."""
    with pytest.raises(kinora.RunError, match="nowhere"):
        kinora.run(clip, plugins=["motion"], **{folder: tmp_path / "nowhere"})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("plugins", "words"),
    [
        ([], "at least one"),
        ([3], "not a plugin"),
        ([Path], "derive it"),
        ([Boxes()], "give its class, Boxes"),
        ([{"options": {}}], "name"),
    ],
)
def test_what_is_no_plugin_is_refused_before_the_loop(clip: Path, plugins: Any, words: str) -> None:
    """With a sentence that says what to write."""
    with pytest.raises(kinora.RunError, match=words):
        kinora.run(clip, plugins=plugins)


def test_a_class_that_cannot_work_is_refused_by_its_name(clip: Path) -> None:
    """In the loop, once its process has looked at it."""

    class Lazy(Plugin):
        metadata = PluginMetadata(name="lazy")

    with pytest.raises(kinora.RunError, match=r"lazy: .*Lazy does not define process_frame"):
        list(kinora.run(clip, plugins=[Lazy]))


def test_a_function_that_cannot_be_handed_over_is_refused(clip: Path) -> None:
    """As one that holds an open file."""
    with Path(os.devnull).open("rb") as file, pytest.raises(kinora.RunError, match="in prepare"):
        kinora.run(clip, plugins=[lambda frame: {"file": file.read(frame.index)}])


class Adder:
    """An object that is called as a function is."""

    def __call__(self, frame: Frame, more: int = 1) -> Mapping[str, Any]:
        """A number."""
        return {"metrics": {"sum": frame.index + more}}


def test_all_that_is_called_as_a_function_is_a_plugin(clip: Path) -> None:
    """Lambdas, of which each has its own name, partials, objects, and functions whose names no plugin may have."""

    def _private(frame: Frame) -> Mapping[str, Any]:
        return {"index": frame.index}

    def long(frame: Frame) -> Mapping[str, Any]:
        return {"index": frame.index}

    long.__name__ = "l" * 300

    def größe(frame: Frame) -> Mapping[str, Any]:  # noqa: PLC2401 - as people write
        return {"index": frame.index}

    plugins: list[Any] = [
        lambda frame: {"n": 1},
        lambda frame: {"n": 2},
        Adder(),
        partial(Adder(), more=5),
        _private,
        long,
        größe,
    ]
    with kinora.run(clip, plugins=plugins, max_frames=1) as run:
        (frame,) = run
    assert not frame.errors
    assert {name: dict(result) for name, result in frame.results.items()} == {
        "lambda": {"n": 1},
        "lambda-2": {"n": 2},
        "adder": {"metrics": {"sum": 1}},
        "adder-2": {"metrics": {"sum": 5}},
        "private": {"index": 0},
        "l" * 90: {"index": 0},
        "grosse": {"index": 0},
    }


def test_the_copy_of_a_function_has_the_lines_of_the_program() -> None:
    """Also where it is copied as a whole, as those of a script and of a notebook's cells are."""
    copied = pickle.loads(pickled(lambda frame: {"index": frame.index}))  # noqa: S301 - our own
    assert copied.__code__.co_filename == __file__


@pytest.mark.parametrize(("source", "said"), [(0, '"webcam:0"'), (["a.mp4"], "and not a list: call run once for each")])
def test_what_is_no_source_is_refused(source: object, said: str) -> None:
    """A number, as OpenCV names cameras, and a list; what to write is told, also for a server."""
    for run in (kinora.run, kinora.connect("http://127.0.0.1:9").run):
        with pytest.raises(kinora.RunError, match=said):
            run(source, plugins=["motion"])  # type: ignore[call-overload,arg-type,operator,unused-ignore]


def test_a_program_may_fork_and_end_in_the_middle_of_a_run(clip: Path) -> None:
    """The run goes on when a forked process ends. The program ends without a word, and none of its processes stays."""
    program = f"""
import os, sys
import kinora
from kinora.runtime.linux.processes import descendants
frames = iter(kinora.run({str(clip)!r}, plugins=["motion"]))
next(frames)
if os.fork() == 0:
    sys.exit()
os.wait()
for _ in range({FRAMES} - 2):
    next(frames)
print(*descendants(os.getpid()))
"""
    quiet = [sys.executable, "-W", "ignore:This process:DeprecationWarning"]  # from Python 3.12 on, of any fork
    done = subprocess.run([*quiet, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr == ""
    assert len(pids := done.stdout.split()) >= 3
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
