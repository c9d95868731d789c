"""The last step of a worker's start, under whatever interpreter: it runs its target with its channel, and ends."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import os
import signal
import socket
import sys
import traceback
from typing import NoReturn

from kinora.runtime.forking.channel import Channel

CHANNEL = 3
"""The descriptor of a worker's channel, which programs that a plugin starts do not inherit."""


def run_target(target: str) -> NoReturn:
    """Run ``module:function`` with the channel; its output is a log already. The exit code is 0 if it returns."""
    code = 1
    try:
        channel = Channel(socket.socket(fileno=CHANNEL))
        _print_to_log()
        module, _, function = target.partition(":")
        getattr(importlib.import_module(module), function)(channel)
        code = 0
    except EOFError:
        code = 0  # the server has closed this worker's channel
    except BaseException:  # noqa: ASYNC103, BLE001 - the process ends here, and its output says why
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _print_to_log() -> None:
    """Send each printed line at once, so that a crash loses none, and print a traceback on a crash or SIGTERM."""
    sys.stdout = sys.stderr = open(  # noqa: SIM115 - for the life of the process
        1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
    )
    faulthandler.enable()
    faulthandler.register(signal.SIGTERM, chain=True)  # works in native code that keeps the GIL as well, then ends
