"""The channel's blocking end and its packets, over real socket pairs."""

import os
import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinora.runtime.forking.channel import (
    MAX_MESSAGE_BYTES,
    PACKET_BYTES,
    Assembler,
    Channel,
    ProtocolError,
    packets,
    socket_pair,
)

Ends = tuple[Channel, Channel]


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected ends."""
    ours, theirs = socket_pair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def ends(sockets: tuple[socket.socket, socket.socket]) -> Ends:
    """A channel at each end."""
    return Channel(sockets[0]), Channel(sockets[1])


@given(st.integers(0, 4 * PACKET_BYTES), st.binary(max_size=8))
def test_packets_put_together_are_the_message(size: int, tail: bytes) -> None:
    """Cutting and assembling gives the same bytes, exactly at the last packet, message after message."""
    assembler = Assembler()
    for message in (bytes(size) + tail, tail):
        *first, last = packets(message)
        assert all(assembler.add(packet) is None for packet in first)
        assert all(len(packet) <= PACKET_BYTES for packet in (*first, last))
        assert assembler.add(last) == message


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1))
def test_no_bytes_break_the_assembler(stream: list[bytes]) -> None:
    """Any packet is part of a message or a ProtocolError, never another exception."""
    assembler = Assembler()
    try:
        for packet in stream:
            message = assembler.add(packet)
            assert packet[:1] == b"\0"
            assert message == packet[1:]
    except ProtocolError:
        assert packet[:1] != b"\0"


def test_a_message_may_have_the_full_size_and_no_more() -> None:
    """The limit is the same for the sender and the receiver."""
    assembler = Assembler()
    parts = [assembler.add(packet) for packet in packets(bytes(MAX_MESSAGE_BYTES))]
    assert parts[-1] == bytes(MAX_MESSAGE_BYTES)
    with pytest.raises(ValueError, match="over the limit"):
        list(packets(bytes(MAX_MESSAGE_BYTES + 1)))
    full = b"\1" + bytes(PACKET_BYTES - 1)
    for _ in range(MAX_MESSAGE_BYTES // (PACKET_BYTES - 1)):
        assert assembler.add(full) is None
    with pytest.raises(ProtocolError):
        assembler.add(full)


@pytest.mark.parametrize(
    "packet", [b"", b"\2", b"\xff" * 100, b"\1", b"\1short", b"\0" * (PACKET_BYTES + 1), b"\1" * (PACKET_BYTES + 1)]
)
def test_a_malformed_packet_is_refused(packet: bytes) -> None:
    """An unknown flag, a packet that is too long, and one that is to be continued though it has room left."""
    with pytest.raises(ProtocolError):
        Assembler().add(packet)


def test_messages_arrive_whole_and_in_order(ends: Ends) -> None:
    """Boundaries are kept for the empty, the small and the long."""
    ours, theirs = ends
    messages = [b"", b"a", os.urandom(3 * 2**20), b"", b"z"]

    def send() -> None:
        for message in messages:
            theirs.send(message)

    sender = threading.Thread(target=send)
    sender.start()
    received = [ours.recv() for _ in messages]
    sender.join()
    assert received == [(message, []) for message in messages]


def test_descriptors_come_with_the_first_packet_and_are_the_receivers(ends: Ends) -> None:
    """They refer to the same file, are close-on-exec, and stay open with the sender as well."""
    ours, theirs = ends
    reading, writing = os.pipe()
    sender = threading.Thread(target=theirs.send, args=(bytes(5 * PACKET_BYTES), (writing,)))
    sender.start()
    message, (got,) = ours.recv()
    sender.join()
    assert len(message) == 5 * PACKET_BYTES
    assert not os.get_inheritable(got)
    os.write(got, b"1")
    os.write(writing, b"2")
    assert os.read(reading, 2) == b"12"
    for fd in (reading, writing, got):
        os.close(fd)


def test_the_end_of_the_other_side_is_an_end_of_file(sockets: tuple[socket.socket, socket.socket]) -> None:
    """Its messages are read first; then EOFError, again and again; sending to it is an OSError."""
    ours, theirs = sockets
    channel = Channel(theirs)
    Channel(ours).send(b"last")
    ours.close()
    assert channel.recv() == (b"last", [])
    for _ in range(2):
        with pytest.raises(EOFError):
            channel.recv()
    with pytest.raises(OSError, match="Broken pipe"):
        channel.send(b"too late")


def test_a_reset_is_an_end_of_file(sockets: tuple[socket.socket, socket.socket]) -> None:
    """It makes no difference if the other side closed before it had read everything."""
    ours, theirs = sockets
    channel = Channel(theirs)
    channel.send(b"never read")
    ours.close()
    with pytest.raises(EOFError):
        channel.recv()


def test_an_unfinished_message_is_an_end_of_file_and_keeps_no_descriptor(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    """Descriptors that came with a message that was never finished are closed."""
    ours, theirs = sockets
    reading, writing = os.pipe2(os.O_NONBLOCK)
    socket.send_fds(ours, [b"\1" + bytes(PACKET_BYTES - 1)], [writing])
    os.close(writing)
    ours.close()
    with pytest.raises(EOFError):
        Channel(theirs).recv()
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_both_ends_are_closed_on_exec(sockets: tuple[socket.socket, socket.socket]) -> None:
    """Programs that are started do not inherit a channel."""
    assert not any(os.get_inheritable(end.fileno()) for end in sockets)
