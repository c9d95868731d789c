"""A real notebook: its cells run in Jupyter's kernel, on whose event loop they are."""

from __future__ import annotations

import json
import os
import sys
from html import unescape
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.clips import make_clip

ROOT = Path(__file__).parents[2]
CELLS = (
    """
import kinora

def brightness(frame):
    return {"metrics": {"brightness": round(float(frame.image.mean()) / SCALE, 3)}}
""",
    "SCALE = 255",
    """
run = kinora.run("clip.mp4", plugins=["motion", brightness], max_frames=12)
frames = [frame.keep() for frame in run]
frames[5]
""",
    "run",
    """
seen = 0
async for frame in kinora.run("clip.mp4", plugins=[brightness], max_frames=3):
    seen += 1
seen
""",
)


def shown(cell: Any) -> dict[str, str]:
    """What a cell shows at its end, by type; what it prints is an error of this test."""
    (output,) = cell["outputs"]
    assert output["output_type"] == "execute_result", output
    return dict(output["data"])


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel of this Python, and no settings of this user."""
    folder = tmp_path / "jupyter"
    folder.mkdir()
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(folder / name.lower()))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path]))


@pytest.mark.usefixtures("kernels")
@pytest.mark.filterwarnings("ignore")  # those of Jupyter's own packages are theirs
def test_cells_run_a_function_of_another_cell_over_a_film(tmp_path: Path) -> None:
    """The function is a plugin with the globals of the notebook; frames and runs show themselves below their cell."""
    make_clip(tmp_path / "clip.mp4")
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "source": cell, "metadata": {}, "outputs": [], "execution_count": None} for cell in CELLS
    ]
    written = {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells}
    notebook = nbformat.reads(json.dumps(written), as_version=4)  # type: ignore[no-untyped-call]
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    frame, run, seen = (shown(cell) for cell in notebook.cells[2:])
    assert "clip.mp4: done, 12 frames" in run["text/html"]
    assert 'src="data:image/jpeg;base64,' in frame["text/html"]
    assert '{"metrics":{"brightness":0.' in unescape(frame["text/html"])
    assert seen["text/plain"] == "3"
