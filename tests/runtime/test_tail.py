"""The end of a text, and what is shown of bytes that are no text."""

from __future__ import annotations

import random

import pytest

from kinora.runtime.tail import Tail, readable


@pytest.mark.parametrize(
    "data", [b"", b"plain", "größer".encode(), b"\xff\xfe", b"cut \xc3", bytes(range(256)), b"\xed\xb2\x80"]
)
def test_what_is_not_utf8_is_shown_escaped(data: bytes) -> None:
    """As Python itself escapes it, so that nothing of it is lost."""
    assert readable(data) == data.decode("utf-8", "backslashreplace")


def test_any_bytes_are_shown() -> None:
    """Whatever a plugin prints."""
    chance = random.Random(1)  # noqa: S311 - no secret
    for size in range(300):
        data = chance.randbytes(size)
        assert readable(data) == data.decode("utf-8", "backslashreplace")


def test_only_the_end_is_kept() -> None:
    """The oldest bytes go first, within a part too."""
    tail = Tail(5)
    for part in (b"abc", b"", b"de", b"fg"):
        tail.add(part)
    assert (tail.data(), tail.text()) == (b"cdefg", "cdefg")
