"""Logging by structlog and the standard library in one form on stderr: for people on a terminal, else JSON lines."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import MemoryHandler
from typing import TextIO

import structlog

from kinora.line_budget import LineBudget
from kinora.log_queue import QueuedHandler
from kinora.printable import printable, printable_lines

BUDGET = LineBudget()
"""The bound on the lines of this process."""
HELD_LINES = 1_000
"""The lines that are held back at most; with more they are all logged."""
_OF_LINES = frozenset({"exception", "stack"})
"""Fields whose text has several lines."""


def configure_logging(level: str, form: str = "auto") -> None:
    """Log everything from ``level`` (``debug``, ``info``, ``warning``, ``error``) upwards to stderr.

    ``form`` is ``console`` for people, ``json`` for a JSON object a line, or ``auto``: by whether stderr is a terminal.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    terminal = sys.stderr.isatty()
    for_people = terminal if form == "auto" else form == "console"
    final: list[structlog.typing.Processor] = (
        [_make_printable, structlog.dev.ConsoleRenderer(colors=terminal, exception_formatter=_print_traceback)]
        if for_people
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    handler = _handler()
    handler.addFilter(BUDGET)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _handler() -> logging.Handler:
    """The handler of lines for stderr; one that may wait for the reader only if stderr is no file of the system."""
    try:
        return QueuedHandler(sys.stderr.fileno())
    except io.UnsupportedOperation:
        return logging.StreamHandler(sys.stderr)


@contextmanager
def held_back(*, held: bool) -> Iterator[None]:
    """Keep what is logged in the block, if ``held``, until its end or the first error; then it is all logged, in order.

    At most ``HELD_LINES`` are kept; then they are logged at once.
    """
    root = logging.getLogger()
    handlers = list(root.handlers)
    if not held:
        yield
        return
    keepers = [MemoryHandler(HELD_LINES, flushLevel=logging.ERROR, target=handler) for handler in handlers]
    root.handlers[:] = keepers
    try:
        yield
    finally:
        root.handlers[:] = handlers
        for keeper in keepers:
            keeper.close()


def flush_log() -> None:
    """Wait for the lines logged so far, for a moment, so that what is printed next comes behind them."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def _make_printable(_logger: object, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Show the control characters of texts; values of other types are shown by ``repr``, which does that."""
    for name, value in line.items():
        if isinstance(value, str):
            line[name] = printable_lines(value) if name in _OF_LINES else printable(value)
    return line


def _print_traceback(stream: TextIO, error: structlog.typing.ExcInfo) -> None:
    """Print a traceback whose messages cannot steer the terminal."""
    structlog.dev.plain_traceback(text := io.StringIO(), error)
    stream.write(printable_lines(text.getvalue()))
