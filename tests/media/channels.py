"""Runs the target of a worker process in a thread, over a real socket pair."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic

from kinora.runtime.forking.channel import Channel, socket_pair
from kinora.runtime.forking.program import Answer, Program, Request, encode

JOIN_TIMEOUT_S = 30.0


class Peer(Generic[Request, Answer]):
    """The server's side of the channel."""

    def __init__(self, program: Program[Request, Answer], channel: Channel) -> None:
        self._decode = program.decode_answer
        self._channel = channel

    def send(self, message: Request, fds: Sequence[int] = ()) -> None:
        """Send one message."""
        self._channel.send(encode(message), fds)

    def receive(self) -> Answer:
        """Wait for one message."""
        data, _ = self._channel.recv()
        return self._decode(data)

    def ask(self, message: Request) -> Answer:
        """Send one message and wait for the next that comes."""
        self.send(message)
        return self.receive()


@contextmanager
def running(program: Program[Request, Answer]) -> Iterator[Peer[Request, Answer]]:
    """The program at work; at the end our side closes, and its target must return."""
    module, _, function = program.target.partition(":")
    target: Any = getattr(importlib.import_module(module), function)
    ours, theirs = socket_pair()
    thread = threading.Thread(target=target, args=(Channel(theirs),), daemon=True)
    with theirs:
        with ours:
            thread.start()
            yield Peer(program, Channel(ours))
        thread.join(JOIN_TIMEOUT_S)
        assert not thread.is_alive(), "the target did not return at the end of its channel"
