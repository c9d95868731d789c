"""A program that a worker runs, and its typed conversation with the server: msgspec Structs as MessagePack.

This module is light to import, because every worker pays for it: it does not import Trio.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

import attrs
import msgspec

from kinora.runtime.forking.channel import Channel

Request = TypeVar("Request")
Answer = TypeVar("Answer")

encode = msgspec.msgpack.encode


@attrs.frozen
class Program(Generic[Request, Answer]):
    """The start of a program, and the decoders of both sides; each side accepts only the other side's messages.

    The decoders raise msgspec.DecodeError, UnicodeDecodeError or RecursionError for anything else.
    """

    target: str
    """``module:function``; the function is called with a :class:`~kinora.runtime.forking.channel.Channel`."""
    decode_request: Callable[[bytes], Request]
    decode_answer: Callable[[bytes], Answer]
    limits: Mapping[int, int] = attrs.field(factory=dict)
    """Limits of the process by resource, such as ``resource.RLIMIT_CORE``."""


class Line(Generic[Request, Answer]):
    """The program's end of the conversation."""

    def __init__(self, program: Program[Request, Answer], channel: Channel) -> None:
        self._decode = program.decode_request
        self._channel = channel

    def receive(self) -> tuple[Request, list[int]]:
        """Wait for a request and its descriptors, which the caller owns then.

        Raises:
            EOFError: the server has closed its end.
        """
        data, fds = self._channel.recv()
        return self._decode(data), fds

    def send(self, message: Answer, fds: Sequence[int] = ()) -> None:
        """Send one message.

        Raises:
            OSError: the server is gone.
        """
        self._channel.send(encode(message), fds)


def serve(line: Line[Request, Answer], answer: Callable[[Request, list[int]], Iterable[Answer]]) -> None:
    """Answer one request after the other until the server closes its end of the channel.

    ``answer`` returns the messages for one request. A generator is resumed after each message was sent, so it can work
    ahead for the next request.
    """
    own = os.getpid()
    with suppress(EOFError, BrokenPipeError):
        while True:
            request, fds = line.receive()
            for message in answer(request, fds):
                if os.getpid() != own:
                    os._exit(0)  # a child that a plugin has forked and that returned here: it must not answer as well
                line.send(message)
