"""Runs the target of a worker process in a thread, over a real socket pair."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from kinora.runtime.channel import Channel, socket_pair

JOIN_TIMEOUT_S = 10.0


class Peer:
    """The server's side of the channel."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def send(self, fds: Sequence[int] = (), **message: Any) -> None:
        """Send one message."""
        self._channel.send(msgspec.msgpack.encode(message), fds)

    def receive(self) -> dict[str, Any]:
        """Wait for one message."""
        data, _ = self._channel.recv()
        return msgspec.msgpack.decode(data, type=dict[str, Any])

    def ask(self, **message: Any) -> dict[str, Any]:
        """Send one message and wait for the next that comes."""
        self.send(**message)
        return self.receive()


@contextmanager
def running(target: Callable[[Channel], None]) -> Iterator[Peer]:
    """The target at work; at the end our side closes, and the target must return."""
    ours, theirs = socket_pair()
    thread = threading.Thread(target=target, args=(Channel(theirs),), daemon=True)
    with theirs:
        with ours:
            thread.start()
            yield Peer(Channel(ours))
        thread.join(JOIN_TIMEOUT_S)
        assert not thread.is_alive(), "the target did not return at the end of its channel"
