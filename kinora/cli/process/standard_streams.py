"""The standard streams of a process that was started without them."""

from __future__ import annotations

import os
import sys


def open_missing_streams() -> None:
    """Open each of stdin, stdout and stderr that is closed, on ``/dev/null``.

    Otherwise the next file or socket gets its number, and is taken for it by whatever prints, and by child processes.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - for good
