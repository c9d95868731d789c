"""Keeps the log of Kinora's parts out of a program's output."""

from __future__ import annotations

import logging
import sys

import structlog


def quieten() -> None:
    """Log errors only, to stderr, unless the program has configured structlog: then all goes where it says."""
    if not structlog.is_configured():
        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
            logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        )
