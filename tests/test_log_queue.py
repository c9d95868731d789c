"""The log's thread, against real pipes that nobody reads."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator

import pytest

from kinora import log_queue
from kinora.log_queue import QueuedHandler


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe's ends for reading and writing."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def record(text: str) -> logging.LogRecord:
    """A line to be logged."""
    return logging.LogRecord("test", logging.INFO, __file__, 0, text, None, None)


def read_lines(fd: int, last: str) -> list[str]:
    """Read until the line ``last``, and return all lines."""
    text = ""
    while not text.endswith(f"{last}\n"):
        text += os.read(fd, 2**16).decode()
    return text.splitlines()


def test_lines_come_in_order(pipe: tuple[int, int]) -> None:
    """All lines are written in the order in which they were logged, and ``flush`` waits for them."""
    reading, writing = pipe
    handler = QueuedHandler(writing)
    for number in range(100):
        handler.emit(record(f"line {number}"))
    handler.flush()
    assert read_lines(reading, "line 99") == [f"line {number}" for number in range(100)]


@pytest.mark.parametrize("blocking", [True, False])
def test_lines_that_nobody_reads_are_dropped_and_counted(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch, blocking: bool
) -> None:
    """With a full pipe and a full queue no line waits; later one says how many are missing, in their place."""
    monkeypatch.setattr(log_queue, "MAX_WAITING_BYTES", 100_000)
    reading, writing = pipe
    os.set_blocking(writing, blocking)
    handler = QueuedHandler(writing)
    logged = [f"{number:06} {'x' * 992}" for number in range(500)]
    for line in logged:
        handler.emit(record(line))
    told, missing = 0, 0
    with open(reading, closefd=False) as lines:
        while told + missing < len(logged):
            line = next(lines).removesuffix("\n")
            if found := re.fullmatch(r"(\d+) lines were not written: nobody read the log", line):
                missing += int(found[1])
            else:
                assert line == logged[told + missing]
                told += 1
    assert missing
    handler.emit(record("the end"))
    assert read_lines(reading, "the end") == ["the end"]


def test_the_count_stands_where_the_lines_are_missing(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A line logged as soon as there is room comes behind the count of those that are missing before it."""
    monkeypatch.setattr(log_queue, "MAX_WAITING_BYTES", 10)
    reading, writing = pipe
    handler = QueuedHandler(writing)
    os.write(writing, bytes(2**16))
    handler.emit(record("first"))
    handler.emit(record("is dropped"))
    handler.emit(record("2nd"))
    assert os.read(reading, 2**16) == bytes(2**16)
    assert read_lines(reading, "2nd") == ["first", "1 lines were not written: nobody read the log", "2nd"]


def test_a_flush_does_not_wait_for_a_reader_that_never_comes(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of the process what waits is given up after a moment."""
    monkeypatch.setattr(log_queue, "FLUSH_S", 0.01)
    handler = QueuedHandler(pipe[1])
    os.write(pipe[1], bytes(2**16))
    handler.emit(record("lost"))
    handler.flush()
    assert os.read(pipe[0], 2**16) == bytes(2**16)


def test_a_closed_handler_ends_its_thread_behind_the_last_line(pipe: tuple[int, int]) -> None:
    """What was logged before the close is written, and then the thread is gone."""
    before = set(threading.enumerate())
    handler = QueuedHandler(pipe[1])
    [thread] = set(threading.enumerate()) - before
    handler.emit(record("the end"))
    handler.close()
    thread.join(60)
    assert read_lines(pipe[0], "the end") == ["the end"]
    assert not thread.is_alive()
