"""Imports that would load more than a command needs."""

from __future__ import annotations

import importlib
import sys


def import_structlog() -> None:
    """Import structlog without rich, which it takes along if it finds it, for tracebacks in colours.

    Kinora prints them plainly, and rich takes longer to import than structlog.
    """
    if "rich" in sys.modules or "structlog" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # then Python does not find it; see sys.modules
    try:
        importlib.import_module("structlog")
    finally:
        del sys.modules["rich"]
