"""Packets for FFmpeg's decoders, made of bytes that were read here."""

from __future__ import annotations

from av.packet import Packet
from av.stream import Stream


def packet_of(data: bytes) -> Packet[Stream]:
    """A packet with a copy of ``data``, in memory of FFmpeg's own.

    Python's would be freed under Python's lock, in a thread of the decoder. If the decoder is freed meanwhile,
    that thread waits for the lock, and the lock's owner for the thread.
    """
    packet: Packet[Stream] = Packet(len(data))
    packet.update(data)
    return packet
