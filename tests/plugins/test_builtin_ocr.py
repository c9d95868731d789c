"""The ``ocr`` plugin, with the models that RapidOCR carries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from kinora.plugins.builtin.ocr import Ocr
from kinora.plugins.testing import run_plugin
from kinora.settings import Settings
from kinora.system import open_system
from tests.jobs_kit import write_plugin

AUDITED = """
import sys
TOUCHING = ("socket.connect", "socket.send", "socket.get", "os.mkdir", "os.rename", "os.remove", "subprocess.")
touched = []

def note(event, args):
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        touched.append([event, str(args[0])])
    elif event.startswith(TOUCHING):
        touched.append([event, repr(args)])

sys.addaudithook(note)
sys.dont_write_bytecode = True
import cv2, msgspec, numpy as np
from kinora.plugins.builtin.ocr import Ocr
from kinora.plugins.testing import run_plugin
image = np.full((120, 480, 3), 255, np.uint8)
cv2.putText(image, "OFFLINE 42", (20, 80), cv2.FONT_HERSHEY_SIMPLEX, 2, (0, 0, 0), 4)
(result,) = run_plugin(Ocr, [image], {"turned": True}).results
print(msgspec.json.encode([[found["text"] for found in result["detections"]], touched]).decode())
"""


def written(*lines: tuple[str, int, int], width: int = 640, height: int = 360) -> NDArray[np.uint8]:
    """Dark text on light paper, each line with its left end and its baseline."""
    image = np.full((height, width, 3), 235, np.uint8)
    for text, x, y in lines:
        cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (40, 30, 20), 3, cv2.LINE_AA)
    return image


def read(image: NDArray[np.uint8], **options: Any) -> list[dict[str, Any]]:
    """The lines found in a picture."""
    (result,) = run_plugin(Ocr, [image], options).results
    assert result is not None
    return list(result["detections"])


def test_lines_are_read_where_they_stand() -> None:
    """Each line of text gets its text, a box and the corners of its outline, from top to bottom."""
    first, second = read(written(("Hello Kinora", 60, 100), ("Room 2047", 240, 280)))
    assert (first["text"], second["text"]) == ("Hello Kinora", "Room 2047")
    for line, x, baseline in ((first, 60, 100), (second, 240, 280)):
        assert line["class"] == "text"
        assert line["confidence"] > 0.9
        assert abs(line["x"] - x) < 15
        assert line["y"] < baseline - 20
        assert line["y"] + line["height"] > baseline - 10
        assert len(line["polygon"]) == 4
        corners = np.array(line["polygon"])
        assert corners[:, 0].min() == pytest.approx(line["x"], abs=0.1)
        assert corners[:, 1].max() == pytest.approx(line["y"] + line["height"], abs=0.1)


def test_nothing_written() -> None:
    """Blank paper, and a picture of a few pixels, give no lines."""
    assert read(written()) == []
    assert read(np.zeros((4, 3, 3), np.uint8)) == []


def test_a_long_strip_is_no_trouble() -> None:
    """A strip of one pixel has no text, and takes no gigabytes; text in a strip that is wide enough is read in it."""
    for width, height in ((20_000, 1), (1, 1_900)):
        assert read(np.zeros((height, width, 3), np.uint8)) == []
    strip = written(("Hello Kinora", 60, 50), width=3_500, height=64)
    (line,) = read(strip, size=2_000)
    assert line["text"] == "Hello Kinora"
    assert line["y"] + line["height"] <= 64
    assert np.array(line["polygon"])[:, 1].max() <= 64


def test_options_of_reading() -> None:
    """Text upside down is read when asked for, and lines of too little confidence are left out."""
    turned = np.ascontiguousarray(written(("Hello Kinora", 60, 200))[::-1, ::-1])
    assert [line["text"] for line in read(turned, turned=True)] == ["Hello Kinora"]
    assert read(written(("Hello Kinora", 60, 100)), confidence=1.0) == []


def test_it_stays_at_home(tmp_path: Path) -> None:
    """Importing it, loading its models and reading touch no network, start nothing and write no file.

    What native code writes in the user's folder, as onnxruntime's telemetry does before it sends it, would be found.
    """
    own = {"HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}  # CI=… alone would stop the telemetry
    done = subprocess.run([sys.executable, "-c", AUDITED], capture_output=True, check=True, text=True, env=own)
    assert msgspec.json.decode(done.stdout) == [["OFFLINE 42"], []]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("extra", "plugin", "missing"), [("onnx", "Onnx", "onnxruntime"), ("ocr", "Ocr", "rapidocr")])
async def test_without_its_extra(settings: Settings, plugins_dir: Path, extra: str, plugin: str, missing: str) -> None:
    """If their libraries are not installed, both plugins are listed as broken, with the command that helps."""
    code = f"sys.modules[{missing!r}] = None\nfrom kinora.plugins.builtin.{extra} import {plugin}\n"
    write_plugin(plugins_dir, "wanting", code)
    async with open_system(settings) as system:
        entry = system.plugins.get("wanting")
    assert entry is not None
    place = f"({plugins_dir / 'wanting.py'}, line 6)"
    assert entry.broken == f"ImportError: {missing} is not installed: pip install 'kinora[{extra}]' {place}"
