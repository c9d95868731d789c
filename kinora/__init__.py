"""Kinora runs computer-vision plugins over images and video and shows what happens while it happens.

Its floors, from the ground up; no import runs upwards, as ``make check`` proves:

* :mod:`kinora.runtime`: how things run; knows nothing of jobs, plugins or the web
* :mod:`kinora.plugins`: what a vision tool is, how it is found, and how it runs
* :mod:`kinora.media`: what a source is, and how pictures are read, drawn and written
* :mod:`kinora.actors`: the system at work
* :mod:`kinora.settings`: what an operator chooses
* ``kinora.system``: builds the tree of actors, with the data folder and the preloading of its workers
* :mod:`kinora.web`: REST, WebSocket and SSE
* :mod:`kinora.python`, ``kinora.serve``, :mod:`kinora.doctor` and :mod:`kinora.cli`: what a Python program uses, a
  whole server, what is checked beforehand, the commands

:mod:`kinora.client` stands beside them and needs none of them.

A Python program runs a source through plugins by :func:`run`, here, or by :func:`connect`, on a server.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinora.python.errors import PictureGone as PictureGone
    from kinora.python.errors import PluginFailed as PluginFailed
    from kinora.python.errors import RunError as RunError
    from kinora.python.found import Detections as Detections
    from kinora.python.frame import Result as Result
    from kinora.python.frame import RunFrame as RunFrame
    from kinora.python.local_runs import run as run
    from kinora.python.run import Run as Run
    from kinora.python.servers import Server as Server
    from kinora.python.servers import connect as connect

__version__ = "0.1.0"

_HOMES = {
    "Detections": "found",
    "PictureGone": "errors",
    "PluginFailed": "errors",
    "Result": "frame",
    "Run": "run",
    "RunError": "errors",
    "RunFrame": "frame",
    "Server": "servers",
    "connect": "servers",
    "run": "local_runs",
}
"""Name → the module of ``kinora.python`` that has it. Each is imported when it is first used: commands need none."""


def __getattr__(name: str) -> Any:
    """Import a part of ``kinora.python``."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.python.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """The names that a program uses, for completion."""
    return sorted([*globals(), *_HOMES])
