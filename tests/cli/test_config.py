"""``kinora config show`` tells the settings as a server would have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from kinora.cli.config import shown_value
from kinora.cli.main import main
from kinora.settings import Settings
from kinora.settings.fields import HIDDEN


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def config_show(*args: str) -> None:
    """Run the command; it succeeds."""
    with pytest.raises(SystemExit) as exited:
        main(["config", "show", *args])
    assert not exited.value.code


def test_each_setting_has_its_value_and_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All four places, each with the words that name it; the key of the file has the file's whole path."""
    (tmp_path / "kinora.toml").write_text('max_queued = 9\nmax_jobs = 1\nmedia_dir = "clips"\n')
    monkeypatch.setenv("KINORA_MAX_JOBS", "7")
    config_show("--port", "4321", "--no-realtime", "--url-hosts", "a.example,b.example", "--json")
    shown: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert list(shown) == [field.name for field in attrs.fields(Settings)]
    assert shown["port"] == {"value": 4321, "origin": "--port"}
    assert shown["realtime"] == {"value": False, "origin": "--no-realtime"}
    assert shown["url_hosts"] == {"value": ["a.example", "b.example"], "origin": "--url-hosts"}
    assert shown["max_jobs"] == {"value": 7, "origin": "KINORA_MAX_JOBS"}
    assert shown["max_queued"] == {"value": 9, "origin": f"{tmp_path / 'kinora.toml'}: max_queued"}
    assert shown["media_dir"] == {"value": str(tmp_path / "clips"), "origin": f"{tmp_path / 'kinora.toml'}: media_dir"}
    assert shown["models_dir"] == {"value": str(tmp_path), "origin": "default"}
    assert shown["plugins_dir"] == {"value": None, "origin": "default"}


def test_programs_get_a_line_for_each_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal the table is tab-separated."""
    config_show("--max-jobs", "3")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "setting\tvalue\torigin"
    assert "max_jobs\t3\t--max-jobs" in lines


def test_secrets_are_not_shown() -> None:
    """A field that is marked as a secret shows only that it is set."""

    @attrs.frozen
    class Secretive:
        key: str | None = attrs.field(default=None, metadata={HIDDEN: True})

    field = attrs.fields(Secretive).key
    assert shown_value(field, "s3cret") == "(secret)"
    assert shown_value(field, None) is None
