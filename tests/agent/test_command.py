"""``kinora agent`` says in a sentence what is wrong with its arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinora.cli.main import main

SERVER = ("--server", "http://127.0.0.1:1")


@pytest.mark.usefixtures("logging_as_before")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name the server with --server"),
        (("--server", "nonsense"), "'nonsense' is not a server address"),
        ((*SERVER, "--token", "two words"), "characters that none has"),
        ((*SERVER, "--token-file", "/nowhere"), "/nowhere cannot be read"),
        ((*SERVER, "--token", "kin_a", "--resource", "card"), "write it as NAME=N"),
        ((*SERVER, "--token", "kin_a", "--resource", "card=-1"), "write it as NAME=N"),
        ((*SERVER, "--token", "kin_a", "--places", "0"), "places"),
    ],
)
def test_wrong_arguments_are_told_in_a_sentence(
    arguments: tuple[str, ...],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """It ends with 2, and starts nothing."""
    for name in ("KINORA_URL", "KINORA_TOKEN", "KINORA_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KINORA_DATA_DIR", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        main(["agent", *arguments])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
