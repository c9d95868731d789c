"""The process of the mother, see ``tests.mother``. It imports nothing that a fork server would not have."""

from __future__ import annotations

import gc
import importlib
import os
import socket
from typing import NoReturn

from kinora.runtime.forking.channel import Channel, close_all
from kinora.runtime.forking.forkserver import main


def serve(control_fd: int, preload: list[str]) -> NoReturn:
    """Make the imports, then fork a fork server for each message, whose text is its working folder."""
    gc.disable()  # as a fork server does for its imports
    for module in preload:
        importlib.import_module(module)
    gc.enable()
    control = Channel(socket.socket(fileno=control_fd))
    control.send(b"ready")
    while True:
        try:
            folder, fds = control.recv()
        except EOFError:
            os._exit(0)
        pid = fork_orphan()
        if pid is None:
            _become_fork_server(control, os.fsdecode(folder), fds, preload)
        control.send(pid)
        close_all(fds)


def fork_orphan() -> bytes | None:
    """Fork a process whose parent has ended, so that it has become a child of the suite's; return None in it."""
    told, tells = os.pipe()
    if (between := os.fork()) == 0:
        if pid := os.fork():
            os.write(tells, str(pid).encode())
            os._exit(0)
        os.closerange(told, tells + 1)
        return None
    os.close(tells)
    os.waitpid(between, 0)
    with os.fdopen(told, "rb") as pipe:
        return pipe.read()


def _become_fork_server(control: Channel, folder: str, fds: list[int], preload: list[str]) -> NoReturn:
    os.close(control.fileno())
    os.setsid()
    os.chdir(folder)
    end, out, err, *_lifeline = fds
    for fd, place in ((out, 1), (err, 2)):
        os.dup2(fd, place)
        os.close(fd)
    main(end, preload)
    os._exit(0)
