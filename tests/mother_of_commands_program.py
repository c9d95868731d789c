"""The process of the mother of commands, see ``tests.mother_of_commands``."""

from __future__ import annotations

import gc
import importlib
import os
import socket
import sys
import threading
from pathlib import Path

import msgspec

from kinora.cli.main import COMMANDS, cli, main
from kinora.runtime.forking.channel import Channel, close_all
from tests.mother_program import fork_orphan

LATER = ("kinora.cli.local.local_job", "kinora.cli.plugin_kit", "kinora.serve", "kinora.agent")
"""Modules that commands import when they are needed."""
UNWANTED = ("cv2", "av", "rich")
"""Those that most commands never import."""


class Order(msgspec.Struct, frozen=True):
    """A command to fork; its three streams come along as descriptors."""

    args: list[bytes]
    folder: bytes
    variables: dict[bytes, bytes]


def serve(control_fd: int) -> list[bytes]:
    """Import the commands and fork one for each order; return in such a process, with its arguments."""
    gc.disable()
    for name in COMMANDS:
        cli.get_command(None, name)  # type: ignore[arg-type]
    for module in LATER:
        importlib.import_module(module)
    gc.enable()
    assert threading.active_count() == 1
    assert not [name for name in UNWANTED if name in sys.modules]
    control = Channel(socket.socket(fileno=control_fd))
    while True:
        try:
            order, streams = control.recv()
        except EOFError:
            os._exit(0)
        pid = fork_orphan()
        if pid is None:
            os.close(control.fileno())
            return _become(msgspec.msgpack.decode(order, type=Order), streams)
        control.send(pid)
        close_all(streams)


def _become(order: Order, streams: list[int]) -> list[bytes]:
    """Have the streams, the folder and the variables of the order; return its arguments."""
    for number, (fd, name, mode) in enumerate(zip(streams, ("stdin", "stdout", "stderr"), "rww", strict=True)):
        os.dup2(fd, number)
        os.close(fd)
        errors = getattr(sys, name).errors
        stream = open(number, mode, encoding=getattr(sys, name).encoding, errors=errors, closefd=False)  # noqa: SIM115 - for good
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    os.chdir(order.folder)
    sys.path[0] = str(Path.cwd())
    os.environb.clear()
    os.environb.update(order.variables)
    return order.args


if __name__ == "__main__":
    arguments = [os.fsdecode(arg) for arg in serve(int(sys.argv[1]))]
    sys.argv[1:] = arguments
    main()
