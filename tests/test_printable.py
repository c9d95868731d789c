"""Text of others before it is printed."""

from __future__ import annotations

import io
import json
import logging
import re
import sys

import pytest
import structlog
from hypothesis import given
from hypothesis.strategies import text

from kinora.log import configure_logging
from kinora.printable import printable, printable_json, printable_lines


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a plain söntence · 你好", "a plain söntence · 你好"),
        ("\x1b[2J\x07", r"\x1b[2J\x07"),
        ("one\r\ntwo\tthree", r"one\r\ntwo\tthree"),
        ("\x7f\x85\x9b31m", r"\x7f\x85\x9b31m"),
        ("gnp\u202e.exe\u2066\u200f\u2028", r"gnp\u202e.exe\u2066\u200f\u2028"),
        ("caf\udce9\ufffe", r"caf\udce9\ufffe"),
    ],
)
def test_control_characters_are_shown(raw: str, shown: str) -> None:
    """Whatever steers a terminal, begins a line or turns the direction of writing is shown as an escape."""
    assert printable(raw) == shown


def test_lines_stay_lines() -> None:
    """Text of several lines keeps its newlines and tabs, and nothing else that steers a terminal."""
    assert printable_lines("one\n\ttwo\r\x1b[A\u2029") == "one\n\ttwo" + r"\r\x1b[A\u2029"


@given(text())
def test_json_stays_the_same(value: str) -> None:
    """A JSON document means what it meant, and its text has no control characters."""
    shown = printable_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(shown) == value
    assert printable(shown) == shown


class Terminal(io.StringIO):
    """Text that is written to a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, logging_as_before: None) -> Terminal:
    """A terminal as stderr that everything is logged to; logging is as before afterwards."""
    monkeypatch.setattr(sys, "stderr", shown := Terminal())
    configure_logging("info")
    structlog.configure(cache_logger_on_first_use=False)
    return shown


@pytest.mark.parametrize("said", ["event", "field", "listed", "error", "library"])
def test_a_log_for_people_shows_control_characters(terminal: Terminal, said: str) -> None:
    """Events, their fields, tracebacks and the lines of other libraries cannot steer the terminal or forge a line."""
    hostile = "\x1b]0;title\x07\x9b2J\rforged"
    log = structlog.get_logger()
    match said:
        case "event":
            log.warning(hostile)
        case "field":
            log.warning("a plugin is broken", reason=hostile)
        case "listed":
            log.warning("a plugin is broken", reasons=[hostile])
        case "library":
            logging.getLogger("a.library").warning("it says %s", hostile)
        case "error":
            log.error("a request failed", exc_info=ValueError(hostile))
    shown = re.sub("\x1b\\[[0-9;]*m", "", terminal.getvalue())  # the renderer's own colours
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown)
    assert r"\x1b]0;title\x07\x9b2J\rforged" in shown
