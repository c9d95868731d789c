"""An OpenCV that other packages were installed over: said before a job, with the commands that mend it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kinora.plugins import opencv
from kinora.plugins.opencv import MEND, opencv_damage, require_opencv

REAL = """
import importlib, sys
sys.path.remove({folder!r})
del sys.modules["cv2"]
real = importlib.import_module("cv2")
sys.path.insert(0, {folder!r})
del real.HOGDescriptor, real.CascadeClassifier
"""
"""An OpenCV in front of the real one, that lacks what OpenCV 5 lacks."""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of packages with opencv-python in it."""
    information = tmp_path / "opencv_python-5.0.0.93.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: opencv-python\nVersion: 5.0.0.93\n")
    (tmp_path / "cv2").mkdir()
    return tmp_path


def run(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with this folder in front of all others."""
    paths = os.pathsep.join([str(site), str(Path(__file__).parents[2])])
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_plugins_that_cannot_work_are_listed_broken(site: Path) -> None:
    """They say which package to remove and how; those that need less work as ever."""
    (site / "cv2" / "__init__.py").write_text(REAL.format(folder=str(site)))
    listed = run(site, "-m", "kinora", "plugins", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    broken: dict[str, Any] = {entry["name"]: entry["broken"] for entry in json.loads(listed.stdout)}
    assert (broken["motion"], broken["colors"]) == (None, None)
    for name, missing in (("people", "HOGDescriptor"), ("faces", "CascadeClassifier")):
        assert f"has no {missing}: opencv-python 5.0.0.93 and opencv-python-headless 4." in broken[name]
        assert broken[name].endswith(f" are installed over each other; run pip uninstall -y opencv-python, then {MEND}")


def test_an_opencv_that_cannot_be_imported_is_told_in_a_sentence(site: Path) -> None:
    """As that with windows, on a machine without a screen's libraries."""
    (site / "cv2" / "__init__.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    listed = run(site, "-m", "kinora", "plugins", "list")
    assert listed.returncode == 1
    last = listed.stderr.splitlines()[-1]
    assert last.startswith("kinora: Kinora cannot run workers: cv2 cannot be imported: ImportError: libGL.so.1: cannot")
    assert last.endswith(f"installed over each other; run pip uninstall -y opencv-python, then {MEND}.")


def test_remains_of_opencv_are_told_at_the_start(site: Path) -> None:
    """What an uninstalled package left behind cannot be imported, so nothing could start."""
    code = f"import runpy; print(runpy.run_path({opencv.__file__!r})['opencv_damage']())"
    said = run(site, "-S", "-c", code)  # without the real one
    assert said.stdout.strip() == (
        f"OpenCV is missing or damaged: it is opencv-python 5.0.0.93; run pip uninstall -y opencv-python, then {MEND}."
    )


def test_the_opencv_that_comes_with_kinora_will_do() -> None:
    """And where it lacks something, it is to be installed again."""
    assert opencv_damage() is None
    require_opencv("HOGDescriptor", "CascadeClassifier")
    with pytest.raises(
        ImportError, match=r"this OpenCV \(4\..*\) has no Teleporter: run pip install --force-reinstall"
    ):
        require_opencv("HOGDescriptor", "Teleporter")
