"""The form of the log, with real processes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.test_cli import KINORA, LIMIT_S


@pytest.mark.parametrize(("form", "is_json"), [("auto", True), ("json", True), ("console", False)])
def test_the_log_has_the_form_that_was_set(tmp_path: Path, form: str, is_json: bool) -> None:
    """Away from a terminal lines are JSON, unless the operator wants them for people."""
    (tmp_path / "file").write_text("")
    command = [*KINORA, "serve", "--port", "0", "--data-dir", str(tmp_path / "data"), "--media-dir", "."]
    env = {**os.environ, "KINORA_LOG_FORMAT": form, "KINORA_FROM_NOWHERE": "1", "KINORA_PLUGINS_DIR": "nowhere"}
    ended = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path, env=env, timeout=LIMIT_S)
    first = ended.stderr.splitlines()[0]
    assert "KINORA_FROM_NOWHERE: passed over" in first
    assert "\x1b" not in first
    if is_json:
        assert json.loads(first)["level"] == "warning"
    else:
        assert "[warning" in first
