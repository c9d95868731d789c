"""A path that leads nowhere is told with the one that was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinora.runtime.files.missing_paths import no_such_path


def test_the_nearest_file_is_named_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same folder before it; of a folder that there is not, nothing is named."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "clips" / "yard.mp4").touch()
    assert (
        no_such_path("file", "clips/yrad.mp4") == "There is no file clips/yrad.mp4; the nearest one is clips/yard.mp4"
    )
    assert no_such_path("file", "clip/") == "There is no file clip/; the nearest one is clips"
    assert no_such_path("file", "gone/yard.mp4") == "There is no file gone/yard.mp4"
    assert no_such_path("file", "link") == "There is no file link"
    assert no_such_path("file", "demo", "demo:") == "There is no file demo; the nearest one is demo:"
