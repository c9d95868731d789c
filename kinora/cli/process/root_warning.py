"""The warning of commands that run the code of plugins as root."""

from __future__ import annotations

import os

import structlog

log = structlog.get_logger()


def warn_of_root() -> None:
    """Log once that the server runs as root, if it does."""
    if os.geteuid() == 0:
        log.warning("running as root: give Kinora a user account of its own, as plugins have all rights of this one")
