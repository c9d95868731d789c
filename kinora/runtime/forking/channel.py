"""Messages over a socket pair between the server and one other process.

The socket is ``SOCK_SEQPACKET``: the kernel keeps the boundaries of packets, an end of file means that the other side
is gone, and no third process shares it. A long message is sent as several packets, each with a leading flag.
"""

from __future__ import annotations

import array
import os
import socket
from collections.abc import Iterable, Iterator, Sequence

PACKET_BYTES = 64 * 1024
"""Well below the kernel's default send buffer of 208 KiB, beyond which a packet is refused."""
READ_BYTES = PACKET_BYTES + 1
"""The size of a read, one byte more than a packet: so a packet that is too long is detected and not just cut off."""
MAX_MESSAGE_BYTES = 16 * 2**20
"""The size of the longest message. Both sides refuse longer ones: messages of a plugin's process are not trusted."""
MAX_FDS = 4
SOCKET_BUFFER_BYTES = 2**20

_LAST, _MORE = b"\0", b"\1"


class ProtocolError(Exception):
    """The bytes that arrived are not a valid message; the process that sent them cannot be trusted any more."""


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets, close-on-exec, with room for several packets."""
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in pair:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
    return pair


def packets(data: bytes) -> Iterable[bytes]:
    """Cut a message into packets.

    Raises:
        ValueError: the message is longer than ``MAX_MESSAGE_BYTES``.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message of {len(data)} bytes is over the limit of {MAX_MESSAGE_BYTES}")
    return (_LAST + data,) if len(data) < PACKET_BYTES else _several(data)


def _several(data: bytes) -> Iterator[bytes]:
    size = PACKET_BYTES - 1
    last = (len(data) - 1) // size
    for number in range(last + 1):
        flag = _LAST if number == last else _MORE
        yield flag + data[number * size : (number + 1) * size]


class Assembler:
    """Joins packets to messages; one for each direction of a socket."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, packet: bytes) -> bytes | None:
        """Add a packet; return the message if that was its last packet, else None.

        Raises:
            ProtocolError: the packet is too long, its flag is unknown, it is not the last one but has room left, or the
                message exceeds ``MAX_MESSAGE_BYTES``.
        """
        flag, part = packet[:1], packet[1:]
        if flag == _LAST and not self._parts and len(packet) <= PACKET_BYTES:
            return part
        self._size += len(part)
        # Only full packets may be continued: otherwise endless empty packets would never reach the limit.
        well_formed = flag == _LAST or (flag == _MORE and len(packet) == PACKET_BYTES)
        if not well_formed or len(packet) > PACKET_BYTES or self._size > MAX_MESSAGE_BYTES:
            raise ProtocolError("the process sent bytes that are not a message")
        self._parts.append(part)
        if flag == _MORE:
            return None
        message = b"".join(self._parts) if len(self._parts) > 1 else part
        self._parts, self._size = [], 0
        return message


class Channel:
    """The blocking end, for code in a worker process. It must not be shared between threads."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._assembler = Assembler()

    def fileno(self) -> int:
        """Return the socket's descriptor, for polling."""
        return self._socket.fileno()

    def send(self, data: bytes, fds: Sequence[int] = ()) -> None:
        """Send one message; the descriptors go with its first packet.

        Raises:
            OSError: the other side is gone.
            ValueError: the message is too long.
        """
        for packet in packets(data):
            if fds:
                socket.send_fds(self._socket, [packet], list(fds))
                fds = ()
            else:
                self._socket.send(packet)

    def recv(self) -> tuple[bytes, list[int]]:
        """Wait for one message and its descriptors, which the caller owns then.

        Raises:
            EOFError: the other side has closed its end, and the process should stop.
        """
        fds: list[int] = []
        while True:
            packet, new_fds = _recv_packet(self._socket)
            fds += new_fds
            if not packet:
                close_all(fds)
                raise EOFError("the other side is gone")
            message = self._assembler.add(packet)
            if message is not None:
                return message, fds


def _recv_packet(end: socket.socket) -> tuple[bytes, list[int]]:
    """Wait for a packet and its descriptors, close-on-exec; return an empty one at the end of file or after a reset."""
    try:
        data, ancillary, _, _ = end.recvmsg(READ_BYTES, socket.CMSG_LEN(MAX_FDS * 4), socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        return b"", []
    fds = array.array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return data, list(fds)


def close_all(fds: Sequence[int]) -> None:
    """Close descriptors."""
    for fd in fds:
        os.close(fd)
