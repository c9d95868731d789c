"""What docs/webhooks.md tells receivers to do finds out which posts are the server's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kinora.actors.webhooks.receiver import signature
from tests.docs.snippets import DOCS, snippets

SECRET, BODY = "correct horse", b'{"type": "test"}'
PROGRAMS = {
    "python": (sys.executable, "import sys; print(is_genuine({signature!r}, open({file!r}, 'rb').read(), {secret!r}))"),
    "js": ("node", "console.log(isGenuine({signature!r}, (await import('fs')).readFileSync({file!r}), {secret!r}))"),
    "sh": ("sh", "is_genuine {signature!r} {file!r} {secret!r} && echo true || echo false"),
}
"""Language → what runs it, and a line that prints whether a post is genuine."""


def cases() -> dict[str, tuple[str, bytes]]:
    """Signatures, each with the body that comes with it."""
    now, long_ago = int(time.time()), int(time.time()) - 3600
    old = signature(SECRET, long_ago, BODY)
    return {
        "genuine": (signature(SECRET, now, BODY), BODY),
        "of another secret": (signature("wrong", now, BODY), BODY),
        "of another body": (signature(SECRET, now, BODY), b"{}"),
        "old": (old, BODY),
        "at another time": (old.replace(str(long_ago), str(now)), BODY),
        "none": ("none", BODY),
    }


def with_node() -> dict[str, str]:
    """The environment in which Node.js is found, where ``make`` has put one too."""
    own = Path(sys.prefix, ".node")
    folder = own.read_text().strip() if own.exists() else ""
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.parametrize("language", PROGRAMS)
def test_the_check_of_a_signature_tells_right_from_wrong(language: str, tmp_path: Path) -> None:
    """In each language of the page."""
    runs, line = PROGRAMS[language]
    [check] = [one.text for one in snippets(DOCS / "webhooks.md") if one.language == language and "enuine" in one.text]
    lines = []
    for name, (signed, body) in cases().items():
        (file := tmp_path / name).write_bytes(body)
        lines.append(line.format(signature=signed, file=str(file), secret=SECRET))
    (program := tmp_path / "check.mjs").write_text("\n".join([check, *lines]))
    told = subprocess.run([runs, str(program)], env=with_node(), capture_output=True, text=True, timeout=60, check=True)
    assert told.stdout.lower().split() == ["true", "false", "false", "false", "false", "false"]
